"""Lists of recordings for ``predict``: files, or standard input."""

import codecs
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.encoding import marked
from espnet_sentiment.inference.entries import COMMENT, read_scp_line

SUFFIXES = (".txt", ".lst", ".list", ".scp")
LONGEST_LINE = 1 << 16  # bytes


def read_names(stream: BinaryIO, head: bytes = b"") -> Iterator[tuple[int, bytes]]:
    """Give the lines that name something, without line ends, and their numbers.

    A byte order mark, as Windows' programs write it, is none of the first name.

    Args:
        stream: The list.
        head: What was read of it before, whole lines.
    """
    mark = marked(head)
    if mark and mark != "utf-8-sig":
        text = (head + stream.read()).decode(mark, "replace")
        lines: Iterator[bytes] = iter(os.fsencode(text).splitlines(keepends=True))
    else:
        head = head.removeprefix(codecs.BOM_UTF8)
        read = iter(lambda: stream.readline(LONGEST_LINE), b"")
        lines = itertools.chain(head.splitlines(keepends=True), read)
    for number, line in enumerate(lines, 1):
        name = line.rstrip(b"\r\n")
        if name and not name.startswith(COMMENT.encode()):
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
                    _, name = read_scp_line(name, where)
                yield where, name
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
