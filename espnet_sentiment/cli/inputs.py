"""From the arguments of ``predict`` to the recordings that they name, in order."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from espnet_sentiment.data.files import DataError

STDIN = "-"
# Files of folders that libsndfile can read (https://libsndfile.github.io/libsndfile);
# a file that is named itself may have any name.
EXTENSIONS = (
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".nist", ".oga"),
    *(".ogg", ".opus", ".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave"),
)
# RIFF of any size, RF64, FLAC, Ogg: bytes that begin no list of paths.
STREAMS = (b"RIFF", b"RF64", b"fLaC", b"OggS")
LONGEST_LINE = 1 << 16  # bytes
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
    """

    name: str
    path: Path
    error: DataError | None = None


def list_inputs(
    arguments: Iterable[str], stdin: BinaryIO, spool: Path
) -> Iterator[Input]:
    """Give the recordings of files, of folders and of their subfolders, sorted.

    Nothing is opened. Links to files are followed, links to folders inside of folders
    are not, so that no loop is endless.

    Args:
        arguments: Files, folders, and ``-`` for ``stdin``.
        stdin: Paths, one a line; or a recording in WAV, FLAC or Ogg.
        spool: Folder that a recording from ``stdin`` is written to.
    """
    for argument in arguments:
        if argument == STDIN:
            yield from _from_stdin(stdin, spool)
        else:
            yield from _expand(argument)


def _from_stdin(stdin: BinaryIO, spool: Path) -> Iterator[Input]:
    # A recording may have no line end at all.
    line = stdin.readline(LONGEST_LINE)
    if line.startswith(STREAMS):
        path = spool / "stdin"
        with path.open("wb") as file:
            file.write(line)
            shutil.copyfileobj(stdin, file)
        yield Input(STDIN, path)
        return
    while line:
        if name := line.rstrip(b"\r\n"):
            yield from _expand(os.fsdecode(name))
        line = stdin.readline(LONGEST_LINE)


def _expand(name: str) -> Iterator[Input]:
    path = Path(name)
    error = _defect(path)
    if error is not None or not path.is_dir():
        yield Input(name, path, error)
        return
    found = False
    for item in _walk(path):
        found = True
        yield item
    if not found:
        yield Input(
            name,
            path,
            DataError(
                f"{name} is a folder without recordings ({' '.join(EXTENSIONS)}): name "
                "files of other names themselves"
            ),
        )


def _walk(root: Path) -> Iterator[Input]:
    errors: list[OSError] = []
    for folder, subfolders, files in os.walk(root, onerror=errors.append):
        subfolders.sort()
        for file in sorted(files):
            if os.path.splitext(file)[1].lower() in EXTENSIONS:
                path = Path(folder, file)
                yield Input(str(path), path, _defect(path))
        yield from _unreadable(errors)
    yield from _unreadable(errors)


def _unreadable(errors: list[OSError]) -> Iterator[Input]:
    while errors:
        error = errors.pop(0)
        message = f"{error.filename} cannot be read ({error.strerror})"
        yield Input(
            error.filename, Path(error.filename), DataError(f"{message}: mend its mode")
        )


def _defect(path: Path) -> DataError | None:
    """Say why a path is neither a file nor a folder that can be read."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            return DataError(
                f"{path} is a link to {os.readlink(path)}, which does not exist: mend "
                "the link"
            )
        return DataError(f"{path} does not exist: check the name")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return DataError(f"{_short(path)} cannot be opened ({reason}): check the name")
    if kind := KINDS.get(stat.S_IFMT(mode)):
        return DataError(
            f"{path} is {kind}, no file: write the audio to a file, or pipe it to "
            "'predict -'"
        )
    if not os.access(path, os.R_OK):
        return DataError(f"{path} may not be read: mend its mode")
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return DataError(
            f"{path} has a name that is not UTF-8, which libsndfile's binding cannot "
            "open: rename it"
        )
    return None


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:80]}...{text[-40:]}"
