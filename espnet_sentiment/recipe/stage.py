"""Stages that know whether their outputs still fit their inputs."""

import hashlib
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet_sentiment.core.escape import plain_lines
from espnet_sentiment.core.files import PathLike, read_json, write_json

DONE = ".done.json"  # the stamp's usual name, beside a stage's outputs


def content_hash(paths: Iterable[PathLike]) -> str:
    """Hash the contents of small files; a missing one counts as absent."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        digest.update(path.name.encode())
        digest.update(path.read_bytes() if path.exists() else b"\0absent")
    return digest.hexdigest()


def stat_hash(paths: Iterable[PathLike]) -> str:
    """Hash path, size and modification time of files too many or large to read."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        stat = path.stat() if path.exists() else None
        key = (str(path), stat and stat.st_size, stat and stat.st_mtime_ns)
        digest.update(repr(key).encode())
    return digest.hexdigest()


def say(name: str, message: str) -> None:
    """Print a line of progress.

    Args:
        name: The stage that speaks.
        message: What it says.
    """
    print(plain_lines(f"[{name}] {message}"), file=sys.stderr, flush=True)


class Stage:
    """Remembers, beside a stage's outputs, the inputs that they were made from.

    Args:
        name: What the stage calls itself in messages.
        stamp: File that is written when the stage is complete.
        inputs: JSON-like description of all inputs, config included.
    """

    def __init__(self, name: str, stamp: PathLike, inputs: Mapping):
        self.name, self.stamp, self.inputs = name, Path(stamp), dict(inputs)
        self._begin = time.time()

    def is_done(self) -> bool:
        """Tell whether an earlier run was complete and its inputs are unchanged."""
        if not self.stamp.exists():
            return False
        stamp = read_json(self.stamp)
        if stamp["inputs"] != self.inputs or not all(
            Path(path).exists() for path in stamp["outputs"]
        ):
            return False
        self.say("up to date")
        return True

    def say(self, message: str) -> None:
        """Print a line of progress."""
        say(self.name, message)

    def start(self, output: PathLike | None = None, begin: float | None = None) -> None:
        """Begin or continue the work.

        Args:
            output: Folder of partial outputs. It is emptied when an earlier run of the
                stage filled it from other inputs, and kept when an interrupted run can
                continue from them.
            begin: When the work began, as ``time.time()`` gives it; None is now.
        """
        plan = self.stamp.with_suffix(".plan.json")
        changed = plan.exists() and read_json(plan) != self.inputs
        if changed and output is not None and Path(output).exists():
            shutil.rmtree(output)
        self.stamp.unlink(missing_ok=True)
        write_json(plan, self.inputs)
        self._begin = time.time() if begin is None else begin

    def finish(
        self, message: str | None = "done", outputs: Iterable[PathLike] = ()
    ) -> None:
        """Mark the stage as complete.

        Args:
            message: What to say, if anything.
            outputs: Files without which the stage has to run again.
        """
        seconds = round(time.time() - self._begin, 2)
        write_json(
            self.stamp,
            {
                "inputs": self.inputs,
                "outputs": [str(path) for path in outputs],
                "begin": self._begin,
                "seconds": seconds,
            },
        )
        if message is not None:
            self.say(f"{message} in {seconds:.1f} s")


def stage_seconds(stamps: Iterable[PathLike]) -> float | None:
    """Return the time that complete stages took, None if none has run.

    Time in which several ran at once counts once.
    """
    runs = sorted(
        (stamp["begin"], stamp["begin"] + stamp["seconds"])
        for stamp in (read_json(path) for path in stamps if Path(path).exists())
    )
    if not runs:
        return None
    total, end = 0.0, 0.0
    for begin, finish in runs:
        total += max(0.0, finish - max(begin, end))
        end = max(end, finish)
    return round(total, 2)
