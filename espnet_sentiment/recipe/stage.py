"""Stages that know whether their outputs still fit their inputs."""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.escape import plain_lines
from espnet_sentiment.core.files import (
    PathLike,
    find_json,
    sha256_of,
    sweep,
    write_json,
)
from espnet_sentiment.core.stamp import DONE, plan_path, read_stamp, record, write_stamp
from espnet_sentiment.core.versions import versions

__all__ = [
    "DONE",
    "Stage",
    "content_hash",
    "differences",
    "say",
    "stage_seconds",
    "stat_hash",
]


def content_hash(paths: Iterable[PathLike]) -> str:
    """Hash names and contents of small files; a missing one counts as absent."""
    return sha256_of(
        [
            (path.name, path.read_bytes().hex() if path.exists() else None)
            for path in map(Path, paths)
        ]
    )


def stat_hash(paths: Iterable[PathLike]) -> str:
    """Hash path, size and modification time of files too many or large to read."""
    rows: list[tuple[str, int | None, int | None]] = []
    for path in map(Path, paths):
        try:
            stat = path.stat()
        except (OSError, ValueError):  # missing, or no path that a file can have
            rows.append((str(path), None, None))
        else:
            rows.append((str(path), stat.st_size, stat.st_mtime_ns))
    return sha256_of(rows)


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
        inputs: JSON-like description of all that is copied into the outputs or decides
            on them, a key for each: configs, options, labels by utterance.
        algorithm: Number of what the stage computes; to be raised when the same inputs
            give other outputs (``tests/test_pinned_outputs.py`` tells).
    """

    def __init__(
        self, name: str, stamp: PathLike, inputs: Mapping[str, Any], algorithm: int
    ):
        self.name, self.stamp = name, Path(stamp)
        # As a stamp gives them back.
        self.inputs = json.loads(json.dumps({**inputs, "algorithm": algorithm}))
        self._begin = time.time()
        self._said: str | None = None

    @property
    def origin(self) -> str:
        """Hash of the inputs, for the seals of what is finished before the stage is."""
        return sha256_of(self.inputs)

    def is_done(self) -> bool:
        """Tell whether an earlier run was complete, and all is as it was then.

        Inputs are compared, and outputs read; of gigabytes, sizes are looked at.
        """
        stamp = read_stamp(self.stamp)
        if stamp is None or stamp.inputs != self.inputs:
            return False
        if changed := stamp.changed():
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            why = f"again: {changed[0]}{more} is not as it was written"
            if why != self._said:  # who has got the lock looks a second time
                self.say(why)
            self._said = why
            return False
        self.say("up to date")
        return True

    def say(self, message: str) -> None:
        """Print a line of progress."""
        say(self.name, message)

    def start(self, output: PathLike | None = None, begin: float | None = None) -> None:
        """Begin or continue the work; outputs that were changed are set aside.

        Args:
            output: Folder of partial outputs. It is emptied when an earlier run of the
                stage filled it from other inputs, and kept when an interrupted run can
                continue from them.
            begin: When the work began, as ``time.time()`` gives it; None is now.
        """
        plan, complete = plan_path(self.stamp), read_stamp(self.stamp)
        earlier = find_json(plan)
        if plan.exists() and earlier != self.inputs:
            if isinstance(earlier, dict):
                other = ", ".join(differences(earlier, self.inputs))
                self.say(f"again: other {other}")
            self.stamp.unlink(missing_ok=True)
            if output is not None and Path(output).is_dir():
                _empty(Path(output), plan)
        elif complete is not None:
            for path in complete.changed(deep=True):
                if kept := complete.set_aside(path):
                    self.say(f"{path} was changed: set aside as {kept}")
        for folder in {self.stamp.parent, Path(output or self.stamp.parent)}:
            sweep(folder)
        self.stamp.unlink(missing_ok=True)
        write_json(plan, self.inputs)
        self._begin = time.time() if begin is None else begin

    def finish(
        self,
        message: str | None = "done",
        outputs: Iterable[PathLike] = (),
        large: Sequence[PathLike] = (),
    ) -> None:
        """Mark the stage as complete.

        Args:
            message: What to say, if anything.
            outputs: All files that the stage wrote, and folders with all in them.
            large: Further files, of which there may be gigabytes: who reads them
                checks them.
        """
        seconds = round(time.time() - self._begin, 2)
        write_stamp(
            self.stamp,
            {
                "name": self.name,
                "inputs": self.inputs,
                "outputs": record(outputs, self.stamp.parent, large),
                "versions": versions(),
                "begin": self._begin,
                "seconds": seconds,
            },
        )
        if message is not None:
            self.say(f"{message} in {seconds:.1f} s")


def _empty(folder: Path, plan: Path) -> None:
    """Empty a folder; the plan stays, so that who is killed here empties it again."""
    for path in folder.iterdir():
        if path.absolute() == plan.absolute():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Name the keys whose values differ, at most five."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [prefix]
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        name = f"{prefix}.{key}" if prefix else key
        if key not in old or key not in new:
            found.append(name)
        else:
            found += differences(old[key], new[key], name)
    return found if len(found) <= 5 else [*found[:5], "..."]


def stage_seconds(stamps: Iterable[PathLike]) -> float | None:
    """Return the time that complete stages took, None if none has run.

    Time in which several ran at once counts once.
    """
    found = filter(None, map(read_stamp, stamps))
    runs = sorted((stamp.begin, stamp.begin + stamp.seconds) for stamp in found)
    if not runs:
        return None
    total, end = 0.0, 0.0
    for begin, finish in runs:
        total += max(0.0, finish - max(begin, end))
        end = max(end, finish)
    return round(total, 2)
