"""Locks on folders: one run writes, or several read, and who waits is told for whom.

A lock is the system's (flock) on a file beside the folder, which also says who holds
it. It ends with the last process that holds it, forked workers included, however they
end. Where the file system has no locks, what the file says has to do.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from espnet_sentiment.core.disk import CLOSED
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.files import PathLike, is_alive

WAIT = "ESPNET_SENTIMENT_WAIT"  # "true": wait for another run instead of ending
POLL = 1.0  # seconds between two looks of a run that waits
GLIMPSE = 0.05  # the same, where a lock is held and its file does not say by whom
UNSIGNED = 2.0  # seconds after which such a holder is none who is just about to sign
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@contextlib.contextmanager
def reading(*folders: PathLike) -> Iterator[None]:
    """Keep others from writing folders that exist.

    Raises:
        UserError: Another run writes one of them; the message says who.
    """
    with contextlib.ExitStack() as stack:
        for folder in _sorted(folders):
            if folder.is_dir():
                stack.enter_context(_locked(folder, shared=True))
        yield


@contextlib.contextmanager
def writing(*folders: PathLike, wait: bool = False) -> Iterator[None]:
    """Keep others from writing and reading folders, which need not exist yet.

    Args:
        folders: What is written.
        wait: Wait in any case, for work of seconds.

    Raises:
        UserError: Another run works in one of them; the message says who.
    """
    with contextlib.ExitStack() as stack:
        for folder in _sorted(folders):
            stack.enter_context(_locked(folder, shared=False, wait=wait))
        yield


def lock_path(folder: PathLike) -> Path:
    """Return the lock's file, beside the folder, which may be emptied and made anew."""
    folder = Path(folder).absolute()
    return folder.with_name(f".{folder.name}.lock")


def _sorted(folders: tuple[PathLike, ...]) -> list[Path]:
    # In one order everywhere, so that two that wait never wait for each other.
    return sorted({Path(folder).absolute() for folder in folders})


@contextlib.contextmanager
def _locked(folder: Path, shared: bool, wait: bool = False) -> Iterator[None]:
    path = lock_path(folder)
    while True:
        if (stream := _open(path)) is None:
            # Where this run cannot write, and nobody has, there is nothing to keep.
            yield
            return
        with stream:
            _acquire(stream, folder, shared, wait)
            if not _is_at(stream, path):
                continue  # it was deleted meanwhile: others lock another file
            if stream.writable():
                _sign(stream, shared)
            try:
                yield
            finally:
                if stream.writable():
                    _unsign(stream)
            return


def _open(path: Path) -> IO[str] | None:
    """Open a lock's file, which may be another user's; None where there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+", encoding="utf-8")
    except OSError as error:
        if error.errno not in CLOSED:
            raise
    try:
        return open(path, encoding="utf-8")
    except OSError:
        return None


def _is_at(stream: IO[str], path: Path) -> bool:
    """Tell whether a file is still the one of a path."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False


def _acquire(stream: IO[str], folder: Path, shared: bool, wait: bool) -> None:
    """Get the lock, or wait for it, or say who has it."""
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    said = False
    begin = time.monotonic()
    while True:
        try:
            fcntl.flock(stream, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holders = _holders(stream)
        except OSError as error:
            if error.errno == errno.EBADF and not stream.writable():
                return  # NFS: who can only read cannot keep others from it
            if error.errno not in NO_LOCKS:
                raise
            holders = [h for h in _holders(stream) if not (shared and h.get("shared"))]
            if not holders:
                return
        if not holders and time.monotonic() - begin < UNSIGNED:
            time.sleep(GLIMPSE)  # between its lock and its name, or the other way round
            continue
        who = " and ".join(map(_describe, holders)) or "another run"
        if not wait and os.environ.get(WAIT) != "true":
            raise UserError(
                f"{folder} is in use by {who}: wait until it ends, or let this run "
                f"wait for it (run.sh --wait, or {WAIT}=true); should it be gone, "
                f"delete {stream.name}"
            )
        if not said:
            said = True
            print(f"waiting for {folder}, in use by {who}", file=sys.stderr, flush=True)
        time.sleep(POLL)


def _sign(stream: IO[str], shared: bool) -> None:
    """Write down who holds the lock."""
    if not shared:
        stream.truncate(0)
    stream.write(json.dumps({**_this_run(), "shared": shared}) + "\n")
    stream.flush()


def _unsign(stream: IO[str]) -> None:
    """Take this run's line out; those who read at the same time keep theirs."""
    me = os.getpid(), socket.gethostname()
    with contextlib.suppress(OSError, ValueError):
        rest = [h for h in _holders(stream) if (h["pid"], h["host"]) != me]
        stream.truncate(0)
        stream.write("".join(json.dumps(h) + "\n" for h in rest))
        stream.flush()


def _this_run() -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).astimezone()
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": now.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "command": Path(sys.argv[0]).stem,
    }


def _holders(stream: IO[str]) -> list[dict[str, Any]]:
    """Read who holds the lock; those of this machine that have died do not."""
    stream.seek(0)
    found = []
    for line in stream.read().splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            if row["host"] != socket.gethostname() or is_alive(int(row["pid"])):
                found.append(row)
    return found


def _describe(holder: dict[str, Any]) -> str:
    return (
        f"process {holder['pid']} ({holder.get('command')}) on {holder['host']} since "
        f"{holder.get('since')}"
    )
