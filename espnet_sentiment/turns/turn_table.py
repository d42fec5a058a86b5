"""Tables of turns: CSV, TSV, JSON lines, spreadsheets, Parquet.

Columns, by the names that ``data.columns`` knows: ``start`` and ``end``, or
``duration``, in seconds; ``speaker``, ``channel`` (0 or A the first), ``text``,
``label``; ``path`` where there are several recordings; ``posteriors.CLASS``.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import FORMULA, NUMBER
from espnet_sentiment.data.columns import name_rows
from espnet_sentiment.data.records import read_table_file
from espnet_sentiment.data.table import Row, Table, Unreadable, one_value
from espnet_sentiment.data.table_json import read_json_table
from espnet_sentiment.data.times import Times, number
from espnet_sentiment.turns.channel_fields import ChannelFields
from espnet_sentiment.turns.found import Found, Wanted
from espnet_sentiment.turns.pick import pick
from espnet_sentiment.turns.turn import Turn
from espnet_sentiment.turns.whisper_json import load_json

TIMES = ("start", "end", "duration")
TEXTS = ("speaker", "channel", "text", "label")
COLUMNS = ("path", *TIMES, *TEXTS)
WRITTEN = ("start", "end", *TEXTS)
POSTERIORS = "posteriors."
# Spreadsheets take what begins so for a formula, but for an apostrophe before it.
GUARDED = re.compile(r"'+[=+\-@]")


def read_turn_table(
    path: Path,
    wanted: Wanted,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> tuple[list[Turn], list[str]]:
    """Read the turns of a recording.

    Args:
        path: What ``read_table_file`` reads.
        wanted: The recording.
        columns: Its columns by our names, where they are others (``--map``).
        sheet: Of a spreadsheet; None for the only one that is not empty.

    Raises:
        DataError: Columns or rows cannot be used, or the recording is not there.
    """
    read = _of_conversation(path) if sheet is None else None
    read = read or read_table_file(path, sheet=sheet)
    table, taken, said = name_rows(read, columns or {}, required=("start",))
    found = Found(path, wanted)
    found.said += [*read.said, *said]
    rows = [
        (table.place(n), row, whole)
        for (n, row), (_, whole) in zip(table.rows, read.rows, strict=True)
    ]
    for place, row, _ in rows:
        with found.at(place):
            _check(row)
    if found.faults:
        return found.finish()
    if rows and "path" in taken:
        names = [str(row.get("path", "")) for _, row, _ in rows]
        one, said = pick(path, names, wanted.recording)
        rows = [row for row in rows if row[1].get("path", "") == one]
        found.said += said
    times = Times(
        (str(row[name]) for _, row, _ in rows for name in TIMES if name in row),
        table.separator,
    )
    is_text = bool(table.separator)
    channels = ChannelFields((str(r.get("channel", "")) for _, r, _ in rows), 0, wanted)
    for place, row, whole in rows:
        with found.at(place):
            found.add(
                *_part(row, times, wanted.duration),
                _unguarded(row, "speaker", is_text),
                channels.read(one_value(row, "channel")),
                _unguarded(row, "text", is_text),
                label=_unguarded(row, "label", is_text),
                posteriors=_posteriors(whole),
            )
    found.said += channels.said()
    if times.has_commas:
        found.said.append("columns start and end: commas are taken as points")
    used = [theirs for ours, theirs in taken.items() if ours in COLUMNS]
    left = [c for c in read.columns if c not in used and not c.startswith(POSTERIORS)]
    if left:
        found.said.append(f"columns without a meaning here: {', '.join(left)}")
    return found.finish()


def _of_conversation(path: Path) -> Table | None:
    """Return the turns of what ``Conversation.as_dict`` gives; None of other files."""
    data = load_json(path) if path.suffix.lower() == ".json" else None
    if not isinstance(data, dict) or not isinstance(data.get("turns"), list):
        return None
    return read_json_table(path, json.dumps(data["turns"]))


def _check(row: Row) -> None:
    for column in COLUMNS:
        if isinstance(value := row.get(column), Unreadable):
            raise DataError(f"column {column}: {value}")
        one_value(row, column)


def _part(row: Row, times: Times, duration: float | None) -> tuple[float, float]:
    start, end, length = (times.seconds(c, one_value(row, c)) for c in TIMES)
    if start is None:
        raise DataError("column start: no time: write seconds, such as 12.34")
    if length is not None:
        end = start + length
    if end is None:  # audformat's NaT, the recording's
        if duration is None:
            raise DataError("column end: no time: write seconds, such as 12.34")
        end = duration
    return start, end


def _posteriors(row: Row) -> dict[str, float]:
    posteriors = {}
    for column in row:
        if not column.startswith(POSTERIORS):
            continue
        value = number(one_value(row, column))
        if not 0 <= value <= 1:
            raise DataError(
                f"column {column}: {row[column]!r} is no posterior: write a number "
                "from 0 to 1"
            )
        posteriors[column.removeprefix(POSTERIORS)] = value
    return posteriors


def _unguarded(row: Row, column: str, is_text: bool) -> str:
    """Return a text; of CSV, without the apostrophe that ``write_csv`` puts before."""
    text = one_value(row, column)
    return text[1:] if is_text and GUARDED.match(text) else text


def _guarded(value: object) -> str:
    text = "" if value is None else str(value)
    is_formula = text.startswith(FORMULA) and NUMBER.fullmatch(text) is None
    return f"'{text}" if is_formula or GUARDED.match(text) else text


def write_csv(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write a row a turn; no spreadsheet takes one for a formula."""
    classes = list(dict.fromkeys(c for turn in turns for c in turn.posteriors or ()))
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*WRITTEN, *(POSTERIORS + name for name in classes)])
    for turn in turns:
        row = _row(turn)
        given = turn.posteriors or {}
        shares = [f"{given[c]:.6g}" if c in given else "" for c in classes]
        writer.writerow([*(_guarded(row.get(name)) for name in WRITTEN), *shares])
    path.write_text(lines.getvalue(), encoding="utf-8")


def write_json_lines(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write an object a turn; what is not known is left out."""
    lines = []
    for turn in turns:
        row = _row(turn)
        if turn.posteriors:
            shares = {c: float(f"{p:.6g}") for c, p in turn.posteriors.items()}
            row["posteriors"] = shares
        lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def _row(turn: Turn) -> dict[str, object]:
    row = {name: getattr(turn, name) for name in WRITTEN}
    return {name: value for name, value in row.items() if value is not None}
