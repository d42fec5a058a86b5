"""Starts and ends as tables write them, in seconds.

``12.34``; ``12,34`` where it is no thousand; ``0 days 00:00:12.340000`` and
``00:00:12.340`` of pandas and audformat; ``NaT`` for an end that is the recording's.
"""

import math
import re
from collections.abc import Iterable

from espnet_sentiment.core.errors import DataError

COMMA = re.compile(r"\d+,\d+")
THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")
DAYS = re.compile(
    r"(?:(?P<days>\d+) days?)? ?\+?"
    r"(?:(?P<hours>\d+):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(?:\.\d+)?))?"
)
NO_TIME = ("NaT", "nan", "NaN", "")


def number(text: str) -> float:
    """Return what a text counts; NaN if it is no number."""
    # Python, but nobody else, takes 1_000 for one.
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


class Times:
    """Reads the times of one table, whose commas mean the same everywhere.

    Args:
        texts: All of its times.
        separator: What separates its columns.
    """

    def __init__(self, texts: Iterable[str], separator: str):
        texts = list(texts)
        commas = [text for text in texts if COMMA.fullmatch(text)]
        self.has_commas = bool(commas)
        # Spreadsheets separate columns by semicolons where numbers have commas.
        self.are_decimal = separator == ";" or not all(map(THOUSANDS.fullmatch, commas))
        self.are_mixed = any("." in text for text in texts)

    def seconds(self, column: str, text: str) -> float | None:
        """Return a time, rounded as a segments file has it; None for no time.

        Raises:
            DataError: It is not a time.
        """
        if text in NO_TIME:
            return None
        if self.has_commas and COMMA.fullmatch(text):
            if self.are_mixed or not self.are_decimal:
                raise DataError(
                    f"column {column}: {text!r} may be {text.replace(',', '.')} or "
                    f"{text.replace(',', '')}: write seconds with a point, such as "
                    "12.34"
                )
            text = text.replace(",", ".")
        time = _days(text)
        if time is None:
            time = number(text)
        if not 0 <= time < math.inf:
            raise DataError(
                f"column {column}: {text!r} is not a time: write seconds, such as 12.34"
            )
        return round(time, 3)


def _days(text: str) -> float | None:
    match = DAYS.fullmatch(text)
    # Without days, 01:30:00 may be minutes, seconds and frames.
    if not match or not (match["days"] or "." in (match["seconds"] or "")):
        return None
    days, hours, minutes = (int(match[k] or 0) for k in ("days", "hours", "minutes"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + float(match["seconds"] or 0)
