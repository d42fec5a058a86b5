"""An archive's shards: finished ones are kept under seal, and joined at the end."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.core.seal import break_seal, seal, sealed


class BrokenShardError(Exception):
    """A shard is missing, or was changed since it was written."""


@dataclasses.dataclass(frozen=True)
class Shards:
    """JSON lines in files, a line an entry.

    Args:
        folder: Where they are.
        plan: A hash of what they are all made from.
        number: How many there are.
    """

    folder: Path
    plan: str
    number: int

    def path(self, index: int) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{index:08d}.jsonl"

    def origin(self, index: int) -> str:
        """Return what a shard's seal says of its origin."""
        return f"{self.plan}/{index}"

    def todo[Part: Sequence](
        self, parts: Iterable[Part], skip: Callable[[int], Any]
    ) -> Iterator[tuple[int, Part]]:
        """Give the shards to be made; what is there without a good seal is removed.

        Args:
            parts: What every shard is made of.
            skip: Told how many entries are done already.
        """
        for index, part in enumerate(parts):
            if sealed(self.path(index), self.origin(index)) is None:
                break_seal(self.path(index))
                yield index, part
            else:
                skip(len(part))

    def join(self, target: Path, order: Sequence[Sequence[int]] | None = None) -> int:
        """Join all byte by byte; return how many lines are errors.

        Args:
            target: The file to write.
            order: The places in it of every shard's lines; None joins in the shards'
                own order.

        Raises:
            BrokenShardError: A shard is not what its seal says.
        """
        errors = 0
        starts = None if order is None else self._starts(order)
        with atomic_path(target) as temporary, temporary.open("wb") as joined:
            for index in range(self.number):
                errors += self._facts(index)["errors"]
                with self.path(index).open("rb") as lines:
                    if order is None or starts is None:
                        shutil.copyfileobj(lines, joined)
                        continue
                    for place, line in zip(order[index], lines, strict=True):
                        joined.seek(starts[place])
                        joined.write(line)
        return errors

    def _starts(self, order: Sequence[Sequence[int]]) -> np.ndarray:
        """Return where lines start (N,) in a file that has all in their places."""
        sizes = np.zeros(sum(map(len, order)), np.int64)
        for index, places in enumerate(order):
            self._facts(index)
            with self.path(index).open("rb") as lines:
                sizes[places] = [len(line) for line in lines]
        return np.cumsum(sizes) - sizes

    def _facts(self, index: int) -> dict[str, Any]:
        facts = sealed(self.path(index), self.origin(index))
        if facts is None:
            raise BrokenShardError(self.path(index))
        return facts


def write_shard(path: Path, origin: str, rows: Iterable[Mapping]) -> None:
    """Write a shard, one with ``error`` being an error, and seal it."""
    errors = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row in rows:
            errors += "error" in row
            out.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    seal(path, origin, errors=errors)
