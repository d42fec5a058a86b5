"""JSON: objects, one a line; or a list of them; or one of them by their ids."""

import json
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.data.table import (
    HOLDS_SOUND,
    Rows,
    Table,
    filled,
    flat,
)

BYTES = ".bytes"  # of a recording, beside .path
ID = "id"  # what an entry of SpeechBrain's {"id": {...}} is called by


class _TwiceError(ValueError):
    """A name stands twice in an object."""


def read_json_lines(path: Path, text: str) -> Table:
    """Read an object a line.

    Raises:
        DataError: Lines are no JSON or no objects; the message names all of them.
    """
    columns: dict[str, None] = {}
    rows: Rows = []
    errors = []
    # Not splitlines(): a transcript may hold other line separators than these.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = _loads(line)
        except (ValueError, RecursionError) as error:
            errors.append(f"{path}:{number}: not valid JSON ({error}): fix it")
            continue
        if not isinstance(record, dict):
            errors.append(f"{path}:{number}: not an object: write {{...}} in a line")
            continue
        values = flat(record)
        columns |= dict.fromkeys(values)
        rows.append((number, filled(values)))
    if errors:
        refuse(f"{path}: {len(errors)} lines cannot be read", errors)
    table = Table(path, list(columns), rows)
    _refuse_sound(table)
    return table


def read_json_table(path: Path, text: str) -> Table:
    """Read a list of objects, or objects by their ids, or else lines of them.

    Raises:
        DataError: The file is none of these.
    """
    try:
        data = _loads(text)
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":  # after the first line's object
            return read_json_lines(path, text)
        raise DataError(f"{path}: not valid JSON ({error}): fix it") from None
    if isinstance(data, dict) and all(isinstance(v, dict) for v in data.values()):
        data = [{ID: key, **value} for key, value in data.items()]
    if isinstance(data, dict):
        data = [data]
    if not (isinstance(data, list) and all(isinstance(v, dict) for v in data)):
        raise DataError(
            f"{path}: neither a list of objects nor objects by their ids: write "
            "[{...}, {...}]"
        )
    records = [flat(record) for record in data]
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [(number, filled(record)) for number, record in enumerate(records, 1)]
    table = Table(path, columns, rows, "entry")
    _refuse_sound(table)
    return table


def _refuse_sound(table: Table) -> None:
    for column in table.columns:
        if column.endswith(BYTES) and f"{column[: -len(BYTES)]}.path" in table.columns:
            for number, row in table.rows:
                if column in row:
                    raise DataError(
                        f"{table.place(number)}: column {column} {HOLDS_SOUND}"
                    )


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise _TwiceError(f"{', '.join(twice)} stands there twice")
    return record
