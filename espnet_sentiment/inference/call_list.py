"""List the calls to answer, of a folder or a list, each with the file of its turns."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.data.listing import Search
from espnet_sentiment.data.records import TABLE_SUFFIXES
from espnet_sentiment.inference.entries import read_entries
from espnet_sentiment.turns.forms import BY_SUFFIX
from espnet_sentiment.turns.kaldi_segments import SEGMENTS

TURN_SUFFIXES = frozenset((*BY_SUFFIX, ".json", *TABLE_SUFFIXES))


class CallEntry(NamedTuple):
    """A call of a list.

    Args:
        name: What its outputs are called, a path without a suffix.
        turns: The file of its turns; None lets voice activity find them.
        error: Why it cannot be answered; None looks well.
        path: The recording, absolute.
    """

    name: str
    turns: str | None
    error: str | None
    path: str


def list_calls(
    calls: PathLike | Sequence[PathLike], turns: PathLike | None = None
) -> list[CallEntry]:
    """Return the calls of a folder, of a list, or of several paths.

    Args:
        calls: A folder, whose subfolders are searched as well; a list, as of
            ``read_entries``; or recordings.
        turns: A file that has the turns of all; or a folder with a file for each, of
            the call's name (for ``2025/a.wav``, ``2025/a.rttm`` or ``a.rttm``); None
            lets voice activity find them.

    Raises:
        DataError: There are none, two have one name, or ``turns`` does not exist.
    """
    named = _named(calls)
    if turns is not None and not Path(turns).exists():
        raise DataError(f"{turns} does not exist: name a file of turns, or a folder")
    seen: dict[str, str] = {}
    entries: list[CallEntry] = []
    for name, path in named:
        # Some file systems know no capitals.
        other = seen.setdefault(name.casefold(), path)
        if other != path:
            raise DataError(
                f"{other} and {path} would both be answered as {name}: rename one, or "
                "list them in a .scp with an id each"
            )
        if entries and entries[-1].path == path:
            raise DataError(f"{path} is named twice: name it once")
        found, error = _turns_of(name, turns)
        entries.append(CallEntry(name, found, error, path))
    return entries


def _named(calls: PathLike | Sequence[PathLike]) -> list[tuple[str, str]]:
    """Return names and absolute paths."""
    if not isinstance(calls, (str, Path)):
        pairs = [(Path(call).stem, Path(call)) for call in calls]
        what = "the list"
    elif Path(calls).is_dir():
        root, what = Path(calls), str(calls)
        search = Search(root)
        pairs = [(str(p.relative_to(root).with_suffix("")), p) for p in search]
        if search.errors:
            error = search.errors[0]
            raise DataError(
                f"{error.filename} cannot be read ({error.strerror}): fix its "
                "permissions"
            )
    else:
        what = str(calls)
        pairs = [
            (
                Path(entry.path).stem if entry.utt is None else entry.utt,
                Path(entry.path),
            )
            for entry in read_entries(Path(calls))
        ]
    if not pairs:
        raise DataError(
            f"{what} names no recordings: give a folder or a list that does"
        )
    for name, path in pairs:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"{path}: {name} is no name of a file: give another id")
    return [(name, str(path.expanduser().absolute())) for name, path in pairs]


def _turns_of(name: str, turns: PathLike | None) -> tuple[str | None, str | None]:
    """Return the file of a call's turns, or why there is none."""
    if turns is None:
        return None, None
    folder = Path(turns)
    if not folder.is_dir() or (folder / SEGMENTS).is_file():
        return str(folder.absolute()), None
    for stem in dict.fromkeys((name, Path(name).name)):
        place = folder / Path(stem).parent
        pattern = f"{glob.escape(Path(stem).name)}.*"
        found = sorted(
            path
            for path in place.glob(pattern)
            if path.suffix.lower() in TURN_SUFFIXES and path.stem == Path(stem).name
        )
        if len(found) > 1:
            several = " and ".join(path.name for path in found)
            return None, f"{place} has {several}: keep the one that is meant"
        if found:
            return str(found[0].absolute()), None
    return None, (
        f"{folder} has no turns of {name}: add {name}.rttm (or .csv, .TextGrid, .eaf, "
        ".vtt, .srt, .json), or answer it apart by voice activity"
    )
