"""Finding the recordings that a table names, as other systems may spell them."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.names import forms

ROOT = re.compile(r"(\{\w+\}|\$\w+)[/\\]")  # SpeechBrain's {data_root}/, $data_root/
URL = re.compile(r"\w{2,}://")
DRIVE = re.compile(r"[A-Za-z]:[/\\]")


class NoRecordingError(DataError):
    """A row's recording does not exist."""


class Recordings:
    """Finds recordings below a folder.

    Args:
        folder: Where relative paths start.

    Attributes:
        spelled: How many paths were found by another spelling, by which.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.spelled: Counter[str] = Counter()

    def find(self, name: str) -> Path:
        """Return the absolute path of a recording.

        Raises:
            NoRecordingError: There is none.
        """
        if (path := self.look(name)) is not None:
            return path
        what = f"column path: {self.folder / name} does not exist"
        if URL.match(name):
            what = f"column path: {name} is an address: download it"
        elif DRIVE.match(name):
            what = (
                f"column path: {name} is on a drive of Windows: write it from a folder "
                "on, and name that with --audio_dir"
            )
        raise NoRecordingError(what)

    def look(self, name: str) -> Path | None:
        """Return the absolute path of a recording; None if there is none."""
        for how, spelling in _spellings(name):
            path = self.folder / spelling
            if os.path.isfile(path):  # which takes names that are too long for one
                self.spelled[how] += bool(how)
                return path.resolve()
        return None

    def said(self) -> list[str]:
        """Say which spellings were taken."""
        return [f"{how} ({count} paths)" for how, count in self.spelled.items() if how]


def _spellings(name: str) -> Iterator[tuple[str, str]]:
    """Give a path's spellings, and how they are told."""
    yield "", name
    if match := ROOT.match(name):
        name = name[match.end() :]
        yield f"{match[1]} is the folder where paths start", name
    if "\\" in name:
        name = name.replace("\\", "/")
        yield "backslashes are taken as slashes", name
    if name.startswith("~/"):
        yield "~ is the home folder", str(Path(name).expanduser())
    for form, other in forms(name).items():
        yield f"Unicode's form {form} is the files'", other
