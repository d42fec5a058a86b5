"""Seconds and peak memory of a command, all of its processes together (Linux)."""

import contextlib
import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

EVERY = 0.2  # seconds between two looks, which cost a few milliseconds

PR_SET_CHILD_SUBREAPER = 36  # of Linux, see prctl(2)
SURELY = 1.02  # so much more than the peak so far is looked at closely


class Used(NamedTuple):
    """What a command used.

    Args:
        seconds: How long it ran.
        cpu: Seconds of processors.
        private: Peak of the memory of all its processes that no file backs, in bytes;
            what forked processes share counts once.
        mapped: Peak of the files' pages that one process had mapped, in bytes: they are
            the page cache's, which gives them back where memory is short.
    """

    seconds: float
    cpu: float
    private: int
    mapped: int


class _Watch(threading.Thread):
    """Looks at a process and its descendants until it is told to stop."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.root, self.ended = pid, threading.Event()
        self.private = self.mapped = 0

    def run(self) -> None:
        while not self.ended.wait(EVERY):
            pids = _tree(self.root)
            found = [_fields(Path(f"/proc/{pid}/status")) for pid in pids]
            # What is shared counts in each process: never less than there is.
            most = sum(f.get("RssAnon", 0) + f.get("RssShmem", 0) for f in found)
            if most > SURELY * self.private:
                self.private = max(self.private, sum(map(_private, pids)))
            files = (fields.get("RssFile", 0) for fields in found)
            self.mapped = max(self.mapped, *files, 0)


def _tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        for path in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended
                todo += map(int, path.read_text().split())
    return found


def _private(pid: int) -> int:
    """Return a process's share of the memory that no file backs, in bytes."""
    fields = _fields(Path(f"/proc/{pid}/smaps_rollup"))
    return fields.get("Pss_Anon", 0) + fields.get("Pss_Shmem", 0)


def _fields(path: Path) -> dict[str, int]:
    """Read the sizes of a file of /proc, in bytes; none of a process that ended."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    parts = (line.split() for line in lines if line.endswith(" kB"))
    return {part[0].rstrip(":"): int(part[1]) * 1024 for part in parts}


def measure(command: Sequence[Any], log: Path, **options: Any) -> Used:
    """Run a command, and measure it.

    Args:
        command: What to run.
        log: Takes what it prints.
        options: Of ``subprocess.Popen``.

    Raises:
        RuntimeError: It failed; the message ends with its last lines.
    """
    before, begin = _cpu(), time.perf_counter()
    with log.open("ab") as stream, _orphans_waited_for():
        streams = {"stdout": stream, "stderr": subprocess.STDOUT}
        child = subprocess.Popen([*map(str, command)], **streams, **options)
        watch = _Watch(child.pid)
        watch.start()
        try:
            status = child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            watch.ended.set()
            watch.join()
    seconds = time.perf_counter() - begin
    if status:
        tail = log.read_text(errors="replace").splitlines()[-15:]
        raise RuntimeError("\n".join([f"{command[0]} ended with {status}:", *tail]))
    return Used(seconds, _cpu() - before, watch.private, watch.mapped)


@contextlib.contextmanager
def _orphans_waited_for() -> Iterator[None]:
    """Wait at the end for what a command leaves behind, as run.sh does its Python.

    Else the seconds that its processors took were lost.
    """
    prctl, others = ctypes.CDLL(None).prctl, _children()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
        while left := _children() - others:
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0)


def _children() -> set[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for path in tasks for pid in path.read_text().split()}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def free_bytes(folder: Path) -> int:
    """Return what is free on a folder's disk."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
