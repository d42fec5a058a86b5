"""Tables of recordings, or of turns of conversations, that are to be answered.

Columns, by the names that ``data.columns`` knows: ``path``, which starts from the
table's folder; ``speaker``, empty for nobody who is known; ``start`` and ``end``, or
``duration``, in seconds; ``channel``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.names import nfc
from espnet_sentiment.data.columns import name_rows
from espnet_sentiment.data.recordings import Recordings
from espnet_sentiment.data.records import read_table_file
from espnet_sentiment.data.rows import RowReader
from espnet_sentiment.data.table import Row, Unreadable, one_value

COLUMNS = ("path", "speaker", "start", "end", "duration", "channel")


class TableRow(NamedTuple):
    """A row.

    Args:
        place: Where it is, for messages.
        name: What it calls its recording.
        path: The recording, which may not exist.
        speaker: Who speaks; None is not known.
        start: Start in seconds.
        end: End in seconds; None for the recording's.
        channel: ``A`` or ``B``; None where the row names none.
    """

    place: str
    name: str
    path: Path
    speaker: str | None = None
    start: float = 0.0
    end: float | None = None
    channel: str | None = None


def read_recording_table(
    path: Path, columns: Mapping[str, str] | None = None, sheet: str | None = None
) -> tuple[list[TableRow], list[str]]:
    """Read a table.

    Args:
        path: What ``read_table_file`` reads.
        columns: Its columns by our names, where they are others (``--map``).
        sheet: Of a spreadsheet; None for the only one that is not empty.

    Returns:
        Its rows, and what its owner should know of how they were read.

    Raises:
        DataError: As ``read_table_file``, or columns or rows cannot be used; the
            message names all of them, up to 20.
    """
    read = read_table_file(path, sheet=sheet)
    table, taken, said = name_rows(read, columns or {}, required=("path",))
    reader = _Reader(table, Recordings(path.parent), {})
    rows, faults = [], []
    for number, row in table.rows:
        place = table.place(number)
        try:
            rows.append(reader.table_row(place, row))
        except DataError as error:
            faults.append(f"{place}: {error}")
    if faults:
        head = f"{path}: {len(faults)} of {len(table.rows)} rows cannot be used"
        refuse(head, faults)
    used = [theirs for ours, theirs in taken.items() if ours in COLUMNS]
    said = [*read.said, *said, *reader.said()]
    if ignored := [column for column in read.columns if column not in used]:
        said.append(f"columns without a meaning here: {', '.join(ignored)}")
    return rows, said


class _Reader(RowReader):
    """Reads rows that need neither labels nor existing recordings."""

    def table_row(self, place: str, row: Row) -> TableRow:
        for column in COLUMNS:
            if isinstance(value := row.get(column), Unreadable):
                raise DataError(f"column {column}: {value}")
        name = one_value(row, "path")
        if not name:
            raise DataError("column path is empty: name a recording")
        wav = self.recordings.look(name)
        start, end = 0.0, None
        if self.is_cut and wav is not None:
            start, end = self._segment(row, wav)
        return TableRow(
            place,
            name,
            wav or self.recordings.folder / name,
            nfc(one_value(row, "speaker")) or None,
            start,
            end,
            self._channel(row),
        )
