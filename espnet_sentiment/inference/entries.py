"""Lists of recordings of any length, read as a stream."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.encoding import marked
from espnet_sentiment.data.records import is_table

COMMENT = "#"  # what a line begins with that is none


class Entry(NamedTuple):
    """A line of a list: an id, where it has one, and an absolute path."""

    utt: str | None
    path: str

    def row(self) -> dict[str, str]:
        """Return what begins the entry's line of results."""
        return {"path": self.path} if self.utt is None else self._asdict()

    @property
    def speaker(self) -> None:
        """Who speaks, which such a list does not tell."""
        return None

    def speech(self) -> str:
        """Return what ``Speech2Sentiment`` hears."""
        return self.path


def read_entries(path: Path) -> Iterator[Entry]:
    """Read a list entry by entry; empty lines and comments (``# ...``) count nothing.

    Args:
        path: A text file with a path a line, or, where its name ends in ``.scp``,
            Kaldi's ``id path``. Relative paths start from the current folder; one that
            begins with ``#`` is written ``./#name``.

    Raises:
        DataError: The list is missing, a table, not UTF-8 (nor what its byte order mark
            says), or a line of a ``.scp`` lacks its path,
            or has a command.
    """
    if is_table(path):
        raise DataError(
            f"{path} is a table: give a text file (.txt) with a path a line, or .scp "
            "with an id and a path"
        )
    has_ids = path.suffix == ".scp"
    try:
        with path.open(encoding=_encoding(path)) as lines:
            for number, line in enumerate(lines, 1):
                text = line.strip()
                if not text or text.startswith(COMMENT):
                    continue
                utt, name = None, text
                if has_ids:
                    utt, name = read_scp_line(text, f"{path}:{number}")
                yield Entry(utt, str(Path(name).expanduser().absolute()))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): give a text file with a path "
            "a line"
        ) from None
    except UnicodeError as error:
        raise DataError(
            f"{path} is not UTF-8 ({error}): give a text file with a path a line"
        ) from None


def read_scp_line(line: str, where: str) -> tuple[str, str]:
    """Return id and path of a line of a ``.scp``.

    Args:
        line: The line, not blank.
        where: The list and the line's number, for messages.

    Raises:
        DataError: It has no path, or a command, which is not run.
    """
    utt, *rest = line.split(maxsplit=1)
    if not rest:
        raise DataError(
            f"{where}: {line!r} names no path: a .scp file has an id, a space and a "
            "path a line"
        )
    name = rest[0].strip()
    if name.endswith("|"):
        raise DataError(
            f"{where}: {name!r} is a command, and none is run: write what it prints to "
            "a file, and name that"
        )
    return utt, name


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        return marked(file.read(4)) or "utf-8"


def survey(path: Path, entries: Iterable[tuple] | None = None) -> tuple[int, str, str]:
    """Count a list's entries; hash them, and sizes and times of their files.

    Args:
        path: The list.
        entries: What was read of it; None reads it by ``read_entries``.

    Raises:
        DataError: As ``read_entries``, or there are none.
    """
    found = survey_of(read_entries(path) if entries is None else entries)
    if not found[0]:
        raise DataError(f"{path} names no recordings: give one path a line")
    return found


def survey_of(entries: Iterable[tuple]) -> tuple[int, str, str]:
    """Count entries, whose last field is a path, and hash them as ``survey`` does."""
    count, names, files = 0, hashlib.sha256(), hashlib.sha256()
    for entry in entries:
        count += 1
        names.update(repr(tuple(entry)).encode())
        try:
            stat = os.stat(entry[-1])
            files.update(f"{stat.st_size} {stat.st_mtime_ns}\n".encode())
        except OSError:
            files.update(b"missing\n")
    return count, names.hexdigest(), files.hexdigest()
