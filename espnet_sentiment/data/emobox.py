"""EmoBox: metadata, labels and folds of 32 corpora of emotional speech.

Ma et al., "EmoBox: Multilingual multi-corpus speech emotion recognition toolkit and
benchmark", Interspeech 2024; https://github.com/emo-box/EmoBox. Its files:
:mod:`espnet_sentiment.data.emobox_metadata`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.data.emobox_metadata import (
    COLUMNS,
    CUT,
    TEST,
    TRAIN,
    VALID,
    data_folder,
    dataset_folder,
    fold_names,
    part_files,
    read_label_map,
    read_rows,
    read_speakers,
    unread_files,
    word,
)
from espnet_sentiment.data.folds import Fold, hold_out
from espnet_sentiment.data.kaldi_dir import Utterance, check_names
from espnet_sentiment.data.recordings import Recordings
from espnet_sentiment.data.times import number


@dataclasses.dataclass(frozen=True)
class EmoBox:
    """A data set of EmoBox.

    Args:
        utterances: Its utterances. The speaker of one is its id if EmoBox names none.
        folds: EmoBox's folds.
        notes: What there is to say: what validates, what is taken as what, what is
            left out.
    """

    utterances: list[Utterance]
    folds: list[Fold]
    notes: list[str]


def read_emobox(
    emobox: PathLike,
    dataset: str,
    audio_dir: PathLike | None = None,
    tests: Sequence[str] = (TEST,),
) -> EmoBox:
    """Read a data set.

    Args:
        emobox: A clone of EmoBox's repository, or its folder ``data``.
        dataset: Name of the data set, as EmoBox spells it.
        audio_dir: Folder that holds ``downloads/<dataset>/``, or ``<dataset>/``, or
            what that holds; None for the clone.
        tests: The tested parts to take, each a fold of its own: ``1`` is that of
            ``test``, ``1_test2`` that of ``test2``, and both learn from the same part.

    Raises:
        DataError: There is no such data set, a fold lacks a file, a line or label is
            not understood, or recordings are missing.
    """
    data = data_folder(Path(emobox))
    folder = dataset_folder(data, dataset)
    notes: list[str] = []
    utt2spk, label_map = read_speakers(folder, notes), read_label_map(folder, notes)
    utterances: dict[str, Utterance] = {}
    folds: list[Fold] = []
    errors: list[str] = []
    for name in fold_names(folder):
        files = part_files(folder, name)
        _check_tests(folder / f"fold_{name}", files, tests)
        parts: dict[str, dict[str, None]] = {}
        for part in (TRAIN, VALID, *tests):
            parts[part] = {}
            # Tested parts make folds of their own, and may share utterances.
            apart = [parts[p] for p in {part, TRAIN, VALID} if p in parts]
            for where, found in _read(files.get(part), label_map, utt2spk, errors):
                if utterances.setdefault(found.utt, found) != found:
                    errors.append(
                        f"{where}: key {found.utt!r} has another wav or emo "
                        "elsewhere: restore the file from EmoBox"
                    )
                elif any(found.utt in utts for utts in apart):
                    errors.append(
                        f"{where}: key {found.utt!r} stands twice in fold {name}: "
                        "restore the file from EmoBox"
                    )
                parts[part][found.utt] = None
        folds += _folds(name, parts, tests)
        if len(folds) == len(tests):
            notes += _others(files, tests)
    if unread := unread_files(folder):
        notes.append(
            f"{len(unread)} tables of other names are not read, {unread[0]} first"
        )
    if errors:
        refuse(f"{folder}: {len(errors)} lines cannot be used", errors)
    located = _locate(
        list(utterances.values()), dataset, Path(audio_dir or data.parent), notes
    )
    known = utt2spk if all(u.speaker != u.utt for u in located) else None
    folds, validation = _validated(folds, located, known)
    return EmoBox(located, folds, [f"validation: {validation}", *notes])


def _check_tests(folder: Path, files: Mapping[str, Path], tests: Sequence[str]) -> None:
    tested = sorted(part for part in files if part.startswith(TEST))
    if unknown := [part for part in tests if part not in tested]:
        raise DataError(
            f"--test {unknown[0]}: {folder} has no such part: choose of "
            f"{', '.join(tested)}"
        )


def _folds(
    name: str, parts: Mapping[str, Mapping], tests: Sequence[str]
) -> Iterator[Fold]:
    for test in tests:
        named = name if test == TEST else f"{name}_{test}"
        yield Fold(named, list(parts[TRAIN]), list(parts[VALID]), list(parts[test]))


def _others(files: Mapping[str, Path], tests: Sequence[str]) -> Iterator[str]:
    """Say of a fold which tested parts are left out, unless one is the same."""

    def keys(part: str) -> list:
        return sorted(str(row["key"]) for _, row in read_rows(files[part]))

    taken = [keys(part) for part in tests]
    left = {
        part: len(found)
        for part in files
        if part.startswith(TEST) and part not in tests
        if (found := keys(part)) not in taken
    }
    if left:
        counts = ", ".join(f"{part} ({n} utterances)" for part, n in left.items())
        yield (
            f"WARNING: EmoBox also has {counts}, which are not tested: choose them by "
            f"--test '{' '.join([*tests, *left])}'"
        )


def _read(
    path: Path | None,
    label_map: Mapping[str, str],
    utt2spk: Mapping[str, str],
    errors: list[str],
) -> Iterator[tuple[str, Utterance]]:
    """Give the utterances of a part with their places; collect what is wrong."""
    for line, row in read_rows(path) if path is not None else ():
        try:
            yield f"{path}:{line}", _utterance(row, label_map, utt2spk)
        except DataError as error:
            errors.append(f"{path}:{line}: {error}")


def _utterance(row: Mapping, label_map: Mapping, utt2spk: Mapping) -> Utterance:
    for column in COLUMNS:
        if not isinstance(row.get(column), str):
            raise DataError(f"{column!r} is not a text: restore the file from EmoBox")
    utt = word(row["key"])
    # emodb's label_map.json has "Neutral" for its "neutral".
    lowered = {name.lower(): label for name, label in label_map.items()}
    labels = {**lowered, **label_map}
    label = labels.get(row["emo"], labels.get(row["emo"].lower()))
    if label is None:
        raise DataError(
            f"emo {row['emo']!r} is not in the data set's label map, which has "
            f"{', '.join(label_map)}: add it there"
        )
    start, end = _times(row)
    utterance = Utterance(
        utt=utt,
        wav=row["wav"],
        speaker=utt2spk.get(utt, utt),
        label=word(label),
        start=start,
        end=end,
    )
    check_names("its line:", utterance)
    return utterance


def _times(row: Mapping) -> tuple[float, float] | tuple[None, None]:
    """Return start and end in seconds, if the row has them."""
    times: list[Any] = [row.get(time) for time in CUT]
    if times == [None, None]:
        return None, None
    start, end = (number(str(time)) for time in times)
    if not 0 <= start < end < math.inf:
        raise DataError(
            f"{' and '.join(CUT)} are {times[0]!r} and {times[1]!r}, which are not two "
            "times in their order: restore the file from EmoBox"
        )
    return start, end


def _locate(
    utterances: list[Utterance], dataset: str, audio_dir: Path, notes: list[str]
) -> list[Utterance]:
    """Find the recordings, whose paths start with ``downloads/<dataset>/``.

    A ``.wav`` beside a video, or another file of that name, is the sound that somebody
    took out of it, and goes before it.
    """
    recordings = Recordings(audio_dir)
    located, missing, n_beside = [], [], 0
    for u in utterances:
        found = _find(Path(u.wav).with_suffix(".wav"), dataset, recordings)
        n_beside += found is not None and not u.wav.endswith(".wav")
        found = found or _find(Path(u.wav), dataset, recordings)
        if found is None:
            missing.append(u.wav)
        else:
            located.append(dataclasses.replace(u, wav=str(found)))
    if missing:
        refuse(
            f"{len(missing)} of {len(utterances)} recordings of {dataset} are not in "
            f"{audio_dir}: name with --audio_dir the folder that holds them",
            missing,
        )
    if n_beside:
        notes.append(f"{n_beside} recordings are the .wav of their name, beside them")
    notes += recordings.said()
    return located


def _find(wav: Path, dataset: str, recordings: Recordings) -> Path | None:
    """Return where a recording is."""
    below = str(wav).removeprefix("downloads/")
    names = (str(wav), below, below.removeprefix(f"{dataset}/"))
    return next(filter(None, map(recordings.look, dict.fromkeys(names))), None)


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
