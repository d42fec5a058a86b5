"""What varies together: the utterances of a speaker, whom chance drew once."""

from collections.abc import Mapping, Sequence

SPEAKERS, FOLDS, UTTERANCES = "speakers", "folds", "utterances"


def speaker_groups(
    keys: Sequence[tuple[str, str]], utt2spk: Mapping[str, str] | None
) -> tuple[list[str], str]:
    """Group tested utterances by speaker; by fold where speakers are not known.

    Args:
        keys: Fold and utterance.
        utt2spk: Speaker of every utterance; one who is called as the utterance is not
            known, nor is anybody where there is None.

    Returns:
        The group of every utterance, and what groups are: speakers, folds, or, where
        there is one of them alone, utterances.
    """
    known = utt2spk or {}
    spoken = [known.get(utt, utt) for _, utt in keys]
    are_known = all(who != utt for who, (_, utt) in zip(spoken, keys, strict=True))
    if are_known and len(set(spoken)) > 1:
        return spoken, SPEAKERS
    folds = [fold for fold, _ in keys]
    if len(set(folds)) > 1:
        return folds, FOLDS
    return [" ".join(key) for key in keys], UTTERANCES
