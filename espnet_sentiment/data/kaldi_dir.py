"""Kaldi data directories of labelled utterances.

``data/<set>/`` holds ``wav.scp text utt2spk spk2utt utt2label``, the list ``classes``
of the labels that are allowed and, where the corpus has them, ``segments utt2votes
utt2group reco2file_and_channel``; see https://kaldi-asr.org/doc/data_prep.html for the
shared files. One that stage 0 did not write needs ``wav.scp`` and ``utt2spk``, for
sentiment ``utt2label``; without ``classes``, its labels are all that are allowed. Other
files that Kaldi or ESPnet leave there mean nothing here.

Names are in Unicode's form NFC, however they come in; paths stay as they are.
"""

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike, write_table
from espnet_sentiment.core.names import as_word, name_fault, nfc
from espnet_sentiment.core.stamp import DONE, check_ended
from espnet_sentiment.data.audio import hear
from espnet_sentiment.data.kaldi_checks import (
    CHANNELS,
    KEYS,
    TO_THE_END,
    faults_of,
    is_word,
    path_fault,
    segment_fault,
)
from espnet_sentiment.data.kaldi_table import Table, read_kaldi_table
from espnet_sentiment.data.mono import SIDES, Heard

SAMPLE_RATE = 16000  # Hz, at which stages read audio


@dataclasses.dataclass(frozen=True)
class Utterance:
    """One labelled utterance; its names are taken in NFC.

    Args:
        utt: Utterance id; by Kaldi's custom it starts with the speaker.
        wav: Path of the recording.
        speaker: Speaker id.
        label: Class name without spaces; None for a transcribed-only utterance.
        text: Transcript, may be empty.
        start: Start in the recording in seconds; None takes the whole recording.
        end: End in the recording in seconds; -1 is that of the recording.
        votes: The annotators' single votes.
        channel: Side of a two-channel recording, ``A`` or ``B``; None for others.
        conversation: Conversation that it is of, where the corpus tells, and its
            recording does not: see :mod:`espnet_sentiment.data.overlap`.
        group: What content it is of, a sentence or a scenario, see
            :mod:`espnet_sentiment.data.content_folds`; one word.
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
    conversation: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        for name in ("utt", "speaker", "label", "group"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, nfc(given))
        if self.votes:
            object.__setattr__(self, "votes", tuple(map(nfc, self.votes)))

    @property
    def file(self) -> str:
        """Name of the recording, with neither folder nor extension, as one word."""
        return as_word(Path(self.wav).stem)

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
        DataError: No utterance, a duplicate id, an id or label with a space, a
            character that nobody sees or too many, an unknown channel, impossible
            times, or a recording that does not exist; the message names all, up to 20.
    """
    path = Path(path)
    utterances = sorted(utterances, key=lambda u: u.utt)
    if not utterances:
        raise DataError(f"{path}: no utterance was found: check the corpus path")
    if faults := _faults(utterances):
        refuse(f"{path}: nothing is written, because of {len(faults)} faults", faults)
    spk2utt = defaultdict(list)
    for u in utterances:
        spk2utt[u.speaker].append(u.utt)
    tables: dict[str, dict[str, str]] = {
        "wav.scp": {u.recording: u.wav for u in utterances},
        # A line break would end the row; blanks mean nothing in a transcript.
        "text": {u.utt: " ".join(u.text.split()) for u in utterances},
        "utt2spk": {u.utt: u.speaker for u in utterances},
        "spk2utt": {speaker: " ".join(utts) for speaker, utts in spk2utt.items()},
        "utt2label": {u.utt: u.label for u in utterances if u.label is not None},
        "utt2votes": {u.utt: " ".join(u.votes) for u in utterances if u.votes},
        "utt2group": {u.utt: u.group for u in utterances if u.group is not None},
        "classes": {u.label: "" for u in utterances if u.label is not None},
        "segments": {u.utt: _segment(u) for u in utterances if u.start is not None},
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


def speakers_known(utts: Iterable[str], utt2spk: Mapping[str, str]) -> bool:
    """Tell whether every utterance's speaker is known: not called as it is."""
    return all(utt2spk[utt] != utt for utt in utts)


def _segment(u: Utterance) -> str:
    end = TO_THE_END if u.end is None else u.end
    return f"{u.recording} {u.start:.3f} {end:.3f}"


def _faults(utterances: list[Utterance]) -> list[str]:
    faults = [
        f"utterance id {utt!r} occurs {count} times: give each one of its own"
        for utt, count in Counter(u.utt for u in utterances).items()
        if count > 1
    ]
    recordings: dict[str, str] = {}
    for u in utterances:
        faults += _utterance_faults(u)
        if recordings.setdefault(u.recording, u.wav) != u.wav:
            faults.append(
                f"two recordings share the id {u.recording!r}, {u.wav} and "
                f"{recordings[u.recording]}: rename one of the files"
            )
    return faults + [
        f"{wav} does not exist: check the path, or leave its utterances out"
        for wav in dict.fromkeys(recordings.values())
        if not os.path.isfile(wav)  # which no path is too long for
    ]


def _utterance_faults(u: Utterance) -> Iterator[str]:
    if not is_word(u.utt) or not is_word(u.speaker):
        yield f"ids may not be empty or hold spaces: {u}: rename it"
    if u.label is not None and not is_word(u.label):
        yield f"utterance {u.utt}: bad label {u.label!r}: write one word"
    if u.group is not None and not is_word(u.group):
        yield f"utterance {u.utt}: bad group {u.group!r}: write one word"
    for vote in u.votes:
        if not is_word(vote):
            yield f"utterance {u.utt}: bad vote {vote!r}: write one word"
    yield from name_faults(u)
    if u.channel is not None and u.channel not in SIDES:
        yield f"utterance {u.utt}: bad channel {u.channel!r}: write A or B"
    if u.start is not None and (fault := segment_fault(_segment(u), [u.recording])):
        yield f"utterance {u.utt} {fault}"
    for what, text in (("text", u.text), ("path", u.wav)):
        try:
            text.encode()
        except UnicodeEncodeError:
            yield (
                f"utterance {u.utt}: its {what} {text!r} cannot be written as UTF-8: "
                + ("rename the file" if what == "path" else "write it anew")
            )
    if u.wav != u.wav.strip() or "\n" in u.wav or "\r" in u.wav:
        yield (
            f"utterance {u.utt}: the path {u.wav!r} begins or ends in a blank, or has "
            "a line break: rename the file"
        )
    elif fault := path_fault(u.wav):
        yield f"utterance {u.utt} {fault}"


def name_faults(u: Utterance) -> Iterator[str]:
    """Say which of an utterance's names cannot be one, and what to do about it."""
    named = [("speaker", u.speaker), ("label", u.label or ""), ("utterance id", u.utt)]
    named.append(("group", u.group or ""))
    for what, name in [*named, *(("vote", vote) for vote in u.votes)]:
        if fault := name_fault(name):
            yield f"the {what} {fault}: rename it"
    if u.start is not None and (fault := name_fault(u.recording)):
        yield f"the recording {fault}: rename the file"


def check_names(where: str, u: Utterance) -> None:
    """Refuse an utterance one of whose names nobody sees, or no file can have.

    Args:
        where: What comes before the name in messages: the file, or its line.
        u: The utterance.

    Raises:
        DataError: Its id, speaker, label, a vote, or the name of its recording is such.
    """
    for fault in name_faults(u):
        raise DataError(f"{where} {fault}")


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
    utt2group: dict[str, str]
    classes: list[str]
    channels: dict[str, str]

    @property
    def utts(self) -> list[str]:
        """Utterance ids, sorted."""
        return list(self.utt2spk)


def read_kaldi_dir(path: PathLike) -> KaldiDir:
    """Read a Kaldi data directory.

    Raises:
        DataError: A table is missing, or stage 0 was interrupted; or lines of tables
            cannot be used or do not fit the others: the message names all, up to 20.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path} does not exist: run stage 0 (data preparation)")
    check_ended(path / DONE, "stage 0 (data preparation)")
    tables = {
        name: read_kaldi_table(path / name, name in ("wav.scp", "utt2spk"))
        for name in KEYS
    }
    values = {name: _sorted(table) for name, table in tables.items()}
    labels = values["utt2label"]
    listed = values["classes"] or dict.fromkeys(sorted(set(labels.values())))
    classes = list(listed) if labels else []
    if faults := faults_of(tables, classes):
        are = "is 1 fault" if len(faults) == 1 else f"are {len(faults)} faults"
        remedy = ": mend them, or rerun stage 0" if (path / DONE).exists() else ""
        refuse(f"{path}: there {are}{remedy}", faults)
    return KaldiDir(
        path=path,
        wav_scp=values["wav.scp"],
        text=values["text"],
        utt2spk=values["utt2spk"],
        utt2label=labels,
        segments=values["segments"],
        utt2votes=values["utt2votes"],
        utt2group=values["utt2group"],
        classes=classes,
        channels={
            recording: row.split()[1]
            for recording, row in values["reco2file_and_channel"].items()
        },
    )


def _sorted(table: Table) -> dict[str, str]:
    """Sort a table, names among its values in NFC; paths and texts as they are."""
    as_it_is = table.name in ("wav.scp", "text")
    form = str if as_it_is else nfc
    return {key: form(table.values[key]) for key in sorted(table.values)}


class UtteranceAudio(NamedTuple):
    """Path and channel; times in seconds, None for the file's start or end."""

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
    """Find an utterance's recording.

    ``segments`` goes before ``reco2file_and_channel``, and both go before channel.
    """
    if not data.segments:
        return UtteranceAudio(data.wav_scp[utt], data.channels.get(utt, channel))
    name, start, end, *side = data.segments[utt].split()
    channel = CHANNELS[side[0]] if side else data.channels.get(name, channel)
    until = None if float(end) == TO_THE_END else float(end)
    return UtteranceAudio(data.wav_scp[name], channel, float(start), until)
