"""Answers as an aligned table, as JSON lines, or as CSV."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from espnet_sentiment.cli.terminal import BOLD, DIM, paint
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import csv_line, json_text, one_line

if TYPE_CHECKING:
    from espnet_sentiment.inference.conversation import TurnSentiment
    from espnet_sentiment.inference.result import Sentiment, Word

STRONGEST = 3  # level of the words that hold most attention


class Format(Protocol):
    """How answers are written; every text ends in a line end, or is empty."""

    def head(self) -> str:
        """Return what stands before all answers."""

    def row(self, name: str, sentiment: "Sentiment") -> str:
        """Return an answer."""

    def broken(self, name: str, error: DataError) -> str:
        """Return what stands for a recording that could not be answered."""


class Table:
    """A line a recording; columns are aligned without knowing the lines to come.

    Args:
        classes: Class names.
        colours: Whether to use colours.
    """

    def __init__(self, classes: Sequence[str], colours: bool = False):
        self.classes, self.colours = classes, colours
        self.names = [one_line(name) for name in classes]
        self.label_width = max(len("label"), *map(len, self.names))
        self.widths = [max(len("100.0"), len(name)) for name in self.names]

    def head(self) -> str:
        """Return the names of the columns."""
        cells = [f"{'label':<{self.label_width}}"]
        cells += [f"{c:>{n}}" for c, n in zip(self.names, self.widths, strict=True)]
        return paint("  ".join([*cells, "seconds", "file"]), DIM, self.colours) + "\n"

    def row(self, name: str, sentiment: "Sentiment") -> str:
        """Return an answer; the segments of a long recording and words follow it."""
        lines = [self._line(sentiment, sentiment.duration, one_line(name))]
        if len(sentiment.segments) > 1:
            lines += [
                self._line(s, s.end - s.start, f"  {s.start:.1f} to {s.end:.1f} s")
                for s in sentiment.segments
            ]
        lines += [f"  ({note})" for note in sentiment.notes]
        if sentiment.text is not None:
            lines.append(f"  {self._words(sentiment)}")
        return "".join(f"{line}\n" for line in lines)

    def _line(self, answer, seconds: float, name: str) -> str:
        label = f"{one_line(answer.label):<{self.label_width}}"
        cells = [paint(label, BOLD, self.colours)]
        for c, n in zip(self.classes, self.widths, strict=True):
            cells.append(f"{100 * answer.posteriors[c]:>{n}.1f}")
        return "  ".join([*cells, f"{seconds:>7.1f}", name])

    def _words(self, sentiment: "Sentiment | TurnSentiment") -> str:
        if not sentiment.words:
            return one_line(sentiment.text or "") or "(no words)"
        return " ".join(map(self._word, sentiment.words))

    def _word(self, word: "Word") -> str:
        text = one_line(word.text)
        if not self.colours:
            return f"*{text}*" if word.level == STRONGEST else text
        return paint(text, {1: DIM, STRONGEST: BOLD}.get(word.level, "0"), True)

    def broken(self, name: str, error: DataError) -> str:
        """Return nothing: the reason goes to standard error."""
        return ""


class JSONLines:
    """An object a recording: the answer, or ``error``."""

    def head(self) -> str:
        """Return nothing."""
        return ""

    def row(self, name: str, sentiment: "Sentiment") -> str:
        """Return an answer."""
        return self._line({"path": name, **sentiment.as_dict()})

    def broken(self, name: str, error: DataError) -> str:
        """Return the reason."""
        return self._line({"path": name, "error": str(error)})

    def _line(self, row: dict) -> str:
        return json_text(row) + "\n"


class CSV:
    """A row, and a line, a recording: the answer, or ``error``; see ``csv_line``.

    Args:
        classes: Class names.
        transcript: Whether there is a column of texts.
        by_speaker: Whether there is one that says by whose statistics was normalised.
    """

    def __init__(
        self,
        classes: Sequence[str],
        transcript: bool = False,
        by_speaker: bool = False,
    ):
        self.classes, self.transcript = classes, transcript
        self.by_speaker = by_speaker
        text = ["text"] if transcript else []
        tail = [*text, "error", "notes"]
        tail += ["normalisation"] if by_speaker else []
        self.columns = ["path", "label", *classes, "duration", *tail]

    def head(self) -> str:
        """Return the names of the columns."""
        return csv_line(self.columns)

    def row(self, name: str, sentiment: "Sentiment") -> str:
        """Return an answer."""
        text = [sentiment.text or ""] if self.transcript else []
        posteriors = [f"{sentiment.posteriors[c]:.6g}" for c in self.classes]
        seconds = f"{sentiment.duration:.3f}"
        tail = [seconds, *text, "", "; ".join(sentiment.notes)]
        tail += [sentiment.normalisation or ""] if self.by_speaker else []
        return csv_line([name, sentiment.label, *posteriors, *tail])

    def broken(self, name: str, error: DataError) -> str:
        """Return the reason."""
        tail = [error, "", *([""] if self.by_speaker else [])]
        empty = [""] * (len(self.columns) - 1 - len(tail))
        return csv_line([name, *empty, *tail])
