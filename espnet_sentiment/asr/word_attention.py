"""Attention over words (paper, Section 3.4).

"Running alignment and taking average attention of frames aligned to one word as its
weight", quantised into three bins. A softmax over T frames is 1/T on average, so
weights are multiplied by T: 1 is even attention, in utterances of any length.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.words import plain_words

N_BINS = 3


@dataclasses.dataclass(frozen=True)
class WordWeight:
    """A word, or what lies between words.

    Args:
        start: Start in seconds.
        end: End in seconds.
        word: The word; None between words (silence, breath, laughter: unknown).
        weights: Mean attention of its frames times T, by head (n_heads,).
        share: Share of the utterance's attention that falls on it, over all heads.
    """

    start: float
    end: float
    word: str | None
    weights: np.ndarray
    share: float

    def weight(self, head: int | None = None) -> float:
        """Return the weight of a head, from 0, or the mean over the heads."""
        return float(self.weights.mean() if head is None else self.weights[head])


def word_attention(
    attention: np.ndarray, frame_shift: float, words: Iterable[AlignedWord]
) -> list[WordWeight]:
    """Average attention over words and over the gaps between them.

    A frame on a boundary counts for both sides, by its overlap. The segments cover all
    frames, so their shares sum to one. A gap shorter than half a frame goes to the word
    after it.

    Args:
        attention: Attention (n_heads, T), each row sums to one.
        frame_shift: Seconds a frame.
        words: Words with times, by their start.

    Raises:
        DataError: There is no frame.
    """
    n_frames = attention.shape[1]
    if not n_frames:
        raise DataError("attention over no frames: run stage 5 (decoding) again")
    pieces = _pieces(words, n_frames * frame_shift, frame_shift / 2)
    left = frame_shift * np.arange(n_frames)
    starts = np.array([[start] for start, _, _ in pieces])
    ends = np.array([[end] for _, end, _ in pieces])
    overlap = np.minimum(ends, left + frame_shift) - np.maximum(starts, left)
    overlap = np.clip(overlap, 0, None) / frame_shift  # (n_segments, T), in frames
    mass = overlap @ attention.T.astype(np.float64)  # (n_segments, n_heads)
    weights = n_frames * mass / overlap.sum(axis=1, keepdims=True)
    return [
        WordWeight(start, end, word, weights[i], float(mass[i].mean()))
        for i, (start, end, word) in enumerate(pieces)
    ]


def _pieces(
    words: Iterable[AlignedWord], length: float, least_gap: float
) -> list[tuple[float, float, str | None]]:
    """Cut [0, length] into words and gaps."""
    pieces: list[tuple[float, float, str | None]] = []
    time = 0.0
    for word in words:
        start, end = max(time, word.start), min(word.end, length)
        if end - start <= 0:
            # Aligned to no time of its own: it has no weight to show.
            continue
        if start - time < least_gap:
            start = time
        else:
            pieces.append((time, start, None))
        pieces.append((start, end, word.text))
        time = end
    if length - time >= least_gap or not pieces:
        pieces.append((time, length, None))
    elif time < length:
        pieces[-1] = (pieces[-1][0], length, pieces[-1][2])
    return pieces


def bin_edges(
    utterances: Iterable[Sequence[WordWeight]], head: int | None = None
) -> list[float]:
    """Return the terciles of all words' weights, the two edges of three bins.

    What lies between words does not count. Without words both edges are 1, even
    attention.

    Args:
        utterances: Segments of every utterance of the corpus.
        head: Which head; None for their mean.
    """
    return edges_of(
        [s.weight(head) for u in utterances for s in u if s.word is not None]
    )


def edges_of(weights: Sequence[float] | np.ndarray) -> list[float]:
    """Return the terciles of weights (n_words,), as :func:`bin_edges`."""
    if not len(weights):
        return [1.0, 1.0]
    shares = np.arange(1, N_BINS) / N_BINS
    return [float(edge) for edge in np.quantile(weights, shares)]


def quantize(weight: float, edges: Sequence[float]) -> int:
    """Return the bin of a weight: 0 below the first edge, 2 from the second on."""
    return int(np.searchsorted(edges, weight, side="right"))


@dataclasses.dataclass(frozen=True)
class WordMean:
    """A word's mean attention in the utterances of one class."""

    word: str
    weight: float
    count: int


def top_words(
    utterances: Iterable[tuple[str, Sequence[WordWeight]]],
    min_count: int = 3,
    n_words: int = 10,
) -> dict[str, list[WordMean]]:
    """Rank words by mean attention within every class.

    Args:
        utterances: Class and segments of every utterance.
        min_count: Rarer words of a class are left out.
        n_words: How many to keep a class.

    Returns:
        By class, the words with the highest mean weight; ties by the word. Words are
        compared as :func:`~espnet_sentiment.data.words.plain_words` writes them.
    """
    weights: dict[str, Mapping[str, list[float]]] = {}
    for name, segments in utterances:
        by_word = weights.setdefault(name, defaultdict(list))
        for segment in segments:
            if segment.word is not None and (word := plain_words(segment.word)):
                by_word[word].append(segment.weight())
    return {
        name: sorted(
            (
                WordMean(word, float(np.mean(values)), len(values))
                for word, values in by_word.items()
                if len(values) >= min_count
            ),
            key=lambda mean: (-mean.weight, mean.word),
        )[:n_words]
        for name, by_word in sorted(weights.items())
    }
