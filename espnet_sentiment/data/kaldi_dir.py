"""Kaldi data directories of labelled utterances.

``data/<set>/`` holds ``wav.scp text utt2spk spk2utt utt2label``, the list ``classes``
of the labels that are allowed and, where the corpus has them, ``segments utt2votes
reco2file_and_channel``; see https://kaldi-asr.org/doc/data_prep.html for the shared
files.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, read_table, write_table
from espnet_sentiment.core.names import check_seen
from espnet_sentiment.core.stamp import DONE, check_ended
from espnet_sentiment.data.audio import hear
from espnet_sentiment.data.mono import SIDES, Heard

SAMPLE_RATE = 16000  # Hz, at which stages read audio
REMEDY = "rename it where it comes from and run stage 0 again"


@dataclasses.dataclass(frozen=True)
class Utterance:
    """One labelled utterance.

    Args:
        utt: Utterance id; by Kaldi's custom it starts with the speaker.
        wav: Path of the recording.
        speaker: Speaker id.
        label: Class name without spaces; None for a transcribed-only utterance.
        text: Transcript, may be empty.
        start: Start in the recording in seconds; None takes the whole recording.
        end: End in the recording in seconds.
        votes: The annotators' single votes.
        channel: Side of a two-channel recording, ``A`` or ``B``; None for others.
    """

    utt: str
    wav: str
    speaker: str
    label: str | None = None
    text: str = ""
    start: float | None = None
    end: float | None = None
    votes: Sequence[str] = ()
    channel: str | None = None

    @property
    def file(self) -> str:
        """Name of the recording, with neither folder nor extension."""
        return Path(self.wav).stem

    @property
    def recording(self) -> str:
        """Recording id: the utterance's own, or the file and side when it is cut."""
        if self.start is None:
            return self.utt
        return f"{self.file}-{self.channel}" if self.channel else self.file


def write_kaldi_dir(path: PathLike, utterances: Iterable[Utterance]) -> list[Path]:
    """Validate utterances and write their Kaldi data directory, sorted.

    Returns:
        The files that were written.

    Raises:
        DataError: No utterance, a duplicate id, an id or label with a space or a
            character that nobody sees, an unknown channel, or a recording that does
            not exist.
    """
    path = Path(path)
    utterances = sorted(utterances, key=lambda u: u.utt)
    _validate(path, utterances)
    spk2utt = defaultdict(list)
    for u in utterances:
        spk2utt[u.speaker].append(u.utt)
    tables: dict[str, dict[str, str]] = {
        "wav.scp": {u.recording: u.wav for u in utterances},
        "text": {u.utt: u.text for u in utterances},
        "utt2spk": {u.utt: u.speaker for u in utterances},
        "spk2utt": {speaker: " ".join(utts) for speaker, utts in spk2utt.items()},
        "utt2label": {u.utt: u.label for u in utterances if u.label is not None},
        "utt2votes": {u.utt: " ".join(u.votes) for u in utterances if u.votes},
        "classes": {u.label: "" for u in utterances if u.label is not None},
        "segments": {
            u.utt: f"{u.recording} {u.start:.3f} {u.end:.3f}"
            for u in utterances
            if u.start is not None
        },
        "reco2file_and_channel": {
            u.recording: f"{u.file} {u.channel}" for u in utterances if u.channel
        },
    }
    for name, rows in tables.items():
        if rows:
            write_table(path / name, rows)
        else:
            (path / name).unlink(missing_ok=True)
    return [path / name for name, rows in tables.items() if rows]


def _validate(path: Path, utterances: list[Utterance]) -> None:
    if not utterances:
        raise DataError(f"{path}: no utterance was found: check the corpus path")
    for utt, count in Counter(u.utt for u in utterances).items():
        if count > 1:
            raise DataError(f"{path}: utterance id {utt!r} occurs {count} times")
    recordings: dict[str, str] = {}
    for u in utterances:
        if len(u.utt.split()) != 1 or len(u.speaker.split()) != 1:
            raise DataError(f"{path}: ids may not be empty or hold spaces: {u}")
        if u.label is not None and len(u.label.split()) != 1:
            raise DataError(f"{path}: utterance {u.utt}: bad label {u.label!r}")
        check_names(f"{path}:", u)
        if u.channel is not None and u.channel not in SIDES:
            raise DataError(f"{path}: utterance {u.utt}: bad channel {u.channel!r}")
        if recordings.setdefault(u.recording, u.wav) != u.wav:
            raise DataError(
                f"{path}: two recordings share the id {u.recording!r}: "
                f"{recordings[u.recording]} and {u.wav}"
            )
    for wav in recordings.values():
        if not Path(wav).is_file():
            raise DataError(f"{wav} does not exist, but {path} needs it")


def check_names(where: str, u: Utterance) -> None:
    """Refuse an utterance one of whose names has a character that nobody sees.

    Args:
        where: What comes before the name in messages: the file, or its line.
        u: The utterance.

    Raises:
        DataError: Its id, speaker, label, a vote, or the name of its recording has one.
    """
    named = [("speaker", u.speaker), ("label", u.label or ""), ("utterance id", u.utt)]
    for what, name in [*named, *(("vote", vote) for vote in u.votes)]:
        check_seen(f"{where} the {what}", name, "rename it")
    if u.start is not None:
        check_seen(f"{where} the recording", u.recording, "rename the file")


@dataclasses.dataclass(frozen=True)
class KaldiDir:
    """The tables of a Kaldi data directory, keys sorted.

    ``channels`` holds the sides of ``reco2file_and_channel`` by recording.
    """

    path: Path
    wav_scp: dict[str, str]
    text: dict[str, str]
    utt2spk: dict[str, str]
    utt2label: dict[str, str]
    segments: dict[str, str]
    utt2votes: dict[str, str]
    classes: list[str]
    channels: dict[str, str]

    @property
    def utts(self) -> list[str]:
        """Utterance ids, sorted."""
        return list(self.utt2spk)


def read_kaldi_dir(path: PathLike) -> KaldiDir:
    """Read a Kaldi data directory.

    Raises:
        DataError: A table is missing or does not fit the others, a name in it has a
            character that nobody sees, or stage 0 was interrupted.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path} does not exist: run stage 0 (data preparation)")
    check_ended(path / DONE, "stage 0 (data preparation)")

    def optional(name):
        return read_table(path / name) if (path / name).exists() else {}

    tables = KaldiDir(
        path=path,
        wav_scp=read_table(path / "wav.scp"),
        text=optional("text"),
        utt2spk=read_table(path / "utt2spk"),
        utt2label=(labels := optional("utt2label")),
        segments=optional("segments"),
        utt2votes=optional("utt2votes"),
        classes=sorted(read_table(path / "classes") if labels else []),
        channels=_channels(path / "reco2file_and_channel"),
    )
    _check_tables(tables)
    keys = tables.segments or tables.wav_scp
    for name, rows in [("utt2spk", tables.utt2spk), ("utt2label", tables.utt2label)]:
        for utt in rows:
            if utt not in keys:
                raise DataError(
                    f"{path / name}: utterance {utt} has no audio in "
                    f"{'segments' if tables.segments else 'wav.scp'}: "
                    "fix the table or rerun stage 0"
                )
    for utt, label in tables.utt2label.items():
        if label not in tables.classes:
            raise DataError(
                f"{path / 'utt2label'}: utterance {utt} has the unknown label "
                f"{label!r}; the classes are {', '.join(tables.classes)}: fix the "
                f"label, or add it to {path / 'classes'}"
            )
    return tables


def _check_tables(tables: KaldiDir) -> None:
    """Refuse names with a character that nobody sees: ids, speakers and labels."""
    path = tables.path
    for table, what, names in (
        ("wav.scp", "recording", tables.wav_scp),
        ("segments", "utterance", tables.segments),
        ("utt2spk", "utterance", tables.utt2spk),
        ("utt2spk", "speaker", tables.utt2spk.values()),
        ("utt2label", "label", tables.utt2label.values()),
        ("utt2votes", "votes", tables.utt2votes.values()),
        ("classes", "class", tables.classes),
    ):
        for name in names:
            check_seen(f"{path / table}: the {what}", name, REMEDY)


def _channels(table: Path) -> dict[str, str]:
    channels = {}
    for recording, row in (read_table(table) if table.exists() else {}).items():
        fields = row.split()
        if len(fields) != 2 or fields[1] not in SIDES:
            raise DataError(
                f"{table}: recording {recording} has {row!r}: write the file's name "
                f"and the channel, {' or '.join(SIDES)}"
            )
        channels[recording] = fields[1]
    return channels


class UtteranceAudio(NamedTuple):
    """Path and channel; times in seconds, None for all of the file."""

    path: str
    channel: str | None
    start: float | None = None
    end: float | None = None

    def read(self) -> np.ndarray:
        """Read the samples (N,), mono at 16 kHz.

        Raises:
            DataError: As :func:`espnet_sentiment.data.audio.hear`.
        """
        return self.hear().samples

    def hear(self) -> Heard:
        """Read the samples, and what a person should know of them."""
        return hear(self.path, SAMPLE_RATE, *self[1:])


def utterance_audio(data: KaldiDir, utt: str, channel: str | None) -> UtteranceAudio:
    """Find an utterance's recording; ``reco2file_and_channel`` goes before channel."""
    name, *times = data.segments[utt].split() if data.segments else [utt]
    side = data.channels.get(name, channel)
    return UtteranceAudio(data.wav_scp[name], side, *map(float, times))
