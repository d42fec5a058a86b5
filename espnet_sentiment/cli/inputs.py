"""From the arguments of ``predict`` to the recordings that they name, in order."""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from espnet_sentiment.cli.lists import (
    LONGEST_LINE,
    SUFFIXES,
    read_list,
    read_names,
)
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.encoding import marked
from espnet_sentiment.data.listing import Search, defect_of
from espnet_sentiment.data.records import is_table
from espnet_sentiment.data.source import Source
from espnet_sentiment.data.suffixes import RECORDING_SUFFIXES

if TYPE_CHECKING:
    from espnet_sentiment.data.recording_table import TableRow

STDIN = "-"
# What begins WAVE, Sony's Wave64, FLAC, Ogg, AIFF, AU, CAF, SPHERE, MP3 with tags,
# Matroska, WavPack, TTA and Monkey's Audio; a path may begin so, too.
MAGIC = (
    *(b"RIFF", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"caff"),
    *(b"NIST_1A\n", b"ID3", b"\x1aE\xdf\xa3", b"wvpk", b"TTA1", b"MAC "),
)
# What begins AMR, AC-3 and DTS, and no path.
BINARY = (b"#!AMR\n", b"#!AMR-WB\n", b"\x0bw", b"\x7f\xfe\x80\x01")
HEAD = 64  # bytes; each of these formats has a NUL among them, or is SPHERE
SPHERE = re.compile(rb"NIST_1A\n *\d+\n")
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Input(NamedTuple):
    """A recording, or why there is none.

    Args:
        name: As it was given, or found in a folder.
        path: Where its samples are.
        error: Why it cannot be read; None if it looks well.
        row: The row of a table that names it, with its part and its speaker.
    """

    name: str
    path: Path
    error: DataError | None = None
    row: "TableRow | None" = None


def list_inputs(
    arguments: Iterable[str],
    stdin: BinaryIO,
    spool: Path,
    say: Callable[[str], object],
    read: "Callable[[Path], tuple[list[TableRow], list[str]]] | None" = None,
) -> Iterator[Input]:
    """Give the recordings of files, of folders and of their subfolders, sorted.

    No recording is opened. Links to files are followed, links to folders inside of
    folders are not, so that no loop is endless.

    Args:
        arguments: Files, folders, lists of them, and ``-`` for ``stdin``.
        stdin: Paths, one a line, and comments (``# ...``); or a recording.
        spool: Folder that a recording from ``stdin`` is written to.
        say: Is told what is passed over in a folder.
        read: Reads a table, as ``read_recording_table`` does, which is the default.

    Raises:
        DataError: A list cannot be read, or a table.
    """
    for argument in arguments:
        path = Path(argument)
        if argument == STDIN:
            yield from _from_stdin(stdin, spool, say)
        elif path.suffix.lower() in SUFFIXES and _is_text(path):
            yield from _from_list(path, say)
        elif is_table(argument) and path.is_file():
            yield from _from_table(path, say, read)
        else:
            yield from _expand(argument, say)


def _from_table(
    path: Path,
    say: Callable[[str], object],
    read: "Callable[[Path], tuple[list[TableRow], list[str]]] | None",
) -> Iterator[Input]:
    # It takes a while to import.
    from espnet_sentiment.data.recording_table import read_recording_table

    rows, said = (read or read_recording_table)(path)
    for line in said:
        say(f"{path}: {line}")
    if not rows:
        reason = f"{path} names no recordings: write a row for each"
        yield Input(str(path), path, DataError(reason))
    for row in rows:
        error = defect_of(row.path) or _defect(row.path)
        if error is not None:
            error = DataError(f"{row.place}: {error}")
        yield Input(_part_name(row), row.path, error, row)


def _part_name(row: "TableRow") -> str:
    """Return the recording's name, and which part of it is meant."""
    part = [] if row.end is None else [f"{row.start:g} to {row.end:g} s"]
    part += [] if row.channel is None else [f"channel {row.channel}"]
    return f"{row.name} ({', '.join(part)})" if part else row.name


def _from_list(path: Path, say: Callable[[str], object]) -> Iterator[Input]:
    found = False
    for where, name in read_list(path):
        found = True
        for item in _expand(name, say):
            if item.error is not None:
                item = item._replace(error=DataError(f"{where}: {item.error}"))
            yield item
    if not found:
        reason = f"{path} names no recordings: write a path a line into it"
        yield Input(str(path), path, DataError(reason))


def _from_stdin(
    stdin: BinaryIO, spool: Path, say: Callable[[str], object]
) -> Iterator[Input]:
    # A recording may have no line end at all.
    head = stdin.readline(LONGEST_LINE)
    if head.startswith(MAGIC):
        # Whole lines, so that it may be a list after all.
        while len(head) < HEAD and (line := stdin.readline(LONGEST_LINE)):
            head += line
    if _is_binary(head):
        path = spool / "stdin"
        with path.open("wb") as file:
            file.write(head)
            shutil.copyfileobj(stdin, file)
        yield Input(STDIN, path, _no_audio(path))
        return
    for _, name in read_names(stdin, head):
        yield from _expand(os.fsdecode(name), say)


def _is_text(path: Path) -> bool:
    """Tell a list from a recording, whatever its name, and from what cannot be read."""
    if _defect(path) is not None or not path.is_file():
        return False
    with path.open("rb") as file:
        return not _is_binary(file.read(HEAD))


def _is_binary(head: bytes) -> bool:
    """Tell a recording from a list of paths, which holds no NUL."""
    mark = marked(head)
    if mark and mark != "utf-8-sig":
        text = head[: len(head) // 4 * 4].decode(mark, "replace")
        return not text.rstrip("\r\n").isprintable()
    # Eleven bits set begin a frame of MP3, and no character of UTF-8.
    is_mp3 = head[:1] == b"\xff" and head[1:2] >= b"\xe0"
    return (
        is_mp3 or b"\0" in head or head.startswith(BINARY) or bool(SPHERE.match(head))
    )


def _no_audio(path: Path) -> DataError | None:
    """Say that what came from standard input is neither audio nor a list."""
    from espnet_sentiment.data.audio import NotAudioError, audio_info

    try:
        audio_info(Source("standard input", path), "mix", at_most=0)
    except NotAudioError as error:
        return DataError(f"{error}; or pipe paths, one a line")
    except DataError:
        pass  # what else is wrong, the model says in its place
    return None


def _expand(name: str, say: Callable[[str], object]) -> Iterator[Input]:
    path = Path(name)
    error = _defect(path)
    if error is None and is_table(path) and path.is_file():
        error = DataError(f"{name} is a table in a list: name it to predict itself")
    if error is not None or not path.is_dir():
        yield Input(name, path, error)
        return
    found, search = False, Search(path)
    for file in search:
        yield from _unreadable(search.errors)
        found = True
        yield Input(str(file), file, defect_of(file) or _defect(file))
    yield from _unreadable(search.errors)
    if search.passed_over is not None:
        say(search.passed_over)
    if not found:
        yield Input(
            name,
            path,
            DataError(
                f"{name} is a folder without recordings (their names end in "
                f"{' '.join(sorted(RECORDING_SUFFIXES))}): name files with other names "
                "one by one"
            ),
        )


def _unreadable(errors: list[OSError]) -> Iterator[Input]:
    while errors:
        error = errors.pop(0)
        reason = DataError(
            f"{error.filename} cannot be read ({error.strerror}): fix its permissions"
        )
        yield Input(error.filename, Path(error.filename), reason)


def _defect(path: Path) -> DataError | None:
    """Say why a path is neither a file nor a folder that can be read."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            return DataError(
                f"{path} is a link to {os.readlink(path)}, which does not exist: fix "
                "the link"
            )
        return DataError(f"{path} does not exist: check the name")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return DataError(f"{_short(path)} cannot be opened ({reason}): check the name")
    if kind := KINDS.get(stat.S_IFMT(mode)):
        return DataError(
            f"{path} is {kind}, not a file: write the audio to a file, or pipe it to "
            "'predict -'"
        )
    if not os.access(path, os.R_OK):
        return DataError(f"{path} may not be read: fix its permissions")
    return None


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:80]}...{text[-40:]}"
