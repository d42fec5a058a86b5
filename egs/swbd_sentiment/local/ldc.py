"""What the recipe reads of the two LDC releases, and the rows of the labels.

LDC2020T14 holds ``speech_sentiment_annotations/data/sentiment_labels.tsv``, a row a
segment, its columns separated by tabs::

    sw02005_57  400.271875  404.732375  Negative-{Scared}#Neutral-{Mixed emotions}#...

LDC97S62 holds ``sw02005.sph``, one channel per side of the conversation, and in its
documents ``conv_tab.csv``, who called whom.
"""

import csv
import glob
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.listing import is_hidden

LABELS = Path("data", "sentiment_labels.tsv")
FOLDER = "speech_sentiment_annotations"
RECORDING = re.compile(r"(?i)sw0?(\d{4})\.sph")
CALLS = re.compile(r"conv[_.]tab(\.csv)?")  # Kaldi renames it to conv.tab
# The braces hold the annotator's reason.
VOTE = re.compile(r"(Negative|Neutral|Positive)-\{")


class Row(NamedTuple):
    """A row of the labels.

    Args:
        utt: Its name, ``sw02005_57``.
        start: Start in the recording in seconds.
        end: End in the recording in seconds.
        votes: The annotators' votes, in lower case.
    """

    utt: str
    start: float
    end: float
    votes: tuple[str, ...]

    @property
    def conversation(self) -> str:
        """Name of the conversation and of its recording, ``sw02005``."""
        return self.utt.partition("_")[0]

    @property
    def label(self) -> str | None:
        """The class with the most votes; None if two have as many."""
        ranked = Counter(self.votes).most_common(2)
        if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
            return None
        return ranked[0][0]


def list_files(root: Path, name: re.Pattern, option: str) -> list[Path]:
    """Return the files below a folder whose names match, sorted.

    Raises:
        DataError: The folder does not exist.
    """
    if not root.is_dir():
        raise DataError(f"{option} {root} does not exist: check the path")
    # This glob follows links to folders.
    paths = map(Path, glob.iglob(f"{glob.escape(str(root))}/**/*", recursive=True))
    return sorted(
        path
        for path in paths
        if name.fullmatch(path.name)
        and not any(map(is_hidden, path.relative_to(root).parts))
    )


def find_files(root: Path, name: re.Pattern, option: str) -> dict[str, Path]:
    """Return the files below a folder whose names match, by the name's groups.

    Raises:
        DataError: The folder does not exist, or holds two files for one key.
    """
    found: dict[str, Path] = {}
    for path in list_files(root, name, option):
        key = "".join(name.fullmatch(path.name).groups())
        if found.setdefault(key, path) != path:
            raise DataError(
                f"{option} {root} holds {path.name} twice, {found[key]} and {path}: "
                "name the folder of one release, or remove a copy"
            )
    return found


def find_labels(given: str) -> Path:
    """Return the file of the labels: given, or below the release's folder, or above.

    Raises:
        DataError: It is not there; the message names the right folder if that is one
            level higher or lower.
    """
    if not given:
        raise DataError(
            "--sentiment_labels is missing: name the folder of LDC2020T14, "
            "https://catalog.ldc.upenn.edu/LDC2020T14"
        )
    root = Path(given)
    if root.is_file():
        return root
    for folder in (root, root / FOLDER):
        if (folder / LABELS).is_file():
            return folder / LABELS
    nearby = [root.resolve().parent, *sorted(root.glob(f"*/{FOLDER}"))]
    right = next((path for path in nearby if (path / LABELS).is_file()), None)
    if right:
        raise DataError(f"--sentiment_labels {root} is one level off: name {right}")
    raise DataError(
        f"--sentiment_labels {root}: neither {root / LABELS} nor "
        f"{root / FOLDER / LABELS} exists: name the folder {FOLDER} of LDC2020T14"
    )


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines of a text file that are not empty, numbered from 1.

    Raises:
        DataError: The file is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 ({error}): restore it from the release, or convert "
            "it with iconv"
        ) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line


def read_labels(path: Path) -> list[Row]:
    """Read the rows of the labels, in the release's order.

    Raises:
        DataError: A row is not utterance, start, end and votes, or an utterance occurs
            twice.
    """
    rows: dict[str, Row] = {}
    for number, line in read_lines(path):
        try:
            utt, start, end, votes = line.split("\t")
            times = float(start), float(end)
        except ValueError:
            raise DataError(
                f"{path}:{number}: {line!r} is not utterance, start, end and votes, "
                "separated by tabs: restore the file from LDC2020T14"
            ) from None
        if utt in rows:
            raise DataError(
                f"{path}:{number}: {utt!r} occurs twice: restore the file from "
                "LDC2020T14"
            )
        rows[utt] = Row(utt, *times, tuple(v.lower() for v in VOTE.findall(votes)))
    return list(rows.values())


def find_recordings(given: str) -> dict[str, Path]:
    """Return the recordings by conversation, ``sw02005``.

    Raises:
        DataError: There are none, or one is there twice.
    """
    if not given:
        raise DataError(
            "--swbd is missing: name the folder of LDC97S62, "
            "https://catalog.ldc.upenn.edu/LDC97S62"
        )
    paths = find_files(Path(given), RECORDING, "--swbd")
    if not paths:
        raise DataError(
            f"--swbd {given} holds no recordings named like sw02005.sph: name the "
            "folder of LDC97S62 that holds all its discs"
        )
    return {f"sw0{number}": path for number, path in paths.items()}


def find_calls(swbd: Path) -> Path | None:
    """Return the table of the calls, or a copy of it; None if there is none."""
    return next(iter(list_files(swbd, CALLS, "--swbd")), None)


def read_callers(path: Path) -> dict[str, str]:
    """Return the caller by side of a conversation, ``{"sw02005-A": "sw1169"}``.

    The columns of conv_tab.csv, as Kaldi's egs/swbd/s5c reads them: the first is the
    conversation, the third who is on side A, the fourth who is on side B.

    Raises:
        DataError: No line is of that form.
    """
    lines = (line for _, line in read_lines(path))
    callers = {}
    for line in lines:  # each by itself: no mark swallows the next
        [fields] = csv.reader([line], skipinitialspace=True)
        conversation, _, *sides = [field.strip() for field in [*fields, ""][:4]]
        for side, caller in zip("AB", sides, strict=False):
            if re.fullmatch(r"\d{4}", conversation) and caller.isdigit():
                callers[f"sw0{conversation}-{side}"] = f"sw{caller}"
    if not callers:
        raise DataError(
            f"{path} names no callers: its lines should begin like 2005,Y,1169,1133: "
            "restore it from LDC97S62"
        )
    return callers
