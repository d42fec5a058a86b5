"""Pauses, by energy, and words without them.

Labels do not say where a word ends and a pause begins. Energy does, if the recording
is quiet enough; if not, no pause is found, and nothing is changed.
"""

import bisect
import math
from collections.abc import Iterable, Sequence

import torch

from espnet_sentiment.asr.boundaries import LEAST, spread, words_around
from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.data.fbank_options import FRAME_LENGTH, FRAME_SHIFT

# Closures of stops are shorter (0.17 s in loud German "Lappen"), and vowels louder.
MIN_PAUSE = 0.2  # seconds; before and after all words a pause may be shorter
DROP = 30.0  # dB below the utterance's loud frames
LOUD = 0.95  # quantile of the frames' levels


def pauses(fbank: torch.Tensor) -> list[tuple[float, float]]:
    """Find the pauses of an utterance.

    Args:
        fbank: Log-mel energies (T, 80) by ``encoder/fbank.py``, 10 ms a frame.

    Returns:
        Start and end of each in seconds.
    """
    level = fbank.double().logsumexp(dim=1)
    quiet = level < level.quantile(LOUD) - DROP * math.log(10) / 10
    edges = torch.nn.functional.pad(quiet.int(), (1, 1)).diff().nonzero()[:, 0]
    found = []
    for first, last in edges.unflatten(0, (-1, 2)).tolist():
        begin, end = first * FRAME_SHIFT, (last - 1) * FRAME_SHIFT + FRAME_LENGTH
        if end - begin >= MIN_PAUSE or first == 0 or last == len(level):
            found.append((begin, end))
    return found


def trim(
    words: Sequence[AlignedWord], found: Iterable[tuple[float, float]], duration: float
) -> list[AlignedWord]:
    """Take pauses out of the words.

    A pause parts the two words between whose middles its own middle is; of several,
    also what lies between them is taken: a breath.

    Args:
        words: Words by their start; they do not overlap.
        found: Start and end of the pauses by their start, in seconds.
        duration: Seconds of the utterance.
    """
    middles = [(word.start + word.end) / 2 for word in words]
    starts = [word.start for word in words]
    ends = [word.end for word in words]
    for begin, end in found:
        after = bisect.bisect(middles, (begin + end) / 2)
        if after > 0:
            word = words[after - 1]
            limit = max(begin, word.start + LEAST)
            ends[after - 1] = min(ends[after - 1], limit)
        if after < len(words):
            word = words[after]
            limit = min(end, word.end - LEAST)
            starts[after] = max(starts[after], limit)
    trimmed = (
        AlignedWord(start, end, word.text)
        for start, end, word in zip(starts, ends, words, strict=True)
    )
    return spread(list(trimmed), duration)


def place_words(
    texts: Sequence[str],
    labels: Sequence[tuple[float, float]],
    fbank: torch.Tensor,
    duration: float,
) -> list[AlignedWord]:
    """Place words around their labels and outside pauses.

    Args:
        texts: Words.
        labels: See ``words_around``.
        fbank: See ``pauses``.
        duration: Seconds of the utterance.
    """
    return trim(words_around(texts, labels, duration), pauses(fbank), duration)
