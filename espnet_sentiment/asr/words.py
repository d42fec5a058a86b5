"""Words with times."""

import dataclasses
from collections.abc import Iterable


class NotAlignedError(ValueError):
    """An utterance cannot be aligned; the message is the reason."""


@dataclasses.dataclass(frozen=True, order=True)
class AlignedWord:
    """A word, or what lies between words.

    Args:
        start: Start in seconds.
        end: End in seconds.
        text: The word; empty between words.
    """

    start: float
    end: float
    text: str


@dataclasses.dataclass(frozen=True)
class Alignment:
    """The word times of an utterance.

    Args:
        words: Words by their start; they do not overlap.
        left_out: What the model has no labels for, for example ``[LAUGHTER]``.
    """

    words: list[AlignedWord]
    left_out: list[str]


def segments(words: Iterable[AlignedWord], duration: float) -> list[AlignedWord]:
    """Cut an utterance into its words and what lies between them.

    What is between words, silence, breath or laughter, has an empty text.

    Args:
        words: Words by their start; they do not overlap.
        duration: Seconds of the utterance.
    """
    cut, time = [], 0.0
    for word in words:
        if word.start > time:
            cut.append(AlignedWord(time, word.start, ""))
        cut.append(word)
        time = word.end
    if duration > time:
        cut.append(AlignedWord(time, duration, ""))
    return cut
