"""A table of a Kaldi data directory with its lines, to say where a fault is."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from espnet_sentiment.core.escape import one_line
from espnet_sentiment.core.files import fields_of, keyed, read_lines, repeated
from espnet_sentiment.core.names import nfc


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a data directory.

    Args:
        path: The file, which may be missing.
        lines: Its lines as they stand there.
        n: How many are not blank.
        values: The values by key, keys in NFC.
    """

    path: Path
    lines: list[str]
    n: int
    values: dict[str, str]

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def faults(self, tell: Callable[[str, str], str | None]) -> list[str]:
        """Return the faults of all lines.

        Args:
            tell: Says of a key and its value what is wrong with them, if anything.
        """
        return [
            f"{self.path}:{number}: {one_line(fault)}"
            for number, key, value in self._lines()
            if (fault := tell(nfc(key), value)) is not None
        ]

    def repeated(self) -> list[str]:
        """Return the lines whose key another line has, too."""
        if len(self.values) == self.n:
            return []
        return repeated(self.path, self.lines, nfc)

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        for number, (key, value) in enumerate(map(fields_of, self.lines), 1):
            if key:
                yield number, key, value


def read_kaldi_table(path: Path, needed: bool = False) -> Table:
    """Read a table; one that is not needed and not there is empty.

    Raises:
        DataError: It is needed and missing, or not UTF-8.
    """
    lines = read_lines(path) if needed or path.exists() else []
    n, values = keyed(lines)
    if not "".join(values).isascii():
        values = {nfc(key): value for key, value in values.items()}
    return Table(path, lines, n, values)
