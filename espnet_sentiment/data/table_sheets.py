"""Spreadsheets: .xlsx, .xlsm, .xlsb, .xls and .ods; the columns' names in row 1.

calamine leaves the cells empty whose formula was never computed, or ended in an error;
in Excel's newer files (ECMA-376, SpreadsheetML) they are looked for here.
"""

import contextlib
import datetime
import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.table import (
    Table,
    Unreadable,
    check_twice,
    drop_nameless,
    filled,
    name_columns,
)

KEPT_DIGITS = 10**15  # from here on Excel loses digits
WORKBOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"

Cells = list[list[Any]]


def read_sheet(path: Path, sheet: str | None = None) -> Table:
    """Read one sheet of a spreadsheet.

    Args:
        path: The file.
        sheet: The sheet's name; None for the only one that is not empty.

    Raises:
        DataError: It cannot be opened, has no such sheet, or several that are not
            empty.
    """
    import python_calamine

    try:
        with python_calamine.load_workbook(path) as book:
            name, said = _choose(path, book, sheet)
            chosen = book.get_sheet_by_name(name)
            cells: Cells = chosen.to_python(skip_empty_area=False)
            merged = chosen.merged_cell_ranges or []
    except python_calamine.PasswordError:
        raise DataError(f"{path} has a password: save it without one") from None
    except (python_calamine.CalamineError, OSError) as error:
        raise DataError(
            f"{path} is no spreadsheet that can be read ({error}): open it, and save "
            "it as .xlsx or .csv"
        ) from None
    for (top, left), (bottom, right) in merged:
        for row in range(top, min(bottom, len(cells) - 1) + 1):
            for column in range(left, min(right, len(cells[row]) - 1) + 1):
                if (row, column) != (top, left):
                    cells[row][column] = Unreadable(
                        f"the cell is merged with row {top + 1}, column {left + 1}: "
                        "split the cells and fill in each"
                    )
    for row, column, reason in _without_value(path, name):
        if row < len(cells) and column < len(cells[row]):
            cells[row][column] = Unreadable(reason)
    return _table(path, cells, said)


def _choose(path: Path, book: Any, sheet: str | None) -> tuple[str, list[str]]:
    """Return the sheet's name, and what is to be said about others."""
    if sheet:
        if sheet not in book.sheet_names:
            raise DataError(
                f"{path} has no sheet {sheet!r}, but {', '.join(book.sheet_names)}: "
                "name one of them with --sheet"
            )
        return sheet, []
    used = [name for name in book.sheet_names if book.get_sheet_by_name(name).height]
    if len(used) > 1:
        raise DataError(
            f"{path} has {len(used)} sheets that are not empty: name one with --sheet: "
            f"{', '.join(used)}"
        )
    name = used[0] if used else book.sheet_names[0]
    many = len(book.sheet_names) > 1
    return name, [f"{path}: sheet {name!r} is read, the others are empty"] * many


def _table(path: Path, cells: Cells, said: list[str]) -> Table:
    if not cells:
        return Table(path, [], [], "row", said)
    columns = name_columns(cells[0])
    check_twice(f"{path}: row 1", columns)
    rows = [
        (number, filled(row, "TRUE", "FALSE"))
        for number, values in enumerate(cells[1:], 2)
        if (row := dict(zip(columns, map(_plain, values), strict=True)))
        and any(str(value).strip() for value in values)
    ]
    return Table(path, drop_nameless(columns, rows), rows, "row", said)


def _plain(value: Any) -> Any:
    """Name what Excel has made of what was typed."""
    match value:
        case datetime.time() | datetime.timedelta():
            return Unreadable(
                f"{value} is a time of day: write seconds, in cells of numbers or text"
            )
        case datetime.date():
            return Unreadable(
                f"{value} is a date: make it a cell of text, and write it again"
            )
        case float() | int() if abs(value) >= KEPT_DIGITS:
            return Unreadable(
                f"{value} is a number of more than 15 digits, of which Excel has lost "
                "some: make it a cell of text, and write it again"
            )
    return value


def _without_value(path: Path, sheet: str) -> Iterator[tuple[int, int, str]]:
    """Give row, column and the reason of cells whose formula has no value."""
    with (
        contextlib.suppress(zipfile.BadZipFile, KeyError, ElementTree.ParseError),
        zipfile.ZipFile(path) as archive,
    ):
        part = _part(archive, sheet)
        if part is None:
            return
        with archive.open(part) as stream:
            # Expat bounds entities from 2.4.1 on, and takes none from elsewhere.
            for _, element in ElementTree.iterparse(stream):  # noqa: S314
                if _tag(element) == "row":
                    for cell in element:
                        if reason := _reason(cell):
                            yield *_position(cell.get("r", "A1")), reason
                    element.clear()


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the part of a workbook that holds a sheet."""
    if WORKBOOK not in archive.namelist():
        return None
    book, relations = (
        ElementTree.fromstring(archive.read(name))  # noqa: S314
        for name in (WORKBOOK, RELATIONS)
    )
    targets = {r.get("Id"): r.get("Target", "") for r in relations}
    for entry in book.iter():
        if _tag(entry) == "sheet" and entry.get("name") == sheet:
            relation = next(v for k, v in entry.items() if k.endswith("}id"))
            return posixpath.normpath(posixpath.join("/xl", targets[relation]))[1:]
    return None


def _tag(element: ElementTree.Element) -> str:
    """Return a name without its namespace, of which there are two."""
    return element.tag.rpartition("}")[2]


def _reason(cell: ElementTree.Element) -> str | None:
    inside = {_tag(child): child.text for child in cell}
    if cell.get("t") == "e":
        return f"{inside.get('v')} is a formula without a value: fill it in"
    # A text that a formula has made may be empty, which is a value.
    if "f" in inside and not inside.get("v") and cell.get("t") != "str":
        return (
            f"the formula ={inside['f'] or ''} was not computed: open the file, save "
            "it, or write the values"
        )
    return None


def _position(reference: str) -> tuple[int, int]:
    """Return row and column of ``B3``, from zero."""
    column = 0
    for char in reference.rstrip("0123456789"):
        column = 26 * column + ord(char) - ord("A") + 1
    return int(reference.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) - 1, column - 1
