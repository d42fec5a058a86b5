"""The answer to a call: a ``Conversation``, which has a ``TurnSentiment`` a turn."""

import dataclasses
from typing import Any

from espnet_sentiment.inference.result import Word


@dataclasses.dataclass(frozen=True)
class TurnSentiment:
    """The answer to a turn.

    Args:
        start: Start in seconds of the recording.
        end: End in seconds.
        speaker: Who speaks; None is not known.
        channel: Channel that was heard, ``"0"`` the first; None of a recording with
            one, or of the mean of several.
        label: Class of the largest posterior.
        posteriors: Posterior of every class.
        text: What is said; None is not known.
        words: Its words by attention; None where those were not asked for.
        overlap: Seconds in which another speaker's turn goes on at the same time.
        notes: What a person should know of it: that it is short, was cut or joined.
        normalisation: By whose statistics it was normalised, of a model that is by
            speaker.
    """

    start: float
    end: float
    speaker: str | None
    channel: str | None
    label: str
    posteriors: dict[str, float]
    text: str | None = None
    words: list[Word] | None = None
    overlap: float = 0.0
    notes: list[str] = dataclasses.field(default_factory=list)
    normalisation: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; what is not known is left out."""
        row = dataclasses.asdict(self)
        return {key: value for key, value in row.items() if value not in (None, [])}


@dataclasses.dataclass(frozen=True)
class Conversation:
    """The answer to a conversation.

    Args:
        name: The recording.
        duration: Its seconds.
        channels: How many it has.
        classes: What posteriors are of.
        turns: Its turns, by start.
        turns_from: Where they are from: a file, or voice activity.
        notes: What a person should know of the recording.
        dtype: What the encoder computed in.
    """

    name: str
    duration: float
    channels: int
    classes: list[str]
    turns: list[TurnSentiment]
    turns_from: str
    notes: list[str] = dataclasses.field(default_factory=list)
    dtype: str = "float32"

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return row | {"turns": [turn.as_dict() for turn in self.turns]}
