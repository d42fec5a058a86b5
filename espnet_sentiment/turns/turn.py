"""A turn: who speaks from when to when, and what is known of it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TurnWord:
    """A word of a turn.

    Args:
        text: The word.
        start: Start in seconds of the recording.
        end: End in seconds.
    """

    text: str
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class Turn:
    """A stretch of a recording in which one person speaks.

    Args:
        start: Start in seconds of the recording.
        end: End in seconds, after ``start``.
        speaker: Who speaks; None is not known.
        channel: Channel of the recording, ``"0"`` the first; None where the file names
            none.
        text: What is said; None is not known.
        words: Its words and their times; empty where those are not known.
        label: Its sentiment, of a turn that was answered, or that a person labelled.
        posteriors: Posterior of every class, of a turn that was answered.
        place: File and line, for messages.
    """

    start: float
    end: float
    speaker: str | None = None
    channel: str | None = None
    text: str | None = None
    words: tuple[TurnWord, ...] = ()
    label: str | None = None
    posteriors: dict[str, float] | None = None
    place: str = ""
