"""A stage's stamp: what its outputs were made from, their sizes and SHA-256.

Who reads an output checks it by the stamp. One that was changed since is set aside, so
that the stage is no longer complete: "run it again" is true whenever it is said.
"""

import contextlib
import dataclasses
import itertools
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, hash_file, sha256_of, write_json

SCORED = ".score.json"  # of stage 6 and of ASR, beside what was scored
DONE = ".done.json"  # the stamp's usual name, beside a stage's outputs
ASIDE = ".changed"  # folder beside a stamp, for outputs that somebody changed
SMALL = 1 << 26  # bytes: what large outputs have together, to be read at every look


@dataclasses.dataclass(frozen=True)
class Stamp:
    """What a complete stage wrote down.

    Args:
        path: The stamp's file.
        name: What the stage calls itself, ``stage 1: fbank``.
        inputs: What the outputs were made from.
        outputs: ``size`` and ``sha256`` of every file, and whether it is ``large``;
            ``entries`` of every folder; by path from the stamp's folder.
        versions: Versions of the libraries that made them.
        begin: When the work began, as ``time.time()`` gives it.
        seconds: How long it took.
    """

    path: Path
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    versions: dict[str, str]
    begin: float
    seconds: float

    def holds(self, path: PathLike) -> bool:
        """Tell whether a file is one of the outputs."""
        return self._key(path) in self.outputs

    def sha256(self, path: PathLike) -> str:
        """Return an output's SHA-256, as it was written."""
        return self.outputs[self._key(path)]["sha256"]

    def sums(self) -> dict[str, str]:
        """Return the SHA-256 of all files, by path from the stamp's folder."""
        return {k: row["sha256"] for k, row in self.outputs.items() if "sha256" in row}

    def changed(self, deep: bool = False, inside: bool = False) -> list[Path]:
        """Return the outputs that are missing, or not as they were written.

        Args:
            deep: Read large files, too, whose size is right.
            inside: Leave out what lies outside of the stamp's folder.
        """
        base = self.path.parent
        large = sum(r["size"] for r in self.outputs.values() if r.get("large"))
        deep = deep or large <= SMALL
        return [
            Path(os.path.normpath(base / key))
            for key, row in self.outputs.items()
            if not (inside and key.startswith(os.pardir + os.sep))
            and not _is_as(base / key, row, deep or not row.get("large"))
        ]

    def check(self, *paths: PathLike) -> None:
        """Check the content of outputs that are to be read; others pass.

        Raises:
            DataError: One is missing or was changed; it is set aside, so that the stage
                runs again.
        """
        for path in map(Path, paths):
            row = self.outputs.get(self._key(path))
            if row is None or _is_as(path, row):
                continue
            kept = self.set_aside(path)
            where = f" (set aside as {kept})" if kept else ""
            raise DataError(
                f"{path} is not as [{self.name}] wrote it{where}: run {self.remedy} "
                "again"
            )

    def check_all(self) -> None:
        """Check the content of all outputs, as ``check`` does."""
        self.check(*(self.path.parent / key for key in self.outputs))

    def expect(self, inputs: Mapping[str, Any]) -> None:
        """Check that the outputs were made from these inputs, others aside.

        Raises:
            DataError: They were not; the stage, when run, finds that, too.
        """
        # Stamps of 0.1.0 have inputs of another form.
        for key in inputs:
            if key in self.inputs and self.inputs[key] != inputs[key]:
                raise DataError(
                    f"{self.path.parent} was made from other inputs ({key}): run "
                    f"{self.remedy} again"
                )

    def set_aside(self, path: Path) -> Path | None:
        """Move an output out of the way; return where it is now, None if it is gone.

        Large ones, which nobody edits, are removed.
        """
        if not path.is_file():
            return None
        if self.outputs[self._key(path)].get("large"):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        kept = free_name(self.path.parent / ASIDE / self._key(path).replace("../", ""))
        with contextlib.suppress(OSError):  # where nothing can be written, nothing is
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
            return kept
        return None

    @property
    def remedy(self) -> str:
        """What to run to make the outputs again."""
        return self.name.split(":")[0] if self.name.startswith("stage ") else self.name

    def _key(self, path: PathLike) -> str:
        return os.path.relpath(path, self.path.parent)


def free_name(path: Path) -> Path:
    """Return a path that nothing has yet: this one, or with a number behind it."""
    numbered = (path.with_name(f"{path.name}.{n}") for n in itertools.count(1))
    return next(p for p in itertools.chain([path], numbered) if not p.exists())


def _is_as(path: Path, row: dict[str, Any], read: bool = True) -> bool:
    """Tell whether a file or folder is as it was recorded, by size or as it is read."""
    if "entries" in row:
        return path.is_dir() and _entries(path) == row["entries"]
    try:
        size = path.stat().st_size
        if not path.is_file() or size != row["size"]:
            return False
        return not read or hash_file(path) == row["sha256"]
    except OSError:
        return False


def _entries(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def record(
    outputs: Iterable[PathLike], base: Path, large: Iterable[PathLike] = ()
) -> dict[str, dict[str, Any]]:
    """Describe outputs for a stamp; a folder stands for all that is in it.

    Args:
        outputs: Files and folders.
        base: The stamp's folder.
        large: Further files, of which there may be gigabytes.
    """
    rows: dict[str, dict[str, Any]] = {}
    for path in map(Path, outputs):
        key = os.path.relpath(path, base)
        if path.is_dir():
            rows[key] = {"entries": _entries(path)}
            inside = (p for p in sorted(path.rglob("*")) if p.is_file())
            rows |= record(inside, base)
        else:
            rows[key] = {"size": path.stat().st_size, "sha256": hash_file(path)}
    for key, row in record(large, base).items() if large else ():
        rows[key] = {**row, "large": True}
    return rows


def plan_path(stamp: Path) -> Path:
    """Return the file that says what a stage began with."""
    return stamp.with_suffix(".plan.json")


def check_ended(stamp: Path, remedy: str) -> None:
    """Check that a stage that began has ended, where it need not have run at all.

    Raises:
        DataError: It was interrupted.
    """
    if plan_path(stamp).exists() and not stamp.exists():
        raise DataError(f"{stamp.parent} is not complete: run {remedy}")


def read_stamp(path: PathLike) -> Stamp | None:
    """Read a stamp; None where there is none, or nothing that is one."""
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        # Those of 0.1.0 name files alone, and cannot be checked.
        has_sums = isinstance(found["outputs"], dict)
        if has_sums and found.pop("sum") != sha256_of(found):
            return None
        return Stamp(
            path,
            found.get("name", path.parent.name),
            dict(found["inputs"]),
            dict(found["outputs"]) if has_sums else {},
            dict(found.get("versions", {})),
            float(found["begin"]),
            float(found["seconds"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_stamp(path: PathLike, facts: Mapping[str, Any]) -> None:
    """Write a stamp, with a sum of its own.

    Args:
        path: Its file.
        facts: What ``Stamp`` holds, ``path`` aside.
    """
    body = json.loads(json.dumps(facts))
    write_json(path, {**body, "sum": sha256_of(body)})


def need_stamp(path: PathLike, remedy: str, what: PathLike | None = None) -> Stamp:
    """Read the stamp of a stage that has to be complete.

    Args:
        path: The stamp.
        remedy: What to run where it is not.
        what: What is not complete then; None is the stamp's folder.

    Raises:
        DataError: The stage is not complete.
    """
    stamp = read_stamp(path)
    if stamp is None:
        raise DataError(f"{what or Path(path).parent} is not complete: run {remedy}")
    return stamp
