"""What is read of a table of any kind: rows of text by column."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError

# What spreadsheets write where a formula has no value.
CELL_ERRORS = frozenset(
    ("#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!")
)

HOLDS_SOUND = (
    "holds the recordings themselves: write each of them to a file, and the files' "
    "names into a column path"
)


class Unreadable(str):
    """Why a value cannot be used; who uses it refuses it by this text."""

    __slots__ = ()


Value = str | list
Row = Mapping[str, Value]
Rows = list[tuple[int, dict[str, Value]]]


@dataclasses.dataclass
class Table:
    """A table's rows.

    Args:
        path: The file.
        columns: Its columns, in order.
        rows: Number and values of every row; spreadsheets' empty ones are none. A row
            holds what is not empty: text without outer blanks, :class:`Unreadable`, or
            a list.
        unit: What the numbers count: ``line``, ``row`` or ``entry``.
        said: What its owner should know of how it was read.
        separator: What separates its columns, if anything does.
    """

    path: Path
    columns: list[str]
    rows: Rows
    unit: str = "line"
    said: list[str] = dataclasses.field(default_factory=list)
    separator: str = ""

    def place(self, number: int) -> str:
        """Say where a row is, for messages."""
        if self.unit == "line":
            return f"{self.path}:{number}"
        return f"{self.path}: {self.unit} {number}"


def one_value(row: Row, column: str) -> str:
    """Return a value that may be no list.

    Raises:
        DataError: It is one.
    """
    value = row.get(column, "")
    if isinstance(value, list):
        raise DataError(f"column {column}: {value!r} is a list: write one value")
    return value


def flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give what is nested names such as ``audio.path``."""
    values: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{str(key).strip()}"
        if isinstance(value, Mapping):
            values |= flat(value, f"{name}.")
        else:
            values[name] = value
    return values


def filled(values: Mapping[str, Any], true: str = "true", false: str = "false") -> dict:
    """Return what is not empty of a row, as text or lists.

    Args:
        values: By column.
        true: How the file shows that a value is true.
        false: How it shows that it is not.
    """
    row: dict[str, Value] = {}
    for column, value in values.items():
        if isinstance(value, bool):
            value = true if value else false
        text = as_text(value)
        if text not in ("", []):
            row[column] = text
    return row


def as_text(value: Any) -> Value:
    """Return a value as its owner would write it."""
    match value:
        case None:
            return ""
        case Unreadable():
            return value
        case str():
            text = value.strip()
            if text in CELL_ERRORS:
                return Unreadable(f"{text} is a formula without a value: fill it in")
            return text
        case int():
            return str(value)
        case float():
            return _number(value)
        case bytes():
            return Unreadable(f"{len(value)} bytes are no text: write text")
        case list():
            return [as_text(item) for item in value]
    return Unreadable(f"{value} is no text and no number: write it as text")


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    # Tables that hold floats only mean 7 by 7.0.
    return str(int(value)) if value.is_integer() else repr(value)


def name_columns(names: Iterable[Any]) -> list[str]:
    """Strip columns' names; one that has none gets its number for a name."""
    stripped = ["" if name is None else str(as_text(name)) for name in names]
    return [name or f"(column {i})" for i, name in enumerate(stripped, 1)]


def check_twice(place: str, columns: list[str]) -> None:
    """Refuse columns of one name.

    Raises:
        DataError: There are some; the message names all.
    """
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError(
            f"{place}: a column stands there twice: rename one: {', '.join(twice)}"
        )


def drop_nameless(columns: list[str], rows: Rows) -> list[str]:
    """Return the columns without those that have neither name nor values."""
    used = {column for _, row in rows for column in row}
    return [c for c in columns if c in used or not c.startswith("(column ")]
