"""CSV and TSV: a row a line, the columns' names in the first.

Spreadsheets put a field into quotation marks that holds a separator, a mark or a line
break. A line break inside of a field is refused: it cannot be told from a mark too
many, which would swallow rows. In a table with tabs, quotation marks may also be text:
all of them are, unless each is as a spreadsheet writes it.
"""

import csv
import io
import re
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.data.table import (
    Rows,
    Table,
    check_twice,
    drop_nameless,
    filled,
    name_columns,
)

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
OWN = {".tsv": "\t", ".tab": "\t"}  # of other names: commas
SAID_FIRST = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's first line
QUOTED = re.compile(r'(?:^|\t)"((?:[^"]|"")*)"(?=\t|$)')
NEEDS_QUOTES = re.compile(r'["\t,;]|^\s|\s$')  # what spreadsheets put into them
SEVERAL = 'write "sep=,", or another, as the first line, or rename the column'

Lines = list[tuple[int, str]]


def read_separated(path: Path, text: str) -> Table:
    """Read CSV or TSV.

    Args:
        path: The file; ``.tsv`` and ``.tab`` are separated by tabs, others by commas,
            unless the table shows another separator.
        text: What it holds.

    Raises:
        DataError: Lines are not as long as the header, or hold marks that do not end;
            the message names all of them.
    """
    lines = [
        (number, line.rstrip("\r\n"))
        for number, line in enumerate(io.StringIO(text, newline=""), 1)
        if line.strip()
    ]
    table = Table(path, [], [])
    given = SAID_FIRST.fullmatch(lines[0][1].strip(" ")) if lines else None
    if given:
        lines = lines[1:]
    if not lines:
        return table
    own = OWN.get(path.suffix.lower(), ",")
    separator = given[1] if given else _separator(path, lines, own)
    table.separator = separator
    if separator != own:
        table.said.append(f"the columns of {path} are separated by {separator!r}")
    quoted = separator != "\t" or _spreadsheet_quotes(lines, table)
    _read(table, lines, separator, quoted)
    return table


def _separator(path: Path, lines: Lines, own: str) -> str:
    """Find the one that separates the header and fits the lines."""
    splitting = [s for s in SEPARATORS if len(_fields(lines[0][1], s)) > 1]
    if len(splitting) > 1:
        fitting = [s for s in splitting if _fits(lines, s)]
        if len(fitting) > 1:
            names = " or ".join(SEPARATORS[s] for s in fitting)
            raise DataError(
                f"{path}:{lines[0][0]}: {names} may separate the columns: {SEVERAL}"
            )
        splitting = fitting or [own]
    return splitting[0] if splitting else own


def _fields(line: str, separator: str) -> list[str]:
    """Split a line, leniently."""
    if '"' not in line or separator == "\t":
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error:  # a field is too long
        return line.split(separator)


def _fits(lines: Lines, separator: str) -> bool:
    n = len(_fields(lines[0][1], separator))
    return all(len(_fields(line, separator)) == n for _, line in lines)


def _spreadsheet_quotes(lines: Lines, table: Table) -> bool:
    """Tell whether marks in a table with tabs were put there by a spreadsheet."""
    marked = [line for _, line in lines if '"' in line]
    if not marked:
        return False
    header = lines[0][1].split("\t")
    every = all(len(name) > 1 and name[0] == name[-1] == '"' for name in header)
    for line in marked:
        inside = QUOTED.findall(line)
        plain = QUOTED.sub("", line)
        if '"' in plain or not (every or all(map(NEEDS_QUOTES.search, inside))):
            table.said.append(
                f"the quotation marks in {table.path} ({len(marked)} lines) are taken "
                "as part of the text"
            )
            return False
    if not every:
        table.said.append(
            f"the quotation marks around fields of {table.path} ({len(marked)} lines) "
            "are taken as a spreadsheet's, and taken off"
        )
    return True


def _read(table: Table, lines: Lines, separator: str, quoted: bool) -> None:
    errors: list[str] = []
    split = _at_once(lines, separator) if quoted else []
    at = len(split)
    while at < len(lines):
        number, line = lines[at]
        at += 1
        if not quoted or '"' not in line:
            split.append((number, line.split(separator)))
            continue
        try:
            split.append((number, next(_strict([(number, line)], separator))))
        except csv.Error as error:
            at = _broken(table, lines, at - 1, separator, str(error), errors)
    if split and split[0][0] == lines[0][0]:
        place = table.place(split[0][0])
        columns = name_columns(split[0][1])
        check_twice(place, columns)
        table.rows = _rows(table, columns, split[1:], errors)
        table.columns = drop_nameless(columns, table.rows)
    if errors:
        refuse(f"{table.path}: {len(errors)} lines cannot be read", errors)


def _at_once(lines: Lines, separator: str) -> list[tuple[int, list[str]]]:
    """Split all lines, or none where one is not a record of its own."""
    try:
        split = list(_strict(lines, separator))
    except csv.Error:
        return []
    if len(split) != len(lines):
        return []
    return [(n, fields) for (n, _), fields in zip(lines, split, strict=True)]


def _strict(lines: Lines, separator: str):
    return csv.reader(
        (f"{line}\n" for _, line in lines),
        delimiter=separator,
        strict=True,
        skipinitialspace=True,
    )


def _broken(
    table: Table,
    lines: Lines,
    at: int,
    separator: str,
    reason: str,
    errors: list[str],
) -> int:
    """Note why a line cannot be read; return which one to go on with."""
    begin = lines[at][0]
    what = f"{table.place(begin)}: "
    if "unexpected end" not in reason:
        errors.append(
            f"{what}{reason}: fix the double quotes: a field that holds some is put "
            'into others, and each of its own is written twice, ""'
        )
        return at + 1
    remedy = (
        "take line breaks out of fields, or fix the double quotes (one that is text "
        'is written twice, "", in a field that others enclose)'
    )
    try:
        reader = _strict(lines[at:], separator)
        next(reader)
    except csv.Error:
        errors.append(f"{what}a double quote opens a field that does not end: {remedy}")
        return at + 1
    n = reader.line_num
    end = lines[at + n - 1][0]
    errors.append(f"{what}a double quote opens a field that ends in {end}: {remedy}")
    return at + n


def _rows(
    table: Table,
    columns: list[str],
    split: list[tuple[int, list[str]]],
    errors: list[str],
) -> Rows:
    rows = []
    for number, fields in split:
        n = len(fields)
        # Spreadsheets write empty columns, too.
        while n > len(columns) and not fields[n - 1].strip():
            n -= 1
        if not any(field.strip() for field in fields):
            continue
        if n != len(columns):
            errors.append(
                f"{table.place(number)}: {n} fields, but the header has "
                f"{len(columns)}: put a field that holds a separator into double "
                'quotes, "...", and take line breaks out of fields'
            )
            continue
        rows.append((number, filled(dict(zip(columns, fields[:n], strict=True)))))
    return rows
