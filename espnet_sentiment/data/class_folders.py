"""Folders as a table: a recording's class is the name of a folder that it lies in.

The layouts that others use: ``LABEL/x.wav``; ``SPEAKER/LABEL/x.wav``, as
``egs/TEMPLATE`` has it; Hugging Face's audiofolder, ``SPLIT/LABEL/x.wav`` or a
``metadata.csv`` beside the recordings; and Kaldi data directories.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.errors import DataError, UserError, refuse
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir, utterance_audio
from espnet_sentiment.data.listing import find_recordings
from espnet_sentiment.data.rows import SPLITS
from espnet_sentiment.data.table import Table, Value

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# Nobody is called so.
EMOTIONS = frozenset(
    [
        "anger",
        "angry",
        "boredom",
        "calm",
        "contempt",
        "disgust",
        "disgusted",
        "fear",
        "fearful",
        "frustration",
        "happy",
        "happiness",
        "joy",
        "negative",
        "neutral",
        "positive",
        "sad",
        "sadness",
        "surprise",
        "surprised",
    ]
)
LEVELS = ("label", "speaker", "split", "fold", "-")


def read_folder(root: Path, layout: str | None = None) -> Table:
    """Read a folder of recordings as a table of ``path``, ``label`` and more.

    Args:
        root: The folder; a Kaldi data directory is read as that.
        layout: What the names of the folders between it and the recordings are, such
            as ``speaker/label``. None is told by how deep recordings lie: ``label``;
            ``split/label``, where the outer folders are called train, test and the
            like, else ``speaker/label``; ``split/speaker/label``.

    Raises:
        UserError: The layout is none.
        DataError: The folder tells no classes; the message names what does not fit.
    """
    levels = None if layout is None else _levels(layout)
    if levels is None and (root / "wav.scp").exists():
        return _kaldi(root)
    found, passed_over = find_recordings(root)
    if not found:
        raise DataError(
            f"{root} holds no recordings: name the folder that the classes' folders "
            "are in"
        )
    names = [path.relative_to(root).parts for path in found]
    if levels is None:
        levels = _guess(root, names)
    if wrong := [row for row in names if len(row) != len(levels) + 1]:
        refuse(
            f"{root} is read as {'/'.join(levels)}/RECORDING, but {len(wrong)} of "
            f"{len(names)} recordings do not lie so: move them, or name the layout, "
            "--layout",
            [str(root.joinpath(*row)) for row in wrong],
        )
    rows: list[tuple[int, dict[str, Value]]] = []
    for number, row in enumerate(names, 1):
        values = dict(zip(levels, row, strict=False))
        values.pop("-", None)
        rows.append((number, {"path": str(Path(*row)), **values}))
    columns = ["path", *(level for level in levels if level != "-")]
    said = [_said(root, levels, rows)]
    said += [passed_over] if passed_over else []
    return Table(root, columns, rows, "recording", said)


def _levels(layout: str) -> list[str]:
    levels = layout.strip("/").split("/")
    strange = [level for level in levels if level not in LEVELS]
    named = [level for level in levels if level != "-"]
    if strange or levels.count("label") != 1 or len(named) > len(set(named)):
        raise UserError(
            f"--layout {layout}: write {', '.join(LEVELS)}, separated by /, label "
            "once: speaker/label, say"
        )
    return levels


def _guess(root: Path, names: Sequence[Sequence[str]]) -> list[str]:
    depths = {len(row) - 1 for row in names}
    outer = {row[0] for row in names if len(row) > 1}
    by_split = bool(outer) and {name.lower() for name in outer} <= SPLITS.keys()
    levels = None
    if depths == {1}:
        levels = ["label"]
    elif depths == {2}:
        levels = ["split", "label"] if by_split else ["speaker", "label"]
    elif depths == {3} and by_split:
        levels = ["split", "speaker", "label"]
    if levels is not None:
        _check_guess(root, names, levels)
        return levels
    shown = defaultdict(list)
    for row in names:
        shown[len(row) - 1].append(root.joinpath(*row))
    refuse(
        f"{root}: no classes can be told by folders' names: lay recordings out as "
        "LABEL/x.wav or SPEAKER/LABEL/x.wav, name the layout (--layout), or write a "
        "table with the columns path and label",
        [f"{n} folders deep: {paths[0]}" for n, paths in sorted(shown.items())],
    )


def _check_guess(
    root: Path, names: Sequence[Sequence[str]], levels: Sequence[str]
) -> None:
    """Refuse what may be meant otherwise.

    Raises:
        DataError: Only some of the folders are called as parts are; or what would be
            speakers looks like labels, of which there are fewer, as a rule, unless
            they are emotions.
    """
    found = [{row[place] for row in names} for place in range(len(levels))]
    for level, of_level in zip(levels, found, strict=True):
        parts = sorted(name for name in of_level if name.lower() in SPLITS)
        if parts and level != "split":
            raise DataError(
                f"{root}: are {', '.join(parts)} parts of the data, or names of "
                f"{level}s? Say by --layout what folders are: --layout split/label, "
                f"or --layout {'/'.join(levels)}"
            )
    if "speaker" in levels:
        speakers, labels = found[-2], found[-1]
        outer, inner = (
            any(name.casefold() in EMOTIONS for name in of_level)
            for of_level in (speakers, labels)
        )
        if outer or (len(labels) > max(len(speakers), 2) and not inner):
            names_of = ", ".join(sorted(speakers)[:8])
            there = "".join(f"{level}/" for level in levels[:-2])
            raise DataError(
                f"{root}: are {names_of} speakers, or labels? Say by --layout what "
                f"folders are: --layout {there}speaker/label, or --layout "
                f"{there}label/speaker"
            )


def _said(root: Path, levels: Sequence[str], rows) -> str:
    """Say how folders were read, with what they were taken for."""
    parts = []
    for level in levels:
        if level == "-":
            continue
        found = sorted({str(row[level]) for _, row in rows})
        more = f", ... ({len(found)})" if len(found) > 8 else ""
        parts.append(f"{level} {', '.join(found[:8])}{more}")
    return f"{root} is read as {'/'.join(levels)}/RECORDING: {'; '.join(parts)}"


def metadata_table(root: Path) -> Path | None:
    """Find the table that lies beside the recordings of a folder, if there is one.

    Raises:
        DataError: There are several, or they lie deeper, or the folder is an audformat
            database, which holds several tables.
    """
    if (root / "db.yaml").exists():
        tables = sorted(path.name for path in root.glob("db.*.csv"))
        raise DataError(
            f"{root} is an audformat database: name the table with the labels instead "
            f"of the folder: {', '.join(tables) or 'it has none as .csv'}"
        )
    found = [root / name for name in METADATA if (root / name).exists()]
    if not found:
        inner = sorted(path for name in METADATA for path in root.rglob(name))
        if inner:
            raise DataError(
                f"{root} has its tables in subfolders: name one of them: "
                f"{', '.join(map(str, inner))}"
            )
        return None
    if len(found) > 1:
        raise DataError(
            f"{root} has several tables: name one of them: {', '.join(map(str, found))}"
        )
    return found[0]


def _kaldi(root: Path) -> Table:
    data = read_kaldi_dir(root)
    if not data.utt2label:
        raise DataError(f"{root} has no utt2label: write a label for each utterance")
    decided = [u for u in data.utts if u in data.utt2label or u in data.utt2votes]
    left_out = len(data.utts) - len(decided)
    said = [f"{root}: left out: {counted(left_out, 'utterance')} without a label"]
    rows: list[tuple[int, dict[str, Value]]] = []
    columns = ["utt", "path", "label", "speaker"]
    columns += ["start", "end"] if data.segments else []
    columns += ["channel"] if data.channels else []
    tables = {"label": data.utt2label, "speaker": data.utt2spk}
    for column, values in (
        ("text", data.text),
        ("votes", data.utt2votes),
        ("group", data.utt2group),
    ):
        if any(values.values()):
            columns.append(column)
            tables[column] = values
    for number, utt in enumerate(decided, 1):
        place = utterance_audio(data, utt, None)
        row: dict[str, Value] = {"utt": utt, "path": place.path}
        row |= {c: values[utt] for c, values in tables.items() if values.get(utt)}
        if data.segments:
            row["start"] = repr(place.start)
        if place.end is not None:
            row["end"] = repr(place.end)
        if data.channels and place.channel:
            row["channel"] = place.channel
        rows.append((number, row))
    return Table(root, columns, rows, "utterance", said if left_out else [])
