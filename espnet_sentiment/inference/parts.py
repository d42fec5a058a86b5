"""The parts of a recording, each classified at once, and the answer that they make."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from espnet_sentiment.asr.word_attention import WordWeight, bin_edges, quantize
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.mono import Heard
from espnet_sentiment.inference.classifier import Scores
from espnet_sentiment.inference.long_recordings import Span, cut
from espnet_sentiment.inference.result import Segment, Sentiment, Word
from espnet_sentiment.inference.waveform import Recording


class Part(NamedTuple):
    """A recording, or a segment of it, to be classified at once."""

    recording: Recording
    span: Span

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.span[1] - self.span[0]

    def hear(self, rate: int) -> Heard:
        """Read its samples (N,) at ``rate``, and what is odd about them."""
        if self.seconds == self.recording.duration:
            return self.recording.hear(rate)
        return self.recording.hear(rate, *self.span)

    def unread(self) -> "Part":
        """Return it without samples, which take memory."""
        return self._replace(
            recording=dataclasses.replace(self.recording, source=None, samples=None)
        )


class ScoredPart(NamedTuple):
    """What is known of a part; ``words`` are those with weights."""

    scores: Scores
    text: str | None
    words: list[WordWeight] | None
    notes: tuple[str, ...] = ()


def parts_of(
    recording: Recording, max_seconds: float, how: str, progress: bool = False
) -> list[Part]:
    """Return the parts of a recording, of which none is longer than ``max_seconds``.

    Args:
        recording: What is to be classified.
        max_seconds: A shorter one is a part by itself.
        how: One of ``CUTS``.
        progress: See ``speech_spans``.
    """
    if recording.duration <= max_seconds:
        return [Part(recording, (0.0, recording.duration))]
    spans = cut(recording, max_seconds, how, progress)
    return [Part(recording, span) for span in spans]


def put_together(
    parts: Sequence[Part],
    scored: Sequence[ScoredPart | DataError],
    classes: Sequence[str],
    frame_shift: float,
    dtype: str,
    normalisation: str | None,
) -> Sentiment:
    """Return the answer of a recording: its parts', weighed by their durations.

    Args:
        parts: What there is of it.
        scored: What is known of each, or why nothing is.
        classes: What posteriors are of.
        frame_shift: Seconds between frames of attention.
        dtype: What the encoder computed in.
        normalisation: By which statistics its features are normalised.

    Raises:
        DataError: Nothing is known of a part.
    """
    rows: list[ScoredPart] = []
    for row in scored:
        if isinstance(row, DataError):
            raise row
        rows.append(row)
    segments = [
        Segment(*part.span, *_named(row.scores.posteriors, classes))
        for part, row in zip(parts, rows, strict=True)
    ]
    posteriors = np.average(
        [row.scores.posteriors for row in rows],
        axis=0,
        weights=[part.seconds for part in parts],
    )
    label, named = _named(posteriors, classes)
    attention = rows[0].scores.attention if len(rows) == 1 else None
    texts = [row.text for row in rows if row.text is not None]
    words = [row.words for row in rows if row.words is not None]
    return Sentiment(
        label,
        named,
        duration=parts[0].recording.duration,
        attention=attention,
        frame_shift=None if attention is None else frame_shift,
        text=" ".join(filter(None, texts)) if texts else None,
        words=_by_level(words) if words else None,
        segments=segments,
        notes=_notes(parts, rows),
        dtype=dtype,
        normalisation=normalisation,
    )


def _named(
    posteriors: np.ndarray, classes: Sequence[str]
) -> tuple[str, dict[str, float]]:
    label = classes[int(posteriors.argmax())]
    return label, dict(zip(classes, posteriors.tolist(), strict=True))


def _by_level(weights: Sequence[Sequence[WordWeight]]) -> list[Word]:
    edges = bin_edges(weights)
    return [
        Word(w.word, w.start, w.end, w.weight(), 1 + quantize(w.weight(), edges))
        for of_part in weights
        for w in of_part
        if w.word is not None
    ]


def _notes(parts: Sequence[Part], rows: Sequence[ScoredPart]) -> list[str]:
    """Say once what is odd about all parts, and of one part where it is."""
    spans: dict[str, list[str]] = {}
    for part, row in zip(parts, rows, strict=True):
        for note in row.notes:
            start, end = part.span
            spans.setdefault(note, []).append(f"{start:.1f} to {end:.1f} s")
    return [
        note if len(where) == len(parts) else f"{', '.join(where)}: {note}"
        for note, where in spans.items()
    ]
