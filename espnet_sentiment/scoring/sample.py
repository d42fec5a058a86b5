"""A sample of the tested utterances, where to measure all of them takes too long."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from espnet_sentiment.scoring.speaker_groups import UTTERANCES, speaker_groups


def draw_sample(
    keys: Sequence[tuple[str, str]], utt2spk: Mapping[str, str], per_speaker: int | None
) -> set[str]:
    """Draw utterances of every speaker (fold, where speakers are not known; of all).

    An utterance's id draws it, so that a larger sample holds a smaller one, and chance
    is the same for all models.

    Args:
        keys: Fold and utterance.
        utt2spk: Speaker of every utterance, see ``speaker_groups``.
        per_speaker: At most so many each; all, if None.
    """
    groups, kind = speaker_groups(keys, utt2spk)
    said: dict[str, set[str]] = defaultdict(set)
    for group, (_, utt) in zip(groups, keys, strict=True):
        said["" if kind == UTTERANCES else group].add(utt)
    return {
        utt for utts in said.values() for utt in sorted(utts, key=_digest)[:per_speaker]
    }


def _digest(utt: str) -> bytes:
    return hashlib.sha256(utt.encode()).digest()


def sample_text(found: Mapping[str, Any]) -> str:
    """Say how many tested utterances were measured, and of how many.

    Args:
        found: ``n_utterances``, ``groups``, and of a sample ``n_tested`` and
            ``per_speaker``.
    """
    measured = f"{found['n_utterances']:,}"
    most = found.get("per_speaker")
    if most is None:
        return f"{measured} tested utterances"
    text = f"{measured} of {found['n_tested']:,} tested utterances, drawn by chance"
    if found["groups"] == UTTERANCES:
        return text
    return f"{text}, at most {most:,} of each of the {found['groups']}"
