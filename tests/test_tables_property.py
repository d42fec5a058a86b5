"""Any table that a spreadsheet or a program writes is read row by row, or refused."""

import csv
import io
import json

import hypothesis
import hypothesis.strategies as st
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.records import read_table_file
from espnet_sentiment.data.table import CELL_ERRORS

# What is no character of text: halves of pairs, NUL, and what XML cannot hold.
CHARS = st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"))
TELLING = st.sampled_from("\",;\t|\n\r'= #a1é日")
VALUES = st.text(st.one_of(TELLING, CHARS), max_size=6).filter(
    lambda value: value.strip() not in CELL_ERRORS
)
NAMES = st.text(st.sampled_from('abcdefg" é;'), min_size=1, max_size=4)

tables = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(NAMES, min_size=n, max_size=n, unique_by=str.strip).filter(
            lambda names: all(name.strip() for name in names)
        ),
        st.lists(st.lists(VALUES, min_size=n, max_size=n), max_size=5),
    )
)
quick = hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


def expected(columns, rows):
    """Return the values that are not empty."""
    return [
        {c.strip(): v.strip() for c, v in zip(columns, row, strict=True) if v.strip()}
        for row in rows
    ]


def breaks(columns, rows):
    """Tell whether a field has a line break, outer ones included."""
    return any("\n" in v or "\r" in v for row in (columns, *rows) for v in row)


def check(path, columns, rows, may_refuse=False, keeps_empty=False):
    """Read what was written: all of it, or a refusal where that is right."""
    try:
        table = read_table_file(path)
    except DataError as error:
        assert may_refuse, error
        assert str(path) in str(error) and ": " in str(error)
        return
    wanted = expected(columns, rows)
    assert [row for _, row in table.rows] == [r for r in wanted if r or keeps_empty]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["csv", "tsv"])
@hypothesis.given(
    table=tables,
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    separator=st.sampled_from([None, ",", ";", "\t"]),
    says=st.booleans(),
)
@quick
def test_separated_values_are_read_row_by_row(
    tmp_path, kind, encoding, table, end, quoting, separator, says
):
    columns, rows = table
    own = "\t" if kind == "tsv" else ","
    text = io.StringIO()
    says = says and kind == "csv"
    if says:
        text.write(f"sep={separator or own}{end}")
    writer = csv.writer(
        text, delimiter=separator or own, lineterminator=end, quoting=quoting
    )
    writer.writerows([columns, *rows])
    path = tmp_path / f"m.{kind}"
    path.write_bytes(text.getvalue().encode(encoding))
    header = "".join(columns)
    # Of several separators in a header, a table does not always tell which it is.
    unclear = not says and any(s in header for s in ",;\t|")
    unclear |= not says and separator not in (None, own) and len(columns) == 1
    quoted_text = (separator or own) == "\t" and '"' in text.getvalue()
    if unclear or (quoted_text and len(columns) == 1):
        refused_or_as_many(path, columns, rows)
    else:
        check(path, columns, rows, breaks(columns, rows))


def refused_or_as_many(path, columns, rows):
    """Read what can be understood in several ways: no row may be lost."""
    try:
        table = read_table_file(path)
    except DataError:
        return
    # A row of separators only is an empty one.
    filled = [row for row in rows if "".join(row).strip(' ,;\t|"')]
    assert len(table.rows) >= len(filled)


@hypothesis.given(table=tables)
@quick
def test_spreadsheets_are_read_row_by_row(tmp_path, table):
    columns, rows = table
    book = openpyxl.Workbook()
    for r, row in enumerate([columns, *rows], 1):
        for c, value in enumerate(row, 1):
            cell = book.active.cell(r, c)
            # Text, where a formula would be guessed.
            cell.value, cell.data_type = value, "s"
    path = tmp_path / "m.xlsx"
    book.save(path)
    # XML has one line end.
    rows = [[v.replace("\r\n", "\n").replace("\r", "\n") for v in row] for row in rows]
    check(path, columns, rows)


@hypothesis.given(table=tables)
@quick
def test_parquet_is_read_row_by_row(tmp_path, table):
    columns, rows = table
    path = tmp_path / "m.parquet"
    data = {
        c: pyarrow.array([r[i] for r in rows], "string") for i, c in enumerate(columns)
    }
    pyarrow.parquet.write_table(pyarrow.table(data), path)
    check(path, columns, rows, keeps_empty=True)


@pytest.mark.parametrize("kind", ["jsonl", "json"])
@hypothesis.given(table=tables, ascii_only=st.booleans())
@quick
def test_json_is_read_row_by_row(tmp_path, kind, table, ascii_only):
    columns, rows = table
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    path = tmp_path / f"m.{kind}"
    if kind == "json":
        text = json.dumps(records, ensure_ascii=ascii_only)
    else:
        text = "".join(f"{json.dumps(r, ensure_ascii=ascii_only)}\n" for r in records)
    path.write_text(text, encoding="utf-8")
    check(path, columns, rows, keeps_empty=True)


@hypothesis.given(
    lines=st.lists(
        st.text(st.sampled_from('",\tab'), min_size=1, max_size=8), max_size=6
    )
)
@pytest.mark.parametrize("kind", ["csv", "tsv"])
@quick
def test_no_table_of_any_lines_loses_one(tmp_path, kind, lines):
    path = tmp_path / f"m.{kind}"
    separator = "," if kind == "csv" else "\t"
    path.write_text("".join(f"{line}\n" for line in [f"a{separator}b", *lines]))
    try:
        table = read_table_file(path)
    except DataError:
        return
    filled = [
        number
        for number, line in enumerate(lines, 2)
        if line.replace('"', "").replace(separator, "").strip()
    ]
    assert {number for number, _ in table.rows} >= set(filled)
