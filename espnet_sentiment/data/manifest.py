"""Manifests: a corpus as one table, a labelled utterance a row.

Columns: ``path`` and ``label``; where the corpus has them ``speaker``, ``start`` and
``end`` (seconds), ``channel`` (A or B, 0 or 1), ``text``, ``votes`` (the annotators'
single votes), ``utt`` (utterance id), and ``split`` (train, valid, test) or ``fold``
(name of the fold that tests the utterance).
"""

import dataclasses
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.core.names import check_name, nfc
from espnet_sentiment.data.folds import (
    PARTS,
    Fold,
    hold_out,
    k_fold,
    leave_one_group_out,
    leave_one_speaker_out,
)
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.records import read_records

FILLED = ("path", "label", "speaker", "start", "end", "utt", "split", "fold")
COLUMNS = (*FILLED, "channel", "text", "votes")
SIDES = {"A": "A", "B": "B", "0": "A", "1": "B"}


class _NoRecordingError(DataError):
    """A row's recording does not exist."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Args:
        path: The file.
        utterances: Its rows; the speaker of an utterance is its id where the manifest
            names none.
        columns: The columns that it has.
        utt2split: Part of every utterance, where it has the column ``split``.
        utt2fold: Fold that tests every utterance, where it has the column ``fold``.
    """

    path: Path
    utterances: list[Utterance]
    columns: Sequence[str]
    utt2split: Mapping[str, str]
    utt2fold: Mapping[str, str]

    @property
    def utt2label(self) -> dict[str, str]:
        """Class of every utterance."""
        return {u.utt: u.label for u in self.utterances if u.label is not None}

    @property
    def utt2spk(self) -> dict[str, str] | None:
        """Speaker of every utterance; None if the manifest names no speakers."""
        if "speaker" not in self.columns:
            return None
        return {u.utt: u.speaker for u in self.utterances}

    @property
    def ignored(self) -> list[str]:
        """Columns that mean nothing here."""
        return [column for column in self.columns if column not in COLUMNS]


def read_manifest(path: PathLike, audio_dir: PathLike | None = None) -> Manifest:
    """Read a manifest, see the module's docstring for its columns.

    Args:
        path: ``.csv``, ``.tsv`` or ``.jsonl``.
        audio_dir: Folder that the paths start from; None for the manifest's own.

    Raises:
        DataError: As :func:`read_records`, or ``audio_dir`` or a column is missing, or
            rows cannot be used; the message names lines, columns and remedies, up to
            20.
    """
    path = Path(path)
    if audio_dir and not Path(audio_dir).is_dir():
        raise DataError(f"--audio_dir {audio_dir} is no folder: check the path")
    columns, rows = read_records(path)
    _check_columns(path, columns)
    folder = Path(audio_dir) if audio_dir else path.parent
    utterances: dict[str, Utterance] = {}
    lines: dict[str, int] = {}
    recordings: dict[str, str] = {}
    given: dict[str, dict[str, str]] = {"split": {}, "fold": {}}
    errors, n_missing = [], 0
    for line, row in rows:
        try:
            utterance = _utterance(row, columns, folder)
            utt = utterance.utt
            if utt in lines:
                raise DataError(
                    f"column utt: {utt!r} is also the id of line {lines[utt]}: give "
                    "each row an id of its own in this column"
                )
            other = recordings.setdefault(utterance.recording, utterance.wav)
            if other != utterance.wav:
                raise DataError(
                    f"column path: {utterance.wav} is cut and has the file name of "
                    f"{other}: rename one of the two"
                )
            utterances[utt], lines[utt] = utterance, line
            for column, names in given.items():
                if column in columns:
                    names[utt] = _word(row, column)
            if "split" in columns and given["split"][utt] not in PARTS:
                raise DataError(
                    f"column split: {given['split'][utt]!r} is none of "
                    f"{', '.join(PARTS)}: write one of them"
                )
        except DataError as error:
            errors.append(f"{path}:{line}: {error}")
            n_missing += isinstance(error, _NoRecordingError)
    if errors:
        head = f"{path}: {len(errors)} of {len(rows)} rows cannot be used"
        if n_missing:
            head += (
                f", {n_missing} because there is no such recording: fix the paths, or "
                "name with --audio_dir where they start"
            )
        refuse(head, errors)
    if not rows:
        raise DataError(f"{path} has no rows: write one for each utterance")
    return Manifest(
        path, list(utterances.values()), columns, given["split"], given["fold"]
    )


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    for column in ("path", "label"):
        if column not in columns:
            raise DataError(
                f"{path}:1: column {column} is missing; there are "
                f"{', '.join(columns) or 'none'}: add it, or rename the one that is it"
            )
    for both, remedy in [
        (("start", "end"), "give both of them, in seconds, or none"),
        (("split", "fold"), "keep one of them"),
    ]:
        n = sum(column in columns for column in both)
        if n == (1 if "start" in both else 2):
            raise DataError(f"{path}:1: columns {' and '.join(both)}: {remedy}")


def _utterance(row: Mapping, columns: Sequence[str], folder: Path) -> Utterance:
    for column in FILLED:
        if column in columns and column not in row:
            raise DataError(
                f"column {column} is empty: fill it in every row, or take it out of all"
            )
    wav = folder / str(row["path"])
    if not os.path.isfile(wav):  # which no path is too long for
        raise _NoRecordingError(f"column path: {wav} does not exist")
    start, end = _segment(row) if "start" in columns else (None, None)
    channel = SIDES.get(str(row["channel"])) if "channel" in row else None
    if "channel" in row and channel is None:
        raise DataError(
            f"column channel: {row['channel']!r} is none of {', '.join(SIDES)}: write "
            "one of them, or nothing where the recording has one channel"
        )
    speaker = _word(row, "speaker") if "speaker" in columns else None
    if "utt" in columns:
        utt = _word(row, "utt")
    else:
        times = [
            f"{round(time * 1000):07}" for time in (start, end) if time is not None
        ]
        stem = re.sub(r"\s+", "_", wav.stem)
        check_name("column path: the file", stem, "rename it, or add a column utt")
        utt = "-".join(filter(None, [speaker, stem, channel, *times]))
        check_name("column path: the id", utt, "add a column utt with shorter ids")
    return Utterance(
        utt=utt,
        wav=str(wav.resolve()),
        speaker=speaker or utt,
        label=_word(row, "label"),
        text=" ".join(str(row.get("text", "")).split()),
        start=start,
        end=end,
        votes=_votes(row.get("votes", "")),
        channel=channel,
    )


def _word(row: Mapping, column: str) -> str:
    value = str(row[column])
    word = re.sub(r"[\s/]+", "_", value)
    if word != value:
        raise DataError(
            f"column {column}: {value!r} holds a space or slash: write {word}"
        )
    check_name(f"column {column}:", word)
    return nfc(word)


def _votes(votes: str | list) -> tuple[str, ...]:
    if isinstance(votes, list):
        return tuple(_word({"votes": vote}, "votes") for vote in votes)
    return tuple(_word({"votes": vote}, "votes") for vote in str(votes).split())


def _segment(row: Mapping) -> tuple[float, float]:
    times = []
    for column in ("start", "end"):
        try:
            time = float(row[column])
        except (TypeError, ValueError):
            time = math.nan
        if not 0 <= time < math.inf:
            raise DataError(
                f"column {column}: {row[column]!r} is not a time: write seconds, such "
                "as 12.34"
            )
        times.append(round(time, 3))  # as precise as a segments file
    start, end = times
    if end <= start:
        raise DataError(f"column end: {end} is not after start {start}: fix the times")
    return start, end


def make_folds(
    manifest: Manifest, scheme: str, say: Callable[[str], None]
) -> list[Fold]:
    """Make the folds of a manifest.

    Args:
        manifest: The corpus.
        scheme: ``given`` by the column split or fold, ``speaker`` to leave one speaker
            out, or a number k for k folds; empty takes what is given, else speakers.
        say: Where to tell what the manifest leaves open.

    Raises:
        DataError: The manifest does not have what the scheme needs.
    """
    has_given = bool(manifest.utt2split or manifest.utt2fold)
    scheme = scheme or ("given" if has_given else "speaker")
    if scheme == "given" and not has_given:
        raise DataError(
            f"{manifest.path}:1: --folds given needs a column split or fold: add one, "
            "or choose --folds speaker or --folds 5"
        )
    utt2spk = manifest.utt2spk
    if scheme == "speaker" and utt2spk is None:
        raise DataError(
            f"{manifest.path}:1: leaving one speaker out needs a column speaker: add "
            "it, or a column split or fold, or choose --folds 5"
        )
    if manifest.utt2split and scheme == "given":
        return [_given_split(manifest, say)]
    try:
        if scheme == "given":
            return _given_folds(manifest.utt2fold)
        if scheme == "speaker" and utt2spk is not None:
            return leave_one_speaker_out(utt2spk)
        return _k_folds(manifest, int(scheme), say)
    except DataError as error:
        raise DataError(
            f"{manifest.path}: --folds {scheme}: {error}, or give a column split"
        ) from None


def _k_folds(manifest: Manifest, k: int, say: Callable[[str], None]) -> list[Fold]:
    folds = k_fold(manifest.utt2label, manifest.utt2spk, k)
    if manifest.utt2spk is None:
        say(
            "WARNING: the manifest names no speakers: a fold may test speakers that it "
            "trains on, so results will be too good"
        )
    counts = Counter(manifest.utt2label.values())
    if rare := [
        f"{label} {counts[label]}" for label in sorted(counts) if counts[label] < k
    ]:
        say(
            f"WARNING: classes of fewer than {k} utterances are not tested in each of "
            f"{k} folds: {', '.join(rare)}"
        )
    return folds


def _given_folds(utt2fold: Mapping[str, str]) -> list[Fold]:
    folds = leave_one_group_out(utt2fold, what="fold")
    return [dataclasses.replace(f, name=utt2fold[f.test[0]]) for f in folds]


def _given_split(manifest: Manifest, say: Callable[[str], None]) -> Fold:
    train, valid, test = (
        sorted(utt for utt, name in manifest.utt2split.items() if name == part)
        for part in PARTS
    )
    for part, utts in (("train", train), ("test", test)):
        if not utts:
            raise DataError(
                f"{manifest.path}: column split: no row is {part}: add some"
            )
    if not valid:
        labels = {utt: manifest.utt2label[utt] for utt in train}
        train, valid, what = hold_out(labels, manifest.utt2spk)
        say(f"WARNING: no row's split is valid: {what} taken out of train validate")
    return Fold("1", train, valid, test)
