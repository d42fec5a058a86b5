"""Which files of a folder are recordings: one answer for everything that searches."""

import collections
import os
from collections.abc import Iterator
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.data.suffixes import RECORDING_SUFFIXES

# Folders that systems keep for themselves: macOS' in archives, Windows', Synology's.
# Their other ones, and the ._NAME beside NAME, begin with a dot.
_KEPT = {"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir"}
_PROTECTED = (
    "is protected against copying: export it as WAV from the program that plays it"
)
_HEADLESS = (
    "has no header that tells its rate and format: convert it, for example by "
    "sox -t raw -r 8000 -e signed -b 16 IN OUT.wav"
)
_UNUSUAL = "is of a kind that is not searched for: convert it by ffmpeg -i IN OUT.wav"
# What sounds, but cannot be taken as it is.
_REMEDIES = {
    **dict.fromkeys((".aa", ".aax", ".aaxc", ".m4p"), _PROTECTED),
    **dict.fromkeys((".al", ".g722", ".g729", ".pcm", ".raw", ".ul"), _HEADLESS),
    **dict.fromkeys((".ds2", ".dss", ".gsm", ".mpc", ".ra", ".rm", ".rmvb"), _UNUSUAL),
    **dict.fromkeys((".shn", ".tak", ".vox"), _UNUSUAL),
}


def is_hidden(name: str) -> bool:
    """Tell whether a file's or folder's name says that it is nobody's recording."""
    return name.startswith(".") or name in _KEPT


def is_recording(name: str) -> bool:
    """Tell whether a file's name says that it is a recording that can be read."""
    return not is_hidden(name) and _suffix(name) in RECORDING_SUFFIXES


def defect_of(path: Path) -> DataError | None:
    """Say why a file that looks like a recording cannot be taken, and what to do."""
    remedy = _REMEDIES.get(_suffix(path.name))
    return None if remedy is None else DataError(f"{path} {remedy}")


class Search:
    """Iterates over the recordings below a folder, sorted, and counts what is none.

    Links to files are followed, links to folders are not, so that no loop is endless.
    What looks like a recording and is none that can be read comes too: ``defect_of``.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path):
        self.root = root
        self.errors: list[OSError] = []  # of folders that cannot be read
        self._hidden = 0
        self._others: collections.Counter[str] = collections.Counter()

    def __iter__(self) -> Iterator[Path]:
        """Walk through the folder."""
        for folder, subfolders, files in os.walk(self.root, onerror=self._note):
            seen = [name for name in subfolders if not is_hidden(name)]
            self._hidden += len(subfolders) - len(seen)
            subfolders[:] = sorted(seen)
            for name in sorted(files):
                suffix = _suffix(name)
                if is_hidden(name):
                    self._hidden += 1
                elif suffix in RECORDING_SUFFIXES or suffix in _REMEDIES:
                    yield Path(folder, name)
                else:
                    self._others[suffix] += 1

    def _note(self, error: OSError) -> None:
        self.errors.append(error)

    @property
    def passed_over(self) -> str | None:
        """What the walk has passed over, in a line; None if nothing."""
        parts = []
        if total := self._others.total():
            kinds = [f"{k or 'no suffix'} {n}" for k, n in self._others.most_common(5)]
            more = ["..."] if len(self._others) > 5 else []
            names = ", ".join([*kinds, *more])
            parts.append(f"{total} that by name are no recordings ({names})")
        if self._hidden:
            parts.append(f"{self._hidden} hidden")
        return f"{self.root}: passed over {' and '.join(parts)}" if parts else None


def find_recordings(root: Path) -> tuple[list[Path], str | None]:
    """Return all recordings below a corpus' folder, sorted, and what was passed over.

    Raises:
        DataError: A folder cannot be read, or a file looks like a recording and is none
            that can be read; all are named.
    """
    search = Search(root)
    found = list(search)
    defects = [str(defect) for path in found if (defect := defect_of(path))]
    defects += [f"{e.filename} cannot be read ({e.strerror})" for e in search.errors]
    if defects:
        refuse(f"{root} holds {len(defects)} that cannot be taken:", defects)
    return found, search.passed_over


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
