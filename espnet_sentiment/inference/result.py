"""The answer to a recording: a ``Sentiment``, which ``Speech2Sentiment`` gives."""

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Word:
    """A recognised word and how much of the attention is on it.

    Args:
        text: The word.
        start: Start in seconds.
        end: End in seconds.
        weight: Mean attention of its frames, over all heads, relative to even
            attention, which is 1 (paper, Section 3.4).
        level: 1 to 3, the third of the recording's words to which its weight belongs.
    """

    text: str
    start: float
    end: float
    weight: float
    level: int


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a recording, which was classified by itself.

    Args:
        start: Start in seconds.
        end: End in seconds.
        label: Class of the largest posterior.
        posteriors: Posterior of every class.
    """

    start: float
    end: float
    label: str
    posteriors: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Sentiment:
    """The answer to a recording.

    Args:
        label: Class of the largest posterior.
        posteriors: Posterior of every class; of a recording that was cut, the mean of
            its segments', weighted by their durations.
        duration: Seconds of the recording.
        attention: Attention (n_heads, T), every row sums to one; None where the
            decoder has none, and where the recording was cut.
        frame_shift: Seconds a frame of the attention; None without.
        text: What was said; None where no transcript was asked for.
        words: Its words by attention; None without a transcript or attention.
        segments: The parts of a recording that was cut; else one, all of it.
        notes: What a person should know of what was heard: silence, channels that
            cancel each other out, or one sound of several.
        dtype: What the encoder computed in.
        normalisation: By whose statistics it was normalised, of a model that is by
            speaker; None of others.
    """

    label: str
    posteriors: dict[str, float]
    duration: float
    attention: np.ndarray | None
    frame_shift: float | None
    text: str | None
    words: list[Word] | None
    segments: list[Segment]
    notes: list[str] = dataclasses.field(default_factory=list)
    dtype: str = "float32"
    normalisation: str | None = None

    def as_dict(self, attention: bool = False) -> dict[str, Any]:
        """Return what JSON can hold.

        Args:
            attention: Include the attention and its frame shift, where there is any.
        """
        answer: dict[str, Any] = {
            "label": self.label,
            "posteriors": self.posteriors,
            "duration": self.duration,
        }
        if self.text is not None:
            answer["text"] = self.text
        if self.words is not None:
            answer["words"] = [dataclasses.asdict(word) for word in self.words]
        if len(self.segments) > 1:
            answer["segments"] = [dataclasses.asdict(part) for part in self.segments]
        if self.notes:
            answer["notes"] = self.notes
        if self.dtype != "float32":
            answer["dtype"] = self.dtype
        if self.normalisation is not None:
            answer["normalisation"] = self.normalisation
        if attention and self.attention is not None:
            answer["attention"] = self.attention.tolist()
            answer["frame_shift"] = self.frame_shift
        return answer
