"""Atomic writes, hashes and plain-text tables."""

import codecs
import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from espnet_sentiment.core.disk import FULL
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.names import short

PathLike = str | Path


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it on success.

    A reader sees the old file or the whole new one; after an error or a kill the
    old one stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_host()}.{os.getpid()}.tmp")


def check_writable(
    path: PathLike,
    option: str = "",
    is_folder: bool = False,
    read: Iterable[PathLike] = (),
) -> None:
    """Check that a file can be written, before hours are spent on what it will hold.

    A byte is written beside it, and taken away; folders that are not there yet are
    none of its faults.

    Args:
        path: The file, which may exist.
        option: What names it, such as ``--out``, for messages.
        is_folder: It is a folder to write files in.
        read: What is read, and must not be replaced.

    Raises:
        DataError: It cannot, or must not.
    """
    path, named = Path(path), f"{option} {path}".strip()
    try:
        if is_folder and path.is_file():
            raise DataError(f"{named} is a file: name a folder")
        if path.is_dir() and not is_folder:
            raise DataError(f"{named} is a folder: name a file")
        if path.exists() and not (is_folder or path.is_file()):
            # It would be replaced, not written to.
            raise DataError(f"{named} is no regular file: name another")
        for other in read:
            if path.exists() and Path(other).exists() and path.samefile(other):
                raise DataError(
                    f"{named} would replace {other}, which is read: name another"
                )
        above = [path, *path.absolute().parents][0 if is_folder else 1 :]
        there = next(folder for folder in above if os.path.lexists(folder))
        probe = _temporary(there / path.name)
        try:
            probe.write_bytes(b"x")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        room = "make room, or " if error.errno in FULL else ""
        raise DataError(
            f"{named} cannot be written ({error.strerror}): {room}name another"
        ) from None


def sweep(folder: PathLike) -> None:
    """Remove what killed writers of this machine left in a folder, and below it."""
    for path in Path(folder).rglob(f".*.{_host()}.*.tmp"):
        pid = path.name.split(".")[-2]
        if pid.isdecimal() and not is_alive(int(pid)):
            path.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@cache
def _host() -> str:
    """Return a few digits of this machine's name: files' names are bounded."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:4]


def write_text(path: PathLike, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def update_text(path: PathLike, text: str) -> None:
    """Write a text file atomically, unless it holds that text already."""
    path = Path(path)
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)


def write_json(path: PathLike, data) -> None:
    """Write JSON atomically, one key a line.

    Raises:
        ValueError: A number is not finite, which JSON cannot say.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: PathLike):
    """Read a JSON file.

    Raises:
        DataError: The file is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run the stage that writes it") from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not valid JSON ({error}): delete it and rerun"
        ) from None


def find_json(path: PathLike) -> Any:
    """Read a JSON file; None where there is none, or nothing that is JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_table(path: PathLike, rows: Mapping[str, str]) -> None:
    """Write a Kaldi text table, a sorted ``key value`` a line."""
    write_text(
        path, "".join(f"{key} {rows[key]}".rstrip() + "\n" for key in sorted(rows))
    )


def read_table(path: PathLike) -> dict[str, str]:
    """Read a Kaldi text table.

    Raises:
        DataError: As ``read_lines``, or keys stand there twice, which are all named.
    """
    lines = read_lines(path)
    n, table = keyed(lines)
    if len(table) < n:
        faults = repeated(path, lines)
        refuse(f"{path}: {len(faults)} lines repeat the key of another", faults)
    return table


def keyed(lines: Iterable[str]) -> tuple[int, dict[str, str]]:
    """Return how many lines are not blank, and the last value of each key."""
    n, table = 0, {}
    for line in lines:
        key, value = fields_of(line)
        if key:
            n += 1
            table[key] = value
    return n, table


def fields_of(line: str) -> tuple[str, str]:
    """Return key and value of a table's line; both may be empty."""
    fields = line.split(maxsplit=1)
    if len(fields) == 2:
        return fields[0], fields[1].rstrip()
    return (fields[0], "") if fields else ("", "")


def repeated(
    path: PathLike, lines: Iterable[str], form: Callable[[str], str] = str
) -> list[str]:
    """Return the faults of lines whose key another one has, too.

    Args:
        path: The table, for messages.
        lines: Its lines.
        form: What keys are compared in; two that it alone makes equal are told apart.
    """
    first: dict[str, tuple[int, str]] = {}
    faults = []
    for number, (key, _) in enumerate(map(fields_of, lines), 1):
        line, other = first.setdefault(form(key), (number, key))
        if not key or line == number:
            continue
        how, or_rename = "stands there twice", ""
        if key != other:
            how = "differs only in how its accents are encoded (Unicode NFC or NFD)"
            or_rename = ", or rename one"
        faults.append(
            f"{path}:{number}: {short(key)} {how}, see line {line}: keep one of the "
            f"two lines{or_rename}"
        )
    return faults


def read_lines(path: PathLike) -> list[str]:
    """Read the lines of a UTF-8 text, without their ends and a byte order mark.

    Raises:
        DataError: The file is missing, or not UTF-8.
    """
    try:
        data = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path} is missing: run stage 0 (data preparation)") from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: not UTF-8 ({error}): convert it with iconv"
        ) from None
    # Only these end a line: a transcript may hold other separators.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_list(path: PathLike) -> list:
    """Read one entry a line, for example a fold's utterance ids."""
    return list(read_table(path))


def sha256_of(data) -> str:
    """Return the SHA-256 of any JSON-like value, keys in a fixed order."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return a file's SHA-256, read once a process unless size or time change."""
    stat = path.stat()
    return _hash_file(path.absolute(), stat.st_size, stat.st_mtime_ns)


@cache
def _hash_file(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
