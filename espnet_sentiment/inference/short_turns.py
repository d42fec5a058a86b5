"""Before turns are answered: short ones are joined; what others say meanwhile."""

import bisect
import dataclasses
import math
from collections.abc import Sequence

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.turns.turn import Turn

# The model is less sure of less speech: docs/howto/conversations.md has its WA by
# seconds heard.
MIN_SECONDS = 0.5
MAX_PAUSE = 0.5  # what parts utterances for voice activity


def check_seconds(
    min_seconds: float = MIN_SECONDS, max_pause: float = MAX_PAUSE
) -> None:
    """Check the options of ``join_short``.

    Raises:
        UserError: They are no lengths of time.
    """
    for name, option, value, default in (
        ("min_seconds", "--min_turn", min_seconds, MIN_SECONDS),
        ("max_pause", "--max_pause", max_pause, MAX_PAUSE),
    ):
        if not 0 <= value < math.inf:
            raise UserError(
                f"{name} is {value} ({option}): give 0 seconds or more, such as "
                f"{default}"
            )


@dataclasses.dataclass(frozen=True)
class Spoken:
    """A turn as it is answered.

    Args:
        turn: The turn, or several in one.
        overlap: Seconds in which another speaker's turn goes on at the same time.
        notes: What was done to it.
    """

    turn: Turn
    overlap: float = 0.0
    notes: tuple[str, ...] = ()


def join_short(
    turns: Sequence[Turn],
    min_seconds: float = MIN_SECONDS,
    max_pause: float = MAX_PAUSE,
    max_seconds: float = 30.0,
) -> list[Spoken]:
    """Join short turns with the nearer turn of the same speaker, and find overlaps.

    Args:
        turns: Of a conversation, in any order. Turns of nobody who is known are not
            joined.
        min_seconds: What is shorter is joined where that can be, else noted as short.
        max_pause: Most seconds between two that are joined, in which nobody else speaks
            on the channel.
        max_seconds: Most seconds of what is made of them.

    Returns:
        Turns by start.
    """
    others = _Others(turns)
    lanes: dict[tuple[str | None, str | None], list[Turn]] = {}
    for turn in others.turns:
        lanes.setdefault((turn.speaker, turn.channel), []).append(turn)

    def pause(one: Turn | None, two: Turn | None) -> float | None:
        """Return the seconds between two that may be one turn; None of others."""
        if one is None or two is None or one.speaker is None:
            return None
        seconds = max(0.0, two.start - one.end)
        if seconds > max_pause or max(one.end, two.end) - one.start > max_seconds:
            return None
        is_alone = not seconds or others.is_silent(one, one.end, two.start)
        return seconds if is_alone else None

    found: list[Spoken] = []
    for lane in lanes.values():
        joined: list[list[Turn]] = []
        whole: list[Turn] = []
        for here, turn in enumerate(lane):
            joined.append([turn])
            whole.append(turn)
            following = lane[here + 1] if here + 1 < len(lane) else None
            while len(whole) > 1:
                one, two = whole[-2:]
                gap, next_gap = pause(one, two), pause(two, following)
                is_nearer = next_gap is None or (gap is not None and gap <= next_gap)
                short = seconds(one) < min_seconds
                short = short or (seconds(two) < min_seconds and is_nearer)
                if gap is None or not short:
                    break
                joined[-2:] = [joined[-2] + joined[-1]]
                whole[-2:] = [_as_one(one, two)]
        for parts, turn in zip(joined, whole, strict=True):
            notes = []
            if len(parts) > 1:
                notes.append(
                    f"joined of {len(parts)} turns, for those of less than "
                    f"{min_seconds:g} s"
                )
            if seconds(turn) < min_seconds:
                notes.append(f"short: {seconds(turn):.2f} s")
            overlap = others.overlap(turn, parts)
            found.append(Spoken(turn, overlap, tuple(notes)))
    return sorted(found, key=lambda one: (one.turn.start, one.turn.end))


def seconds(turn: Turn) -> float:
    """Return how long a turn is; times have not more than microseconds."""
    return round(turn.end - turn.start, 6)


def _as_one(one: Turn, two: Turn) -> Turn:
    texts = [turn.text for turn in (one, two) if turn.text is not None]
    return dataclasses.replace(
        one,
        end=max(one.end, two.end),
        text=" ".join(texts) if texts else None,
        words=one.words + two.words,
        label=one.label if one.label == two.label else None,
        posteriors=None,
    )


class _Others:
    """Finds what others say in a stretch of a conversation."""

    def __init__(self, turns: Sequence[Turn]):
        self.turns = sorted(turns, key=lambda turn: (turn.start, turn.end))
        self._starts = [turn.start for turn in self.turns]
        self._longest = max(map(seconds, turns), default=0.0)

    def _during(self, own: Turn, start: float, end: float) -> list[Turn]:
        """Return the turns of others that go on between two times, by start."""
        first = bisect.bisect_left(self._starts, start - self._longest - 1e-5)
        last = bisect.bisect_left(self._starts, end)
        return [
            turn
            for turn in self.turns[first:last]
            if turn.end > start
            and (turn.speaker is None or turn.speaker != own.speaker)
        ]

    def is_silent(self, own: Turn, start: float, end: float) -> bool:
        """Tell whether nobody else speaks on a turn's channel between two times."""
        return not any(
            turn.channel in (None, own.channel) or own.channel is None
            for turn in self._during(own, start, end)
        )

    def overlap(self, turn: Turn, parts: Sequence[Turn]) -> float:
        """Return the seconds of a turn in which there is another's, made of parts."""
        total, until = 0.0, turn.start
        for other in self._during(turn, turn.start, turn.end):
            if any(other is part for part in parts):
                continue
            end = min(other.end, turn.end)
            total += max(0.0, end - max(other.start, until))
            until = max(until, end)
        return round(total, 6)
