"""The one door for tables: what others bring, row by row, or refused.

CSV, TSV, JSON, spreadsheets and Parquet, by the ending of the file's name. No row is
passed over but empty ones, and no value is guessed: what cannot be read is refused, or
stands in its row as :class:`Unreadable`, which who needs it refuses.
"""

import os
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.data.encoding import decode
from espnet_sentiment.data.table import Rows, Table
from espnet_sentiment.data.table_csv import read_separated
from espnet_sentiment.data.table_json import read_json_lines, read_json_table

TEXTS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), read_separated),
    **dict.fromkeys((".jsonl", ".ndjson"), read_json_lines),
    ".json": read_json_table,
}
SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PARQUET = (".parquet", ".pq")
# Names of lists may end in .txt, too.
TABLE_SUFFIXES = frozenset((*TEXTS, *SHEETS, *PARQUET)) - {".txt"}
KINDS = ".csv, .tsv, .jsonl, .json, .xlsx, .ods or .parquet"


def is_table(path: PathLike) -> bool:
    """Tell a table by its name."""
    return Path(path).suffix.lower() in TABLE_SUFFIXES


# What begins files that are no text.
CONTENTS = (
    (b"PK\x03\x04", "is a spreadsheet or a ZIP archive: name it .xlsx, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "is a spreadsheet of Excel 97-2003: name it .xls"),
    (b"PAR1", "is a Parquet file: name it .parquet"),
    (b"\x1f\x8b", "is compressed: unpack it with gunzip"),
    (b"version https://git-lfs", "is a pointer of Git LFS: run git lfs pull"),
    (b"<!doctype html", "is a web page: download the table itself"),
    (b"<html", "is a web page: download the table itself"),
)


def read_table_file(
    path: PathLike, encoding: str | None = None, sheet: str | None = None
) -> Table:
    """Read a table.

    Args:
        path: CSV or TSV (``.csv .tsv .tab .txt``) with a header; ``.jsonl`` of one
            object a line; ``.json`` of a list of objects, or of objects by their ids;
            a spreadsheet (``.xlsx .xlsm .xlsb .xls .ods``); ``.parquet``.
        encoding: Of text; None for UTF-8, or what a byte order mark says.
        sheet: Of a spreadsheet; None for the only one that is not empty.

    Raises:
        DataError: The file is missing, of another kind, or cannot be read; the message
            names all lines and the remedy.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (*TEXTS, *SHEETS, *PARQUET):
        raise DataError(f"{path}: unknown kind of table: name it {KINDS}")
    if os.path.isdir(path) or not os.path.exists(path):
        raise DataError(f"{path} is not a file: check the path")
    for given, option, kinds in (
        (encoding, "encoding", tuple(TEXTS)),
        (sheet, "sheet", SHEETS),
    ):
        if given and kind not in kinds:
            raise DataError(
                f"{path}: --{option} is of {', '.join(kinds)}: leave it out"
            )
    if kind in SHEETS:
        from espnet_sentiment.data.table_sheets import read_sheet

        return read_sheet(path, sheet)
    if kind in PARQUET:
        from espnet_sentiment.data.table_parquet import read_parquet

        return read_parquet(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): fix its permissions"
        ) from None
    for begin, what in CONTENTS:
        if data[: len(begin)].lower() == begin.lower():
            raise DataError(f"{path} {what}")
    return TEXTS[kind](path, decode(path, data, encoding))


def read_records(path: PathLike) -> tuple[list[str], Rows]:
    """Read the columns of a table and its rows, with the numbers of their lines.

    Raises:
        DataError: As :func:`read_table_file`.
    """
    table = read_table_file(path)
    return table.columns, table.rows
