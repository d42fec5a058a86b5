"""Tables with one record a line, CSV, TSV or JSON lines, and their line numbers."""

import csv
import io
import json
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike

DELIMITERS = {".csv": ",", ".tsv": "\t"}

SAVED_WITH = {".csv": "commas", ".tsv": "tabs"}

Records = list[tuple[int, dict]]


def read_records(path: PathLike) -> tuple[list[str], Records]:
    """Read a table; a byte order mark and CRLF ends are tolerated.

    Args:
        path: ``.csv`` or ``.tsv`` with a header, or ``.jsonl`` of one object a line.

    Returns:
        The columns, and the records with the number of their (last) line. A record
        holds what is not empty: text without outer blanks, from JSON lines any value.

    Raises:
        DataError: The file is missing, not UTF-8, or not such a table; the message
            names the line and the remedy.
    """
    path = Path(path)
    if path.suffix not in (*DELIMITERS, ".jsonl"):
        raise DataError(f"{path}: unknown kind of table: name it .csv, .tsv or .jsonl")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path} is not a file: check the path") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 (byte {error.start}): convert it with iconv"
        ) from None
    if path.suffix == ".jsonl":
        return _json_lines(path, text)
    return _separated(path, text)


def _json_lines(path: Path, text: str) -> tuple[list[str], Records]:
    records = []
    columns: dict[str, None] = {}
    # Not splitlines(): a transcript may hold other line separators than these.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not valid JSON ({error}): fix it") from (
                None
            )
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number}: not an object: write {{...}} in a line")
        columns |= dict.fromkeys(record)
        record = {k: v.strip() if isinstance(v, str) else v for k, v in record.items()}
        records.append((number, _filled(record)))
    return list(columns), records


def _separated(path: Path, text: str) -> tuple[list[str], Records]:
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=DELIMITERS[path.suffix], strict=True
    )
    records = []
    try:
        columns = [name.strip() for name in next(lines, [])]
        if any(";" in name for name in columns):
            raise DataError(
                f"{path}:1: the columns are separated by ';': save with "
                f"{SAVED_WITH[path.suffix]}"
            )
        if len(set(columns)) < len(columns):
            raise DataError(f"{path}:1: a column stands there twice: rename one")
        for fields in lines:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(columns):
                raise DataError(
                    f"{path}:{lines.line_num}: {len(fields)} fields, but the header "
                    f"has {len(columns)}: put a field that holds a separator into "
                    'double quotes, "..."'
                )
            record = dict(zip(columns, map(str.strip, fields), strict=True))
            records.append((lines.line_num, _filled(record)))
    except csv.Error as error:
        raise DataError(
            f"{path}:{lines.line_num}: {error}: fix the double quotes"
        ) from None
    return columns, records


def _filled(record: dict) -> dict:
    return {key: value for key, value in record.items() if value not in (None, "")}
