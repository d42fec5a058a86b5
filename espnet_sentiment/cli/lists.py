"""Lists of recordings for ``predict``: files, or standard input."""

import codecs
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from espnet_sentiment.core.errors import DataError

SUFFIXES = (".txt", ".lst", ".list", ".scp")
LONGEST_LINE = 1 << 16  # bytes
COMMENT = b"#"  # what a line begins with that names no recording
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_names(stream: BinaryIO, head: bytes = b"") -> Iterator[tuple[int, bytes]]:
    """Give the lines that name something, without line ends, and their numbers.

    A mark of UTF-8 or UTF-16, as Windows' programs write it, is none of the first name.

    Args:
        stream: The list.
        head: What was read of it before, whole lines.
    """
    if head.startswith(UTF_16):
        text = (head + stream.read()).decode("utf-16", "replace")
        lines: Iterator[bytes] = iter(os.fsencode(text).splitlines(keepends=True))
    else:
        head = head.removeprefix(codecs.BOM_UTF8)
        read = iter(lambda: stream.readline(LONGEST_LINE), b"")
        lines = itertools.chain(head.splitlines(keepends=True), read)
    for number, line in enumerate(lines, 1):
        name = line.rstrip(b"\r\n")
        if name and not name.startswith(COMMENT):
            yield number, name


def read_list(path: Path) -> Iterator[tuple[str, str]]:
    """Give what a list names, and where: ``list.txt:3``.

    Args:
        path: A path a line or, in a ``.scp``, an id and a path.

    Raises:
        DataError: It cannot be read, or a line of a ``.scp`` has no path, or a command.
    """
    try:
        with path.open("rb") as stream:
            for number, line in read_names(stream, stream.readline(LONGEST_LINE)):
                where, name = f"{path}:{number}", os.fsdecode(line)
                if path.suffix.lower() == ".scp":
                    name = _path_of(name, where)
                yield where, name
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None


def _path_of(line: str, where: str) -> str:
    _, *rest = line.split(maxsplit=1)
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
    return name
