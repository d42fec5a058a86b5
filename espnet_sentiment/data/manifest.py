"""Manifests: a corpus as one table, a labelled utterance a row.

Columns: ``path`` and ``label``; where the corpus has them ``speaker``, ``start`` and
``end`` (seconds), ``channel`` (A or B, 0 or 1), ``text``, ``votes`` (the annotators'
single votes), ``group`` (what content it is of, see ``data.content_folds``), ``utt``
(utterance id), and ``split`` (train, valid, test) or ``fold``
(name of the fold that tests the utterance). Other names of them: ``data.columns``.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.escape import json_text
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.core.names import nfc
from espnet_sentiment.data.class_folders import metadata_table, read_folder
from espnet_sentiment.data.columns import name_rows
from espnet_sentiment.data.content_folds import leave_content_out
from espnet_sentiment.data.encoding import EncodingError
from espnet_sentiment.data.folds import (
    PARTS,
    Fold,
    check_fold_name,
    hold_out,
    k_fold,
    leave_one_group_out,
    leave_one_speaker_out,
    let_train,
)
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.labels import check_classes
from espnet_sentiment.data.recordings import NoRecordingError, Recordings
from espnet_sentiment.data.records import read_table_file
from espnet_sentiment.data.rows import LeftOutError, RowReader
from espnet_sentiment.data.table import Table

RECORD = "manifest.json"  # of a data directory: how its table was read
SPEAKER_AND_GROUP = "speaker+group"
DEFAULT_FOLDS = 5  # where a table names no speakers
LISTED = 20
MANY = 10  # utterances; where so many have a speaker each, speakers are unknown


@dataclasses.dataclass(frozen=True)
class Reading:
    """How to read a manifest.

    Args:
        columns: Its columns by our names, where they are others.
        labels: Classes by its labels; ``""`` leaves rows of a label out.
        skip_missing: So many rows may lack their recordings, and are left out.
        encoding: Of text; None for UTF-8, or what a byte order mark says.
        sheet: Of a spreadsheet; None for the only one that is not empty.
        no_majority: Whether rows may have votes and no label: they train where votes
            are the target, and are not scored.
        layout: Of a folder, see :func:`read_folder`.
        groups: Other columns whose values are kept, by the table's names.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    skip_missing: int = 0
    encoding: str | None = None
    sheet: str | None = None
    no_majority: bool = False
    layout: str | None = None
    groups: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Args:
        path: The file.
        utterances: Its rows; the speaker of an utterance is its id where the manifest
            names none.
        columns: The columns that it has, as they are called here.
        utt2split: Part of every utterance, where it has the column ``split``.
        utt2fold: Fold that tests every utterance, where it has the column ``fold``.
        said: How it was read, a line each, where that is not as it is written.
        record: The same for the data directory: columns, labels, rows left out.
        groups: Of every column that was to be kept, each utterance's value, which may
            be empty.
    """

    path: Path
    utterances: list[Utterance]
    columns: Sequence[str]
    utt2split: Mapping[str, str]
    utt2fold: Mapping[str, str]
    said: Sequence[str]
    record: Mapping
    groups: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def utt2label(self) -> dict[str, str]:
        """Class of every utterance."""
        return {u.utt: u.label for u in self.utterances if u.label is not None}

    @property
    def utt2spk(self) -> dict[str, str] | None:
        """Speaker of every utterance; None if none is named that speaks twice."""
        if "speaker" not in self.columns or _all_differ(self.utterances):
            return None
        return {u.utt: u.speaker for u in self.utterances}

    @property
    def files(self) -> dict[str, str]:
        """What the data directory keeps of how the manifest was read."""
        return {RECORD: json_text(self.record, indent=2) + "\n"}


def read_manifest(
    path: PathLike, audio_dir: PathLike | None = None, reading: Reading | None = None
) -> Manifest:
    """Read a manifest, see the module's docstring for its columns.

    Args:
        path: What :func:`read_table_file` reads, or a folder, as :func:`read_folder`
            does.
        audio_dir: Folder that the paths start from; None for the manifest's own.
        reading: How to read it.

    Raises:
        DataError: As :func:`read_table_file`, or ``audio_dir`` or columns are missing,
            or rows cannot be used; the message names lines, columns and remedies, up to
            20.
    """
    path, reading = Path(path), reading or Reading()
    if audio_dir and not Path(audio_dir).is_dir():
        raise DataError(f"--audio_dir {audio_dir} is no folder: check the path")
    path = _table_in(path, reading)
    read = read_folder(path, reading.layout) if path.is_dir() else _table(path, reading)
    table, taken, said = name_rows(read, reading.columns)
    folder = path if path.is_dir() else path.parent
    folder = Path(audio_dir) if audio_dir else folder
    groups = _groups(read, taken, reading.groups)
    try:
        rows = _Rows(table, folder, reading)
    except DataError as error:
        # Who does not know which columns were taken would look for others.
        raise DataError("\n".join([str(error), *said])) from None
    said = [*read.said, *said, *rows.said()]
    used = {*taken.values(), *groups.values()}
    if ignored := [c for c in read.columns if c not in used]:
        said.append(f"columns without a meaning here: {', '.join(ignored)}")
    return Manifest(
        path,
        list(rows.utterances.values()),
        table.columns,
        rows.given["split"],
        rows.given["fold"],
        said,
        {"table": path.name, "columns": taken, **rows.record()},
        {name: rows.values_of(read, column) for name, column in groups.items()},
    )


def _table_in(path: Path, reading: Reading) -> Path:
    """Return the table that lies in a folder, where one does, else the path.

    Raises:
        DataError: Options are given that are not of what there is.
    """
    if not path.is_dir():
        if reading.layout is not None:
            raise DataError(f"{path} is a table: --layout is of folders: leave it out")
        return path
    if reading.layout is None and not (path / "wav.scp").exists():
        path = metadata_table(path) or path
    if path.is_dir() and (reading.encoding or reading.sheet):
        raise DataError(
            f"{path} is read without a table: --encoding and --sheet are of tables: "
            "leave them out"
        )
    return path


def _table(path: Path, reading: Reading) -> Table:
    try:
        return read_table_file(path, reading.encoding, reading.sheet)
    except EncodingError as error:
        raise DataError(f"{error}, or name it: --encoding cp1252, say") from None


def _groups(
    read: Table, taken: Mapping[str, str], asked: Sequence[str]
) -> dict[str, str]:
    """Find the columns that are to be kept, by our names or the table's own.

    Raises:
        DataError: There is no such column.
    """
    groups, known = {name: taken.get(name, name) for name in asked}, read.columns
    if absent := [name for name, column in groups.items() if column not in known]:
        raise DataError(
            f"{read.path} has no column {', '.join(absent)}, which --by names; there "
            f"are {', '.join(known) or 'none'}: choose of them"
        )
    return groups


def _all_differ(utterances: Sequence[Utterance]) -> bool:
    """Tell whether the speakers are rather names of utterances."""
    n = len({u.speaker for u in utterances})
    return n == len(utterances) >= MANY


class _Rows:
    """The utterances of a table's rows.

    Raises:
        DataError: Rows cannot be used; the message names them.
    """

    def __init__(self, table: Table, folder: Path, reading: Reading):
        self.table = table
        # As names are read.
        labels = {nfc(name): nfc(label) for name, label in reading.labels.items()}
        self.reading = dataclasses.replace(reading, labels=labels)
        self.reader = RowReader(table, Recordings(folder), labels, reading.no_majority)
        self.utterances: dict[str, Utterance] = {}
        self.given: dict[str, dict[str, str]] = {"split": {}, "fold": {}}
        self.unwanted: Counter[str] = Counter()
        self.missing: list[str] = []
        self._places: dict[str, str] = {}
        self._numbers: dict[int, str] = {}  # utterances by their rows' numbers
        self._recordings: dict[str, str] = {}
        errors = []
        for number, row in table.rows:
            place = table.place(number)
            try:
                self._numbers[number] = self._add(place, row)
            except LeftOutError:
                self.unwanted[str(row["label"])] += 1
            except NoRecordingError as error:
                self.missing.append(f"{place}: {error}")
            except DataError as error:
                errors.append(f"{place}: {error}")
        self._check(errors)

    def _add(self, place: str, row: Mapping) -> str:
        utterance = self.reader.read(row)
        utt = utterance.utt
        if utt in self._places:
            raise DataError(self._twice(utterance, self._places[utt]))
        other = self._recordings.setdefault(utterance.recording, utterance.wav)
        if other != utterance.wav:
            raise DataError(
                f"column path: {utterance.wav} is cut and has the file name of "
                f"{other}: rename one of the two"
            )
        part, fold = self.reader.split(row), self.reader.word(row, "fold")
        if fold is not None:
            check_fold_name("column fold", fold)
        self.utterances[utt] = dataclasses.replace(
            utterance, speaker=utterance.speaker or utt
        )
        self._places[utt] = place
        for column, name in (("split", part), ("fold", fold)):
            if name is not None:
                self.given[column][utt] = name
        return utt

    def values_of(self, read: Table, column: str) -> dict[str, str]:
        """Return every utterance's value of a column, as it is written."""
        return {
            self._numbers[number]: str(row.get(column, ""))
            for number, row in read.rows
            if number in self._numbers
        }

    def _twice(self, utterance: Utterance, place: str) -> str:
        """Say what is wrong with a row whose id another one has, and what helps."""
        utt = utterance.utt
        if "utt" in self.table.columns:
            return (
                f"column utt: {utt!r} is also the id of {place}: give each row an id "
                "of its own in this column, or take none, --map utt="
            )
        if utterance.wav == self.utterances[utt].wav:
            return (
                f"column path: this is the recording of {place} once more: take one "
                "of the two rows out"
            )
        return (
            f"column path: the id that the file gives, {utt!r}, is also that of "
            f"{place}: add a column utt, with an id of its own in each row"
        )

    def _check(self, errors: list[str]) -> None:
        path, total = self.table.path, len(self.table.rows)
        n_missing, allowed = len(self.missing), self.reading.skip_missing
        if errors or n_missing > allowed:
            bad = [*errors, *self.missing] if n_missing > allowed else errors
            head = f"{path}: {len(bad)} of {total} rows cannot be used"
            if n_missing > allowed:
                head += (
                    f", {n_missing} because there is no such recording: fix the paths, "
                    "or name with --audio_dir where they start, or leave them out with "
                    f"--skip_missing {n_missing}"
                )
            refuse(head, bad)
        if not self.utterances:
            raise DataError(f"{path} has no rows: write one for each utterance")

    def said(self) -> list[str]:
        """Say how rows were read, and which are left out."""
        said = self.reader.said()
        utterances = [*self.utterances.values()]
        if "speaker" in self.table.columns and _all_differ(utterances):
            said.append(
                f"WARNING: column speaker: each of {len(utterances)} utterances has a "
                "speaker of its own: speakers are taken as unknown"
            )
        if self.unwanted:
            counts = ", ".join(f"{k} {n}" for k, n in sorted(self.unwanted.items()))
            said.append(f"rows left out by --map_label: {counts}")
        absent = [k for k in self.reading.labels if k not in self.reader.mapped]
        if absent:
            said.append(
                "WARNING: --map_label names labels that no row has: "
                f"{', '.join(absent)}"
            )
        if self.missing:
            more = len(self.missing) - LISTED
            said.append(
                f"WARNING: {len(self.missing)} of {len(self.table.rows)} rows are left "
                f"out, of which {RECORD} lists all, because there is no such recording"
            )
            said += self.missing[:LISTED]
            said += [f"... and {more} more"] * (more > 0)
        return said

    def _is_used(self, label: str) -> bool:
        return nfc(label) in self.reader.labels or label in self.reader.mapped

    def record(self) -> dict:
        """Describe what differs from the table."""
        names, reader = self.reader.names.changed, self.reader
        labels = {**names.get("label", {}), **self.reading.labels}
        return {
            "labels": {k: labels[k] for k in sorted(labels) if self._is_used(k)},
            "names": {k: v for k, v in names.items() if k != "label"},
            "splits": reader.splits,
            "left_out": {"by_label": dict(self.unwanted), "missing": self.missing},
        }


def make_folds(
    manifest: Manifest, scheme: str, say: Callable[[str], None]
) -> list[Fold]:
    """Make the folds of a manifest.

    Args:
        manifest: The corpus.
        scheme: ``given`` by the column split or fold, ``speaker`` to leave one speaker
            out, ``speaker+group`` to leave the tested groups out, too, or a number k
            for k folds; empty takes what is given, else speakers, else five folds.
        say: Where to tell what the manifest leaves open.

    Raises:
        DataError: The labels are no classes to tell apart, or the manifest does not
            have what the scheme needs.
    """
    check_classes(
        f"{manifest.path}: column {manifest.record['columns']['label']}",
        manifest.utt2label,
        ", by --map label=COLUMN, or --map_label 0=anger,1=joy (or a file of that)",
    )
    if scheme == SPEAKER_AND_GROUP:
        return _leave_groups_out(manifest, say)
    if undecided := [u for u in manifest.utterances if u.label is None]:
        return _with_undecided(manifest, undecided, scheme, say)
    has_given = bool(manifest.utt2split or manifest.utt2fold)
    utt2spk = manifest.utt2spk
    if not scheme and not has_given and utt2spk is None:
        scheme = _default_folds(manifest)
        say(
            f"WARNING: no column names speakers, split or fold: --folds {scheme} is "
            "taken"
        )
    scheme = scheme or ("given" if has_given else "speaker")
    if not re.fullmatch("given|speaker|[1-9][0-9]*", scheme):
        raise DataError(
            f"--folds {scheme}: choose given, speaker, {SPEAKER_AND_GROUP}, or a "
            "number of folds, 5, say"
        )
    if scheme == "given" and not has_given:
        raise DataError(
            f"{manifest.path}:1: --folds given needs a column split or fold: add one, "
            "or choose --folds speaker or --folds 5"
        )
    if scheme == "speaker" and utt2spk is None:
        raise DataError(
            f"{manifest.path}:1: leaving one speaker out needs a column speaker, in "
            "which some speak twice: add it, or a column split or fold, or choose "
            "--folds 5"
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


def _leave_groups_out(manifest: Manifest, say: Callable[[str], None]) -> list[Fold]:
    """Leave one speaker out, and of the others what is of the tested groups."""
    without = [u.utt for u in manifest.utterances if u.group is None]
    if without:
        raise DataError(
            f"{manifest.path}: --folds {SPEAKER_AND_GROUP} needs a column group, and a "
            f"name in every row; {len(without)} have none, {without[0]} first: fill it "
            "in, or name the column, --map group=COLUMN"
        )
    folds = make_folds(manifest, "speaker", say)
    try:
        groups = {u.utt: u.group or "" for u in manifest.utterances}
        return leave_content_out(folds, groups)
    except DataError as error:
        raise DataError(
            f"{manifest.path}: --folds {SPEAKER_AND_GROUP}: {error}"
        ) from None


def _with_undecided(
    manifest: Manifest,
    undecided: Sequence[Utterance],
    scheme: str,
    say: Callable[[str], None],
) -> list[Fold]:
    """Make the folds of what has a label; let the rest train as it is kept apart."""
    extra = {u.utt for u in undecided}

    def decided(named: Mapping[str, str]) -> dict[str, str]:
        return {utt: name for utt, name in named.items() if utt not in extra}

    labelled = dataclasses.replace(
        manifest,
        utterances=[u for u in manifest.utterances if u.utt not in extra],
        utt2split=decided(manifest.utt2split),
        utt2fold=decided(manifest.utt2fold),
    )
    folds = make_folds(labelled, scheme, say)
    given = scheme in ("", "given")
    by_split = given and bool(manifest.utt2split)
    free = undecided
    if by_split:
        free = [u for u in undecided if manifest.utt2split[u.utt] == "train"]
        if labelled.utt2spk is not None and "valid" not in labelled.utt2split.values():
            # Whole speakers may have been taken out of train.
            valid = {labelled.utt2spk[utt] for utt in folds[0].valid}
            free = [u for u in free if u.speaker not in valid]
    everyone = [*labelled.utterances, *free]
    if given and manifest.utt2fold and not by_split:
        groups = {u.utt: manifest.utt2fold[u.utt] for u in everyone}
    elif labelled.utt2spk is not None and not by_split:
        groups = {u.utt: u.speaker for u in everyone}
    else:
        groups = {u.utt: u.utt for u in everyone}
    folds = let_train(folds, groups)
    trained = {utt for fold in folds for utt in fold.no_majority}
    say(
        f"{len(extra)} rows have no label: {len(trained)} train where votes are the "
        f"target, {len(extra) - len(trained)} never; none is scored"
    )
    return folds


def _default_folds(manifest: Manifest) -> str:
    counts = Counter(manifest.utt2label.values())
    return str(max(3, min(DEFAULT_FOLDS, max(counts.values()))))


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
