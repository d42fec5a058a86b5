"""Recordings by content: which files hold the same bytes, whatever their names."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path

CHUNK = 1 << 14  # bytes from the middle, which tell most files of one size apart


def same_content(parts: Mapping[str, Hashable]) -> dict[str, str]:
    """Find the files that are copies of each other.

    Sizes are compared first; files of one size by some bytes of the middle; those that
    agree there as a whole.

    Args:
        parts: What each file is used for; two that are used for the same are not
            compared, as nothing comes of it.

    Returns:
        For every file the first, by name, of those with its content. A file that is
        not there, or cannot be read, stands for itself.
    """
    groups = [sorted(parts)]
    for key in (_size, _middle, _sha256):
        groups = [
            found
            for group in groups
            for found in _grouped(group, key)
            if len({parts[path] for path in found}) > 1
        ]
    first = {path: group[0] for group in groups for path in group}
    return {path: first.get(path, path) for path in parts}


def _grouped(paths: Iterable[str], key: Callable[[Path], Hashable]) -> list[list[str]]:
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for path in paths:
        try:
            groups[key(Path(path))].append(path)
        except OSError:
            groups[path].append(path)
    return list(groups.values())


def _size(path: Path) -> int:
    return path.stat().st_size


def _middle(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - CHUNK) // 2)
        return file.read(CHUNK)


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
