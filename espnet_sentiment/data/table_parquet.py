"""Parquet, also as Hugging Face's datasets write it."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.table import (
    HOLDS_SOUND,
    Rows,
    Table,
    Unreadable,
    check_twice,
    filled,
    flat,
)


def read_parquet(path: Path) -> Table:
    """Read a Parquet file.

    Where Hugging Face's ``ClassLabel`` names the numbers of classes, rows have the
    names.

    Raises:
        DataError: It is no such file, or holds the recordings' bytes.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            sound = [name for name in _leaves(file) if name.split(".")[-1] == "bytes"]
            for batch in file.iter_batches(1, columns=sound) if sound else []:
                if any(flat(row) != dict.fromkeys(sound) for row in batch.to_pylist()):
                    raise DataError(f"{path}: column {sound[0]} {HOLDS_SOUND}")
            kept = [name for name in _leaves(file) if name not in sound]
            data = file.read(columns=kept)
            names = _class_names(file.schema_arrow.metadata or {})
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} is no Parquet file that can be read ({reason}): write it again"
        ) from None
    check_twice(str(path), data.column_names)
    columns: dict[str, None] = {}
    rows: Rows = []
    for number, record in enumerate(data.to_pylist(), 1):
        values = {key: _plain(value) for key, value in flat(record).items()}
        columns |= dict.fromkeys(values)
        for column, classes in names.items():
            values[column] = _named(values.get(column), classes)
        rows.append((number, filled(values)))
    said = [
        f"{path}: the numbers in column {column} are {', '.join(classes)}"
        for column, classes in names.items()
    ]
    return Table(path, list(columns or data.column_names), rows, "row", said)


def _leaves(file: Any) -> list[str]:
    """Return the columns, nested ones as ``audio.path``."""
    schema = file.schema
    return list(dict.fromkeys(schema.column(i).path for i in range(len(schema))))


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of classes by column, which datasets keeps in the schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            column: list(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _named(value: Any, classes: list[str]) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(classes):
            return classes[value]
        if value != -1:  # which datasets writes where there is no label
            return Unreadable(f"{value} is no number of {', '.join(classes)}: fix it")
        return None
    return value


def _plain(value: Any) -> Any:
    """Give times, of audformat for example, in seconds."""
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return value
