"""What is found in a file of turns: turns, faults, and what its owner should know."""

import contextlib
import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.names import check_name, nfc
from espnet_sentiment.data.times import number
from espnet_sentiment.turns.spelling import one_text
from espnet_sentiment.turns.turn import Turn, TurnWord

ROUNDING = 0.1  # seconds that a turn may end after the recording, as times are rounded
SAME = 0.002  # seconds; what overlaps by less was rounded


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The recording whose turns are read.

    Args:
        recording: What it is called; None for the only one that the file has.
        duration: Its seconds; None is not known.
        channels: How many it has; None is not known.
        by_channel: Whether channels that the file names are read.
    """

    recording: str | None = None
    duration: float | None = None
    channels: int | None = None
    by_channel: bool = True


def seconds(what: str, text: str) -> float:
    """Return a time.

    Raises:
        DataError: It is no number.
    """
    time = number(text)
    if not math.isfinite(time):
        raise DataError(f"{what} {text!r} is not a time: write seconds, such as 12.34")
    return time


def known_name(what: str, text: str | None, unknown: Sequence[str] = ()) -> str | None:
    """Return the name of a speaker or a class; None where it is not known.

    Raises:
        DataError: It cannot be a name.
    """
    name = nfc(one_text(text or ""))
    if not name or name in unknown:
        return None
    check_name(what, name)
    return name


class Found:
    """Gathers the turns of one recording.

    Args:
        path: The file, for messages.
        wanted: The recording.

    Attributes:
        said: What its owner should know.
        may_overrun: Whether the last turn may end after the recording: subtitles stand
            longer than speech, and Whisper's windows are filled up with silence.
    """

    def __init__(self, path: Path, wanted: Wanted):
        self.path, self.wanted = path, wanted
        self.turns: list[Turn] = []
        self.faults: list[str] = []
        self.said: list[str] = []
        self.may_overrun = False
        self._place = str(path)

    @contextlib.contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Say where it is that something is read; what is refused there is a fault."""
        self._place = place
        try:
            yield
        except DataError as error:
            self.faults.append(f"{place}: {error}")

    def tell(self, what: str, number: int, noun: str) -> None:
        """Say how many there are of something, if any."""
        if number:
            self.said.append(f"{what}: {counted(number, noun)}")

    def add(
        self,
        start: float,
        end: float,
        speaker: str | None = None,
        channel: str | None = None,
        text: str | None = None,
        words: Sequence[TurnWord] = (),
        label: str | None = None,
        posteriors: dict[str, float] | None = None,
    ) -> None:
        """Add a turn.

        Raises:
            DataError: It cannot be one.
        """
        start, end = round(start, 6) + 0.0, round(end, 6)
        if not (math.isfinite(start) and math.isfinite(end)):
            raise DataError(
                f"from {start} to {end}: not times: write seconds, such as 12.34"
            )
        if start < 0:
            raise DataError(
                f"starts at {start:g} s, before the recording: fix the times"
            )
        if end <= start:
            what = "is empty" if end == start else "ends before it starts"
            raise DataError(
                f"{what}, from {start:g} to {end:g} s: fix the times, or take it out"
            )
        for word in words:
            if not 0 <= word.start <= word.end < math.inf:
                raise DataError(
                    f"the word {word.text!r} goes from {word.start} to {word.end} s: "
                    "fix its times"
                )
        self.turns.append(
            Turn(
                start,
                end,
                known_name("the speaker", speaker),
                channel,
                one_text(text or "", "the text") or None,
                tuple(words),
                known_name("the label", label),
                posteriors or None,
                self._place,
            )
        )

    def finish(self) -> tuple[list[Turn], list[str]]:
        """Return the turns by start, and what was said.

        Raises:
            DataError: There are faults, all of which the message names up to 20, or no
                turns.
        """
        self.turns.sort(key=lambda turn: (turn.start, turn.end))
        self._check_end()
        if self.faults:
            refuse(f"{self.path}: {counted(len(self.faults), 'fault')}", self.faults)
        if not self.turns:
            raise DataError(
                f"{self.path} holds no turns: name the file that does, or leave it out"
            )
        self._say_overlaps()
        return self.turns, self.said

    def _check_end(self) -> None:
        duration, n = self.wanted.duration, 0
        if duration is None or not self.turns:
            return
        last = self.turns[-1].start
        for i, turn in enumerate(self.turns):
            over = turn.end - duration
            if over <= 0:
                continue
            can_be_cut = over <= ROUNDING or (self.may_overrun and turn.start == last)
            if turn.start >= duration or not can_be_cut:
                self.faults.append(
                    f"{turn.place}: goes to {turn.end:g} s, but the recording has "
                    f"{duration:g} s: fix the times, or name the recording that they "
                    "are of"
                )
                continue
            n += 1
            self.turns[i] = dataclasses.replace(turn, end=duration)
        cut = f"cut to the recording's {duration:g} s, as they end after it"
        self.tell(cut, n, "turn")

    def _say_overlaps(self) -> None:
        """Say where somebody talks over himself, which is read as it is."""
        last: dict[tuple, Turn] = {}
        pairs = []
        for turn in self.turns:
            who = turn.speaker, turn.channel
            before = last.get(who)
            if turn.speaker is not None and before and turn.start < before.end - SAME:
                pairs.append((before, turn))
            if before is None or turn.end > before.end:
                last[who] = turn
        if pairs:
            first, second = pairs[0]
            self.said.append(
                "read as they are, though they overlap another one of the same "
                f"speaker: {counted(len(pairs), 'turn')}; the first: {first.speaker}, "
                f"{first.start:g} to {first.end:g} s and {second.start:g} to "
                f"{second.end:g} s"
            )


def tallied(names: Sequence[str]) -> str:
    """Say how often names occur: ``a (2), b (1)``."""
    counts = Counter(names)
    return ", ".join(f"{name} ({n})" for name, n in counts.items())
