"""The utterances of a report as JSON: short keys and few digits, for thousands."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from espnet_sentiment.asr.word_attention import WordWeight
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.report.media import media
from espnet_sentiment.report.scored import ScoredUtterance


def utterance_row(
    u: ScoredUtterance, classes: Sequence[str], folder: Path, full: bool
) -> dict:
    """Describe an utterance for the page.

    Args:
        u: The utterance.
        classes: Class names, the order of the posteriors.
        folder: Folder of the page; the recording is linked relative to it.
        full: With every head's attention, not only their mean.

    Returns:
        ``utt``, ``label``, ``pred``, ``p`` (posteriors), ``speaker``, ``fold``,
        ``text``, ``duration`` (None where the recording is missing), ``file`` (URL of
        it) and ``start`` in it, ``attention`` (``[mean, *heads]`` times T, by frame)
        and ``segments`` (``[start, end, word, [mean, *heads]]``); the last two None
        without.
    """
    row: dict[str, object] = {
        "utt": u.utt,
        "label": u.label,
        "pred": u.prediction,
        "p": [round(u.posteriors[name], 4) for name in classes],
        "speaker": u.speaker,
        "fold": u.fold,
        "text": u.text,
        "duration": None if u.duration is None else round(u.duration, 3),
        "file": _link(u.recording.path, folder),
        "start": u.recording.start or 0,
        "attention": None,
        "segments": None,
    }
    if (attention := u.attention) is not None:
        even = attention.shape[1]
        curves = [attention.mean(axis=0), *(attention if full else ())]
        row["attention"] = [[_short(even * x) for x in curve] for curve in curves]
    if (segments := u.segments) is not None:
        row["segments"] = [_segment(s, full) for s in segments]
    return row


def utterance_media(u: ScoredUtterance) -> dict:
    """Return an utterance's audio and pictures, or ``note``, why there are none."""
    try:
        return media(u.recording.read())
    except DataError as error:
        return {"note": str(error)}


def _segment(s: WordWeight, full: bool) -> list:
    weights = [s.weight(), *(s.weights if full else ())]
    times = [round(s.start, 3), round(s.end, 3)]
    return [*times, s.word, [_short(x) for x in weights]]


def _short(value: float) -> float:
    return float(f"{float(value):.3g}")


def _link(path: str, folder: Path) -> str:
    # Relative, so that a copied tree still finds it.
    return quote(os.path.relpath(path, folder))
