"""TextGrids of Praat: interval tiers are speakers, empty intervals are silence.

They are read as Praat reads them: what counts are free-standing numbers, texts in
double quotes and flags, so that the long and the short form are one. praatio, which
writes them here, reads -1 as 1, takes ``item [`` in a label for a tier, and passes over
what a broken file lacks. Source:
https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.found import Found, Wanted, known_name, seconds, tallied
from espnet_sentiment.turns.labelled_tiers import (
    SENTIMENT,
    UNKNOWN,
    by_tier,
    check_no_overlap,
)
from espnet_sentiment.turns.source import read_text
from espnet_sentiment.turns.turn import Turn

SPEECH = "[speech]"  # a turn of which nobody knows what is said
TOKEN = re.compile(r'(?<!\S)(?:"((?:[^"]|"")*)"|([-+]?\d\S*)|!.*)(?!\S)')
# The Montreal Forced Aligner's tiers: "words", "anna - words".
ALIGNED = re.compile(r"(?:.* - )?(?:words|phones)")
SILENT = ("silent", "silence", "sil", "<sil>", "<p:>", "sp")


class _Tier(NamedTuple):
    """A tier: its name, and line, start, end and label of its intervals."""

    name: str
    line: int
    intervals: list[tuple[int, float, float, str]]


class _Tokens:
    """Numbers and texts of a file, in order, with their lines."""

    def __init__(self, path: Path, text: str):
        self.path, self.line = path, 1
        self.tokens = self._split(text)

    def _split(self, text: str) -> Iterator[tuple[int, str | None, str | None]]:
        line, at = 1, 0
        for match in TOKEN.finditer(text):
            line += text.count("\n", at, match.start())
            at = match.start()
            if match[1] is not None or match[2] is not None:
                yield line, match[1], match[2]

    def text(self, what: str) -> str:
        """Return the next one, which must be a text."""
        self.line, text, found = next(self.tokens, (self.line, None, "the end"))
        if text is None:
            raise self._error(what, found)
        return text.replace('""', '"')

    def number(self, what: str) -> float:
        """Return the next one, which must be a number."""
        self.line, text, found = next(self.tokens, (self.line, "the end", None))
        if found is None:
            raise self._error(what, text)
        try:
            return seconds(what, found)
        except DataError as error:
            raise DataError(f"{self.path}:{self.line}: {error}") from None

    def _error(self, what: str, found: str | None) -> DataError:
        return DataError(
            f"{self.path}:{self.line}: {what} is missing, there is {found!r}: the file "
            "is broken: open it in Praat and save it as a text file"
        )


def read_textgrid(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the turns of a TextGrid, and labels that were written to it.

    Raises:
        DataError: It is none, is broken, or has intervals that cannot be turns.
    """
    tiers, points = _tiers(_Tokens(path, read_text(path)))
    found = Found(path, wanted)
    if aligned := [tier.name for tier in tiers if ALIGNED.fullmatch(tier.name)]:
        raise DataError(
            f"{path}: the tiers {', '.join(aligned)} are of words and phones, not of "
            "turns: remove them in Praat, and keep those of utterances"
        )
    names = [tier.name for tier in tiers]
    labels = {
        (tier.name, start, end): label
        for tier in tiers
        if _is_of_labels(tier.name, names)
        for _, start, end, label in tier.intervals
    }
    silent = []
    for tier in tiers:
        if _is_of_labels(tier.name, names):
            continue
        for line, start, end, text in tier.intervals:
            if not text.strip():
                continue
            silent += [text] if text.strip().lower() in SILENT else []
            with found.at(f"{path}:{line}"):
                found.add(
                    start,
                    end,
                    known_name("the tier", tier.name, (UNKNOWN,)),
                    text=None if text == SPEECH else text,
                    label=labels.pop((tier.name + SENTIMENT, start, end), None),
                )
    for (name, start, end), label in labels.items():
        if label.strip():
            found.faults.append(
                f"{path}: tier {name!r}, {start:g} to {end:g} s: no turn begins and "
                f"ends as the label {label!r} does: fix the times"
            )
    if points:
        found.said.append(f"tiers of points are no turns: {', '.join(points)}")
    if silent:
        found.said.append(
            f"intervals that may be silence are read as turns: {tallied(silent)}; "
            "empty their labels if they are"
        )
    return found.finish()


def _is_of_labels(name: str, names: Sequence[str]) -> bool:
    return name.endswith(SENTIMENT) and name.removesuffix(SENTIMENT) in names


def _tiers(tokens: _Tokens) -> tuple[list[_Tier], list[str]]:
    """Return tiers of intervals, and the names of those of points."""
    if not tokens.text("ooTextFile").startswith("ooTextFile"):
        raise DataError(f"{tokens.path}:1: no text file of Praat: name another file")
    if (kind := tokens.text("TextGrid")) != "TextGrid":
        raise DataError(
            f"{tokens.path}:{tokens.line}: holds a {kind}, not a TextGrid: name another"
        )
    tokens.number("xmin"), tokens.number("xmax")
    tiers: list[_Tier] = []
    points = []
    for _ in range(int(tokens.number("the number of tiers"))):
        kind = tokens.text("a tier's class")
        name = tokens.text("a tier's name")
        line = tokens.line
        tokens.number("xmin"), tokens.number("xmax")
        n = int(tokens.number("the number of intervals"))
        if kind == "IntervalTier":
            if any(tier.name == name for tier in tiers):
                raise DataError(
                    f"{tokens.path}:{line}: two tiers are called {name!r}: rename one"
                )
            tiers.append(_Tier(name, line, [_interval(tokens) for _ in range(n)]))
        elif kind == "TextTier":
            points.append(name)
            for _ in range(n):
                tokens.number("a point's time"), tokens.text("a point's label")
        else:
            raise DataError(
                f"{tokens.path}:{tokens.line}: {kind[:80]!r} is no class of tiers: "
                "save the TextGrid as a text file, not a chronological one"
            )
    if (rest := next(tokens.tokens, None)) is not None:
        raise DataError(
            f"{tokens.path}:{rest[0]}: more than the file says that it holds: open it "
            "in Praat and save it as a text file"
        )
    return tiers, points


def _interval(tokens: _Tokens) -> tuple[int, float, float, str]:
    start, line = tokens.number("an interval's start"), tokens.line
    return line, start, tokens.number("its end"), tokens.text("its label")


def write_textgrid(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write turns, a tier a speaker, and another one of labels.

    Raises:
        DataError: Somebody's turns overlap, which a tier cannot hold.
    """
    from praatio import textgrid

    end = max(turn.end for turn in turns)
    grid = textgrid.Textgrid(0, end)
    for name, own in by_tier(turns).items():
        check_no_overlap(name, own, "a TextGrid")
        said = [(turn.start, turn.end, turn.text or SPEECH) for turn in own]
        grid.addTier(textgrid.IntervalTier(name, said, 0, end))
        labels = [(turn.start, turn.end, turn.label) for turn in own if turn.label]
        if labels:
            grid.addTier(textgrid.IntervalTier(name + SENTIMENT, labels, 0, end))
    grid.save(str(path), "long_textgrid", True, minimumIntervalLength=None)
