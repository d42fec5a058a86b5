"""The files of EmoBox's metadata: where they lie, and what stands in them.

For each data set, ``data/<dataset>/`` holds ``label_map.json`` (emovo's is called
``label_dict.json``), ``data.seg.wrd.stm`` (the speakers) and
``fold_<k>/<dataset>_<part>_fold_<k>.jsonl``; the parts are ``train``, ``test``, of few
data sets ``valid``, and of mer2023 further tested ones, ``test1`` to ``test3``.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import read_json
from espnet_sentiment.core.names import as_word
from espnet_sentiment.data.folds import check_fold_name
from espnet_sentiment.data.records import read_records

TRAIN, VALID, TEST = "train", "valid", "test"
LABEL_MAPS = ("label_map.json", "label_dict.json")
SPEAKER = re.compile(r"<id=(?P<utt>.+),lang=[^,]*,spk=(?P<speaker>.+),emotion=")
# Where these alone stand in the speaker's place, no speakers are named.
GROUPS = {"female", "male", "child", "woman", "man", "girl", "boy", "f", "m", "c"}
# Typographic characters of Windows-1252 that became controls on their way to UTF-8, as
# in MELD's "Richard\x92s-Date".
CP1252 = {n: bytes([n]).decode("cp1252", "ignore") or chr(n) for n in range(0x80, 0xA0)}
# What the columns were called in an older form, which test2 and test3 still have.
COLUMNS = {"key": "key", "wav": "audio", "emo": "label"}
CUT = ("start_time", "end_time")


def word(text: str) -> str:
    """Make an id or a class name out of a text with spaces, commas or slashes."""
    return as_word(text.strip().replace(",", " "))


def data_folder(emobox: Path) -> Path:
    """Return the folder of all data sets.

    Args:
        emobox: A clone of EmoBox's repository, or that folder.

    Raises:
        DataError: It holds none.
    """
    data = emobox / "data" if (emobox / "data").is_dir() else emobox
    if not _datasets(data):
        raise DataError(
            f"--emobox {emobox} holds no data/<dataset>/label_map.json: give a "
            "clone of https://github.com/emo-box/EmoBox"
        )
    return data


def dataset_folder(data: Path, dataset: str) -> Path:
    """Return the folder of a data set.

    Raises:
        DataError: There is none, or it is not complete.
    """
    names = _datasets(data)
    if (data / dataset).is_dir() and dataset not in names:
        raise DataError(f"{data / dataset} holds no label_map.json: restore it")
    if dataset not in names:
        raise DataError(
            f"--dataset {dataset!r} is not in {data}: choose one of {', '.join(names)}"
        )
    return data / dataset


def _datasets(data: Path) -> list[str]:
    found = (path for name in LABEL_MAPS for path in data.glob(f"*/{name}"))
    return sorted({path.parent.name for path in found})


def read_label_map(folder: Path, notes: list[str]) -> dict[str, str]:
    """Read the class of every ``emo``.

    Args:
        folder: Folder of a data set.
        notes: Where to tell of a map of another name.

    Raises:
        DataError: The map is broken.
    """
    path = next(p for p in map(folder.joinpath, LABEL_MAPS) if p.is_file())
    labels = read_json(path)
    if not isinstance(labels, dict) or not all(
        isinstance(label, str) and label.strip() for label in labels.values()
    ):
        raise DataError(f"{path} is no map of names to classes: restore it from EmoBox")
    if path.name != LABEL_MAPS[0]:
        notes.append(f"the classes are those of {path}")
    return labels


def read_speakers(folder: Path, notes: list[str]) -> dict[str, str]:
    """Read the speaker of every utterance, as far as the data set names them.

    Args:
        folder: Folder of a data set.
        notes: Where to tell why speakers that stand there are none.
    """
    stm = folder / "data.seg.wrd.stm"
    if not stm.is_file():
        return {}
    matches = SPEAKER.finditer(stm.read_text(encoding="utf-8", errors="replace"))
    given = {word(match["utt"]): match["speaker"].strip() for match in matches}
    names = set(given.values())
    if broken := sorted(name for name in names if name.translate(CP1252) != name):
        names = {name.translate(CP1252) for name in names}
        given = {utt: name.translate(CP1252) for utt, name in given.items()}
        fixed = ", ".join(f"{name!r} as {name.translate(CP1252)}" for name in broken)
        notes.append(f"{stm} has characters of Windows-1252: {fixed}")
    # jlcorpus has whole paths: the last part is the speaker.
    short = {name: name.rpartition("/")[2] for name in names}
    if len(set(short.values())) < len(names):
        short = {name: name for name in names}
    if {name.casefold() for name in names} <= GROUPS:
        why = f"names {', '.join(sorted(names))} alone"
    elif len(names) == len(given) > 1:
        why = "has another one for every utterance"
    else:
        return {utt: word(short[name]) for utt, name in given.items()}
    if given:
        notes.append(f"{stm} {why}: speakers are taken as not known")
    return {}


def fold_names(folder: Path) -> list[str]:
    """Return the names of a data set's folds, numbers in their order.

    Raises:
        DataError: There is none, or one's name is no name of a fold.
    """
    names = [p.name.removeprefix("fold_") for p in folder.glob("fold_*") if p.is_dir()]
    if not names:
        raise DataError(f"{folder} holds no fold_1: restore it from EmoBox")
    for name in names:
        check_fold_name(folder, name)
    return sorted(names, key=lambda name: (len(name), name))


def part_files(folder: Path, fold: str) -> dict[str, Path]:
    """Return the files of a fold by part; a name that is none of EmoBox's is refused.

    Raises:
        DataError: A file is missing, or of an unknown part.
    """
    start, end = f"{folder.name}_", f"_fold_{fold}.jsonl"
    files = {
        path.name[len(start) : -len(end)]: path
        for path in sorted((folder / f"fold_{fold}").glob("*.jsonl"))
        if path.name.startswith(start) and path.name.endswith(end)
    }
    for part in (TRAIN, TEST):
        if part not in files:
            path = folder / f"fold_{fold}" / f"{start}{part}{end}"
            raise DataError(f"{path} is missing: restore it from EmoBox")
    unknown = [
        str(path)
        for part, path in files.items()
        if part not in (TRAIN, VALID) and not part.startswith(TEST)
    ]
    if unknown:
        refuse(
            f"{folder}: files of unknown parts: rename them to {TRAIN}, {VALID} or "
            f"{TEST}..., or take them out",
            unknown,
        )
    return files


def unread_files(folder: Path) -> list[str]:
    """Return the tables of the folds that ``part_files`` passes over.

    emodb's are older copies of the others.
    """
    found = []
    for path in sorted(folder.glob("fold_*/*.jsonl")):
        end = f"_{path.parent.name}.jsonl"
        if not (path.name.startswith(f"{folder.name}_") and path.name.endswith(end)):
            found.append(f"{path.parent.name}/{path.name}")
    return found


def read_rows(path: Path) -> list[tuple[int, dict]]:
    """Read the lines of a part: number, and the columns by their names of today.

    Raises:
        DataError: The file is not such a table.
    """
    columns, rows = read_records(path)
    for column, older in COLUMNS.items():
        if column not in columns and older not in columns:
            raise DataError(
                f"{path} has no {column!r}, but {', '.join(columns) or 'nothing'}: "
                "take EmoBox's newest version"
            )
    return [(number, _renamed(row)) for number, row in rows]


def _renamed(row: Mapping) -> dict:
    return {new: row.get(new, row.get(old)) for new, old in COLUMNS.items()} | {
        time: row[time] for time in CUT if time in row
    }
