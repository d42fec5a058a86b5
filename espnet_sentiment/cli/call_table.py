"""The turns of a conversation as an aligned table, as JSON lines, or as CSV."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from espnet_sentiment.cli.output import STRONGEST
from espnet_sentiment.cli.terminal import BOLD, DIM, paint
from espnet_sentiment.core.escape import csv_line, one_line

if TYPE_CHECKING:
    from espnet_sentiment.inference.conversation import Conversation, TurnSentiment

UNKNOWN = "?"
TRENDS = {"up": "rising", "down": "falling"}


class CallFormat(Protocol):
    """How a conversation is written; every text ends in a line end, or is empty."""

    def head(self) -> str:
        """Return what stands before the turns."""

    def rows(self) -> Iterator[str]:
        """Give the turns."""

    def tail(self) -> str:
        """Return what stands behind them."""


class CallTable:
    """A line a turn, and below them a line of everybody who speaks.

    Args:
        found: The conversation.
        colours: Whether to use colours.
    """

    def __init__(self, found: "Conversation", colours: bool = False):
        self.found, self.colours = found, colours
        names = [one_line(speaker_name(turn)) for turn in found.turns]
        self._speakers = max(len("speaker"), *map(len, names))
        labels = [one_line(name) for name in found.classes]
        self._labels = max(len("label"), *map(len, labels))

    def head(self) -> str:
        """Return the names of the columns."""
        cells = [
            f"{'start':>8}",
            f"{'end':>8}",
            f"{'speaker':<{self._speakers}}",
            f"{'label':<{self._labels}}",
            "posterior",
            "flags, text",
        ]
        return paint("  ".join(cells), DIM, self.colours) + "\n"

    def rows(self) -> Iterator[str]:
        """Give the turns."""
        for turn in self.found.turns:
            label = f"{one_line(turn.label):<{self._labels}}"
            cells = [
                f"{turn.start:>8.2f}",
                f"{turn.end:>8.2f}",
                f"{one_line(speaker_name(turn)):<{self._speakers}}",
                paint(label, BOLD, self.colours),
                f"{100 * turn.posteriors[turn.label]:>9.1f}",
            ]
            flags = paint(
                "".join(f"[{flag}] " for flag in flags_of(turn)), DIM, self.colours
            )
            yield "  ".join([*cells, flags + self._text(turn)]).rstrip() + "\n"

    def _text(self, turn: "TurnSentiment") -> str:
        words = turn.words or ()
        # Words by attention stand for a text that was recognised.
        if not words or " ".join(word.text for word in words) != turn.text:
            return one_line(turn.text or "")
        texts = [(one_line(word.text), word.level == STRONGEST) for word in words]
        if self.colours:
            return " ".join(paint(t, BOLD, True) if best else t for t, best in texts)
        return " ".join(f"*{text}*" if best else text for text, best in texts)

    def tail(self) -> str:
        """Return who feels what, and how that changes."""
        from espnet_sentiment.scoring.course import course

        rows = [turn.as_dict() for turn in self.found.turns]
        found = course(rows, self.found.classes, self.found.duration)
        lines = []
        for person in found["people"]:
            name = person["speaker"] or (
                f"channel {person['channel']}" if person["channel"] else UNKNOWN
            )
            shares = ", ".join(
                f"{one_line(c)} {100 * share[0]:.0f} % "
                f"({100 * share[1]:.0f} to {100 * share[2]:.0f})"
                f"{_trend(person['trends'][c])}"
                for c, share in person["shares"].items()
                if share is not None
            )
            lines.append(
                f"{one_line(name)}: {person['turns']} turns, "
                f"{person['seconds']:.1f} s: {shares}\n"
            )
        return "".join(lines)


def _trend(trend: dict) -> str:
    return f" {TRENDS[trend['direction']]}" if trend["direction"] in TRENDS else ""


def speaker_name(turn: "TurnSentiment") -> str:
    """Return who speaks, for people."""
    if turn.speaker is not None:
        return turn.speaker
    return UNKNOWN if turn.channel is None else f"{UNKNOWN} (channel {turn.channel})"


def flags_of(turn: "TurnSentiment") -> list[str]:
    """Return in a word each what a person should know of a turn."""
    flags = [f"overlap {turn.overlap:.1f} s"] if turn.overlap >= 0.05 else []
    return flags + [_flag(note) for note in turn.notes]


def _flag(note: str) -> str:
    first = one_line(note).split(",")[0].split(":")[0]
    return first.removesuffix(" turns").removesuffix(" parts")


class CallLines:
    """An object a turn.

    Args:
        found: The conversation.
    """

    def __init__(self, found: "Conversation"):
        self.found = found

    def head(self) -> str:
        """Return nothing."""
        return ""

    def rows(self) -> Iterator[str]:
        """Give the turns."""
        from espnet_sentiment.inference.call_archive import turn_line, turn_rows

        yield from map(turn_line, turn_rows(self.found))

    def tail(self) -> str:
        """Return nothing."""
        return ""


class CallCSV:
    """A row a turn, with the columns that tables of turns have; see ``csv_line``.

    Args:
        found: The conversation.
    """

    def __init__(self, found: "Conversation"):
        self.found = found

    def head(self) -> str:
        """Return the names of the columns."""
        posteriors = [f"posteriors.{name}" for name in self.found.classes]
        return csv_line(
            [
                *("path", "start", "end", "speaker", "channel", "label", *posteriors),
                *("overlap", "text", "notes", "normalisation"),
            ]
        )

    def rows(self) -> Iterator[str]:
        """Give the turns."""
        for turn in self.found.turns:
            yield csv_line(
                [
                    *(self.found.name, f"{turn.start:.3f}", f"{turn.end:.3f}"),
                    *(turn.speaker, turn.channel, turn.label),
                    *(f"{turn.posteriors[name]:.6g}" for name in self.found.classes),
                    *(f"{turn.overlap:.3f}", turn.text, "; ".join(turn.notes)),
                    turn.normalisation,
                ]
            )

    def tail(self) -> str:
        """Return nothing."""
        return ""
