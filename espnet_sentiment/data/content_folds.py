"""Folds that keep content apart, too: what several speakers say is of one group.

A group is a sentence that all read, the scenario of a dialog, or a conversation; it is
an utterance's ``group``, in ``utt2group`` of a data directory. Two ways to keep groups
apart besides what folds keep apart: :func:`leave_content_out` makes more folds, which
test every utterance as before; :func:`keep_apart` leaves out of a fold what shares.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.folds import Fold, leave_one_speaker_out, numerical

if TYPE_CHECKING:
    from espnet_sentiment.data.kaldi_dir import Utterance

PARTS_OF_CONTENT = 3  # of which two are learned from: more folds take longer


def leave_sentences_out(scheme: str, utterances: Sequence["Utterance"]) -> list[Fold]:
    """Split utterances whose groups are sentences that all speakers say.

    Args:
        scheme: ``speaker`` tests each speaker once, the next one validates.
            ``speaker+sentence`` tests of each speaker a third of the sentences at a
            time, which neither train nor validate then: every third one, since later
            ones may be longer.
        utterances: What to split.
    """
    folds = leave_one_speaker_out({u.utt: u.speaker for u in utterances})
    if scheme == "speaker":
        return folds
    sentences = {u.utt: u.group or "" for u in utterances}
    return leave_content_out(folds, sentences, "sentence")


def leave_content_out(
    folds: Sequence[Fold], utt2group: Mapping[str, str], what: str = "group"
) -> list[Fold]:
    """Split what every fold tests by whole groups, and learn nothing of those tested.

    Args:
        folds: Folds, by speaker, say.
        utt2group: Group of every utterance. Groups in sorted order are dealt out in
            turn to ``PARTS_OF_CONTENT`` parts, or as many as there are groups.
        what: What a group is called in messages.

    Raises:
        DataError: There is one group alone, or as :func:`leave_parts_out`.
    """
    names = sorted(set(utt2group.values()), key=numerical)
    if len(names) < 2:
        raise DataError(
            f"leaving {what}s out needs at least 2, but all utterances are of "
            f"{what} {', '.join(names)}: add others, or keep speakers alone apart"
        )
    n = min(PARTS_OF_CONTENT, len(names))
    part = {name: str(i % n) for i, name in enumerate(names, 1)}
    utt2part = {utt: part[group] for utt, group in utt2group.items()}
    return leave_parts_out(folds, utt2part, what)


def leave_parts_out(
    folds: Sequence[Fold], utt2part: Mapping[str, str], what: str = "part"
) -> list[Fold]:
    """Split what every fold tests by parts, and learn nothing of the tested part.

    What is the same on both sides of a split, a sentence that all speakers say, is kept
    apart besides what the folds keep apart. Every utterance is tested as often as
    before; there is a fold for each part of a fold's test.

    Args:
        folds: Folds, by speaker, say.
        utt2part: Part of every utterance, for example a third of the sentences.
        what: What a part is made of in messages.

    Returns:
        Folds numbered from "1". Utterances of the tested part neither train, with or
        without a majority, nor validate; validating and training ones may share parts.

    Raises:
        DataError: A fold has nothing of another part left to learn from, or to
            validate.
    """
    split: list[Fold] = []
    for fold in folds:
        for part in sorted({utt2part[utt] for utt in fold.test}, key=numerical):
            train, valid, no_majority = (
                [utt for utt in utts if utt2part[utt] != part]
                for utts in (fold.train, fold.valid, fold.no_majority)
            )
            test = [utt for utt in fold.test if utt2part[utt] == part]
            if not train or not valid:
                raise DataError(
                    f"{'train' if valid else 'valid'} of fold {fold.name} has no "
                    f"{what}s but those that are tested, such as that of {test[0]}: "
                    f"add utterances of other {what}s"
                )
            name = str(len(split) + 1)
            split.append(Fold(name, train, valid, test, no_majority))
    return split


def keep_apart(fold: Fold, utt2group: Mapping[str, str]) -> Fold:
    """Leave out of a fold what shares a group with what is scored.

    Args:
        fold: A fold, by speaker, say. All of its test stays.
        utt2group: Group of every utterance.

    Returns:
        The fold without the validating utterances of tested groups and the training
        ones of tested or validating groups, so that no group is in two parts; parts
        may be empty.
    """
    tested = {utt2group[utt] for utt in fold.test}
    valid = [utt for utt in fold.valid if utt2group[utt] not in tested]
    scored = tested | {utt2group[utt] for utt in valid}
    train, no_majority = (
        [utt for utt in utts if utt2group[utt] not in scored]
        for utts in (fold.train, fold.no_majority)
    )
    return dataclasses.replace(fold, train=train, valid=valid, no_majority=no_majority)
