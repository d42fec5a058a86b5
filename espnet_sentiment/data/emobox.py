"""EmoBox: metadata, labels and folds of 32 corpora of emotional speech.

Ma et al., "EmoBox: Multilingual multi-corpus speech emotion recognition toolkit and
benchmark", Interspeech 2024; https://github.com/emo-box/EmoBox. For each data set,
``data/<dataset>/`` holds ``label_map.json``, ``data.seg.wrd.stm`` (the speakers) and
``fold_<k>/<dataset>_{train,valid,test}_fold_<k>.jsonl``, most without ``valid``.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from os.path import isfile
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike, read_json
from espnet_sentiment.core.names import nfc
from espnet_sentiment.data.folds import PARTS, Fold, check_fold_name, hold_out
from espnet_sentiment.data.kaldi_dir import Utterance, check_names
from espnet_sentiment.data.records import read_records

SPEAKER = re.compile(r"<id=(?P<utt>.+),lang=[^,]*,spk=(?P<speaker>.+),emotion=")
# libsndfile reads no videos: the sound of one is expected beside it.
VIDEOS = (".avi", ".mp4")


@dataclasses.dataclass(frozen=True)
class EmoBox:
    """A data set of EmoBox.

    Args:
        utterances: Its utterances. The speaker of one is its id if EmoBox names none.
        folds: EmoBox's folds.
        validation: What validates in them.
    """

    utterances: list[Utterance]
    folds: list[Fold]
    validation: str


def read_emobox(
    emobox: PathLike, dataset: str, audio_dir: PathLike | None = None
) -> EmoBox:
    """Read a data set.

    Args:
        emobox: A clone of EmoBox's repository, or its folder ``data``.
        dataset: Name of the data set, as EmoBox spells it.
        audio_dir: Folder that holds ``downloads/<dataset>/``, or ``<dataset>/``, or
            what that holds; None for the clone.

    Raises:
        DataError: There is no such data set, a fold lacks a file, a line or label is
            not understood, or recordings are missing.
    """
    data = _data_folder(Path(emobox))
    folder = _dataset_folder(data, dataset)
    utt2spk = _speakers(folder)
    label_map = read_json(folder / "label_map.json")
    utterances: dict[str, Utterance] = {}
    folds, errors = [], []
    for name in _fold_names(folder):
        parts: dict[str, dict[str, None]] = {part: {} for part in PARTS}
        for part, path in _part_files(folder, name):
            for line, row in _rows(path):
                try:
                    found = _utterance(row, label_map, utt2spk)
                    if utterances.setdefault(found.utt, found) != found:
                        raise DataError(
                            f"key {found.utt!r} has another wav or emo elsewhere: "
                            "restore the file from EmoBox"
                        )
                    if any(found.utt in utts for utts in parts.values()):
                        raise DataError(
                            f"key {found.utt!r} stands twice in fold {name}: restore "
                            "the file from EmoBox"
                        )
                    parts[part][found.utt] = None
                except DataError as error:
                    errors.append(f"{path}:{line}: {error}")
        folds.append(Fold(name, **{part: list(utts) for part, utts in parts.items()}))
    if errors:
        refuse(f"{folder}: {len(errors)} lines cannot be used", errors)
    located = _locate(
        list(utterances.values()), dataset, Path(audio_dir or data.parent)
    )
    known = utt2spk if all(u.speaker != u.utt for u in located) else None
    return EmoBox(located, *_validated(folds, located, known))


def _data_folder(emobox: Path) -> Path:
    data = emobox / "data" if (emobox / "data").is_dir() else emobox
    if not any(data.glob("*/label_map.json")):
        raise DataError(
            f"--emobox {emobox} holds no data/<dataset>/label_map.json: give a "
            "clone of https://github.com/emo-box/EmoBox"
        )
    return data


def _dataset_folder(data: Path, dataset: str) -> Path:
    names = sorted(path.parent.name for path in data.glob("*/label_map.json"))
    folder = data / dataset
    if folder.is_dir() and dataset not in names:
        # EmoBox's emovo has its map under this name.
        has_other = (folder / "label_dict.json").is_file()
        remedy = "copy label_dict.json to that name" if has_other else "restore it"
        raise DataError(f"{folder} holds no label_map.json: {remedy}")
    if dataset not in names:
        raise DataError(
            f"--dataset {dataset!r} is not in {data}: choose one of {', '.join(names)}"
        )
    return folder


def _speakers(folder: Path) -> dict[str, str]:
    stm = folder / "data.seg.wrd.stm"
    if not stm.is_file():
        return {}
    matches = SPEAKER.finditer(stm.read_text(encoding="utf-8", errors="replace"))
    return {_word(match["utt"]): _word(match["speaker"]) for match in matches}


def _word(text: str) -> str:
    """Make an id or a class name out of a text with spaces, commas or slashes."""
    return nfc(re.sub(r"[\s,/]+", "_", text.strip()))


def _fold_names(folder: Path) -> list[str]:
    names = [p.name.removeprefix("fold_") for p in folder.glob("fold_*") if p.is_dir()]
    if not names:
        raise DataError(f"{folder} holds no fold_1: restore it from EmoBox")
    for name in names:
        check_fold_name(folder, name)
    return sorted(names, key=lambda name: (len(name), name))


def _part_files(folder: Path, fold: str) -> Iterator[tuple[str, Path]]:
    for part in PARTS:
        path = folder / f"fold_{fold}" / f"{folder.name}_{part}_fold_{fold}.jsonl"
        if path.is_file():
            yield part, path
        elif part != "valid":
            raise DataError(f"{path} is missing: restore it from EmoBox")


def _rows(path: Path) -> list[tuple[int, dict]]:
    columns, rows = read_records(path)
    for column in ("key", "wav", "emo"):
        if column not in columns:
            raise DataError(
                f"{path} has no {column!r}, but {', '.join(columns) or 'nothing'}: "
                "take EmoBox's newest version"
            )
    return rows


def _utterance(row: Mapping, label_map: Mapping, utt2spk: Mapping) -> Utterance:
    for column in ("key", "wav", "emo"):
        if not isinstance(row.get(column), str):
            raise DataError(f"{column!r} is not a text: restore the file from EmoBox")
    utt = _word(row["key"])
    # emodb's label_map.json has "Neutral" for its "neutral".
    lowered = {name.lower(): label for name, label in label_map.items()}
    labels = {**lowered, **label_map}
    label = labels.get(row["emo"], labels.get(row["emo"].lower()))
    if label is None:
        raise DataError(
            f"emo {row['emo']!r} is not in label_map.json, which has "
            f"{', '.join(label_map)}: add it there"
        )
    is_cut = "start_time" in row and "end_time" in row
    utterance = Utterance(
        utt=utt,
        wav=row["wav"],
        speaker=utt2spk.get(utt, utt),
        label=_word(label),
        start=float(row["start_time"]) if is_cut else None,
        end=float(row["end_time"]) if is_cut else None,
    )
    check_names("its line:", utterance)
    return utterance


def _locate(
    utterances: list[Utterance], dataset: str, audio_dir: Path
) -> list[Utterance]:
    """Find the recordings, whose paths start with ``downloads/<dataset>/``."""
    located, missing = [], []
    for u in utterances:
        wav = Path(u.wav)
        if wav.suffix.lower() in VIDEOS:
            wav = wav.with_suffix(".wav")
        below = str(wav).removeprefix("downloads/")
        names = (str(wav), below, below.removeprefix(f"{dataset}/"))
        found = next((p for p in (audio_dir / n for n in names) if isfile(p)), None)
        if found is None:
            missing.append(str(wav))
        else:
            located.append(dataclasses.replace(u, wav=str(found.resolve())))
    if missing:
        refuse(
            f"{len(missing)} of {len(utterances)} recordings of {dataset} are not in "
            f"{audio_dir}: name with --audio_dir the folder that holds them, and put "
            "the sound of videos (.mp4, .avi) beside them as .wav, by ffmpeg",
            missing,
        )
    return located


def _validated(
    folds: list[Fold], utterances: list[Utterance], utt2spk: Mapping[str, str] | None
) -> tuple[list[Fold], str]:
    """Take a part of train for validation where EmoBox gives none."""
    utt2label = {u.utt: u.label for u in utterances if u.label is not None}
    whats, validated = [], []
    for fold in folds:
        if fold.valid:
            whats.append("EmoBox's own")
        else:
            labels = {utt: utt2label[utt] for utt in fold.train}
            train, valid, what = hold_out(labels, utt2spk)
            fold = dataclasses.replace(fold, train=train, valid=valid)
            whats.append(f"{what} taken out of train")
        validated.append(fold)
    return validated, " / ".join(dict.fromkeys(whats))
