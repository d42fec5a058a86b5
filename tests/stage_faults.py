"""Files of a finished run that were damaged, and whether a run heals them."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from stage_world import World

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.stamp import ASIDE, read_stamp

# Nobody reads logs; what was set aside is not the run's.
OTHERS = ("*.log", "*.lock", "RESULTS_*.md")
# Two equal runs do not share times; stamps vouch for the rest.
TIMED = ("*.html", "RESULTS.md", ".*.json", "encode-*.json", "results.json")


def artefacts(root: Path) -> list[Path]:
    """Return the files that a finished run has made, from its folder."""
    return [
        path.relative_to(root)
        for top in ("data", "dump", "exp")
        for path in sorted((root / top).rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and ASIDE not in path.parts
        and not any(map(path.match, OTHERS))
    ]


def truncate(path: Path, neighbour: Path | None) -> None:
    """Cut a file in the middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path, neighbour: Path | None) -> None:
    """Leave nothing of a file."""
    path.write_bytes(b"")


def swap(path: Path, neighbour: Path | None) -> None:
    """Exchange a file and its neighbour's."""
    if neighbour is not None:
        mine, other = path.read_bytes(), neighbour.read_bytes()
        path.write_bytes(other)
        neighbour.write_bytes(mine)


def flip(path: Path, neighbour: Path | None) -> None:
    """Flip a bit of the byte in the middle."""
    whole = bytearray(path.read_bytes())
    if whole:
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)


def delete(path: Path, neighbour: Path | None) -> None:
    """Take a file away."""
    path.unlink()


FAULTS: dict[str, Callable[[Path, Path | None], None]] = {
    f.__name__: f for f in (truncate, empty, swap, flip, delete)
}


def neighbour(root: Path, name: Path) -> Path | None:
    """Return the file of the same name of another fold, view or kind; None without."""
    siblings = name.parent.parent if name.parent.name != "decode" else name.parents[2]
    tail = name.relative_to(siblings).parts[1:]
    for folder in sorted((root / siblings).iterdir()):
        found = folder.joinpath(*tail)
        if found.is_file() and found != root / name:
            return found
    if name.suffix == ".safetensors" or name.suffix == ".png":
        same = sorted((root / name).parent.glob(f"*{name.suffix}"))
        return next((p for p in same if p != root / name), None)
    return None


def state(root: Path) -> dict[str, str]:
    """Hash what two equal runs share."""
    found = {}
    for name in artefacts(root):
        if any(map(name.match, TIMED)):
            continue
        found[str(name)] = hashlib.sha256((root / name).read_bytes()).hexdigest()
    for path in sorted(root.glob("exp/*/results.json")):
        results = json.loads(path.read_text()) | {"seconds": None}
        found[str(path.relative_to(root))] = json.dumps(results)
    return found


def damaged_outputs(root: Path) -> Iterator[Path]:
    """Give what no stamp vouches for any more."""
    for top in ("data", "dump", "exp"):
        for path in (root / top).rglob("*.json"):
            stamp = None if ASIDE in path.parts else read_stamp(path)
            if stamp is not None:
                yield from stamp.changed(deep=True)


def heal(world: World, name: Path, fault: str, whole: dict[str, str]) -> str:
    """Damage a file, and follow the advice until all is well again.

    Args:
        world: A finished run, as it was.
        name: A file of it.
        fault: One of ``FAULTS``.
        whole: Its ``state``.

    Returns:
        ``made again``, ``noticed`` by an error whose remedy helped, ``harmless`` where
        nothing was made from the file, or ``-`` where it was the same afterwards.

    Raises:
        AssertionError: Something else came of it.
    """
    path = world.root / name
    before = path.read_bytes()
    FAULTS[fault](path, neighbour(world.root, name))
    if path.is_file() and path.read_bytes() == before:
        return "-"
    outcome = "made again"
    for _ in range(3):
        try:
            ran = world.run()
            break
        except UserError as error:
            assert "run stage" in str(error), error
            outcome = "noticed"
    else:
        raise AssertionError("the remedy does not help")
    after = state(world.root)
    wrong = {key for key in whole if after.get(key) != whole[key]}
    # What is kept beside a store is checked by who reads it.
    checked = name.suffix in (".seal", ".json") or name.name == "pooled.safetensors"
    unread = {str(name)} if checked and not ran else set()
    assert wrong <= unread, wrong
    assert not list(damaged_outputs(world.root))
    return outcome if ran else "harmless"


def clear(world: World) -> None:
    """Take away what was set aside."""
    for folder in world.root.rglob(ASIDE):
        shutil.rmtree(folder)
