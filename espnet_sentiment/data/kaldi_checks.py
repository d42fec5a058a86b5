"""Faults of a Kaldi data directory: all of them at once, each with its file and line.

Whether a table has any is asked of all of it, fast; only where it has some is it gone
through line by line.
"""

import math
import os
import re
from collections.abc import Collection, Container, Iterable, Mapping
from pathlib import Path

from espnet_sentiment.core.names import is_name, name_fault, nfc, short
from espnet_sentiment.data.kaldi_table import Table
from espnet_sentiment.data.mono import SIDES
from espnet_sentiment.data.times import number
from espnet_sentiment.data.votes import VoteError, counted_votes

TO_THE_END = -1  # Kaldi's end of a segment that ends with its recording
# What Kaldi's extract-segments calls the channels, and we the sides.
CHANNELS = {side: side for side in SIDES} | {"0": "A", "1": "B"}
RENAME = "rename it where it comes from and run stage 0 again"
IN_ARK = re.compile(r"(?P<ark>.+\.ark):\d+")


def faults_of(tables: Mapping[str, Table], classes: Collection[str]) -> list[str]:
    """Return what is wrong with the tables of a data directory.

    Args:
        tables: All tables by name; those that the directory lacks are empty.
        classes: The labels that are allowed.
    """
    segments, utt2spk = tables["segments"], tables["utt2spk"]
    audio = segments if segments.values else tables["wav.scp"]
    faults = []
    for table in tables.values():
        faults += table.repeated()
        faults += _key_faults(table)
    faults += _path_faults(tables["wav.scp"])
    faults += _segment_faults(segments, tables["wav.scp"].values)
    faults += _channel_faults(tables["reco2file_and_channel"], tables["wav.scp"])
    if not utt2spk.values:
        faults.append(f"{utt2spk.path} is empty: write a line for each utterance")
    faults += _word_faults(utt2spk, "speaker")
    for name in ("utt2spk", "text", "utt2label", "utt2votes", "utt2group"):
        faults += _silent_faults(tables[name], audio)
    faults += _unspoken_faults(audio, utt2spk)
    faults += _speaker_faults(tables["spk2utt"], utt2spk)
    faults += _word_faults(tables["utt2label"], "label")
    faults += _word_faults(tables["utt2group"], "group")
    faults += _label_faults(tables["utt2label"], tables["classes"].path, classes)
    faults += _class_faults(tables["classes"])
    return faults + _vote_faults(tables["utt2votes"], set(classes))


# What the first column of each table names.
KEYS = {
    "wav.scp": "recording",
    "segments": "utterance",
    "reco2file_and_channel": "recording",
    "utt2spk": "utterance",
    "text": "utterance",
    "spk2utt": "speaker",
    "utt2label": "utterance",
    "utt2votes": "utterance",
    "utt2group": "utterance",
    "classes": "class",
}


def _key_faults(table: Table) -> list[str]:
    return _name_faults(table, f"the {KEYS[table.name]}", table.values)


def _name_faults(table: Table, what: str, keys: Iterable[str]) -> list[str]:
    bad = {key for key in keys if not is_name(key)}
    if not bad:
        return []
    return table.faults(
        lambda key, _: f"{what} {name_fault(key)}: {RENAME}" if key in bad else None
    )


def _word_faults(table: Table, what: str) -> list[str]:
    """Return the lines whose value is not one name."""
    faults: dict[str, str] = {}
    for value in set(table.values.values()):
        if not value:
            faults[value] = f"has no {what}: write it after the id"
        elif len(value.split()) > 1:
            word = "_".join(value.split())
            faults[value] = (
                f"has the {what} {short(value)}, which holds spaces: write {word}"
            )
        elif fault := name_fault(value):
            faults[value] = f"has the {what} {fault}: {RENAME}"
    if not faults:
        return []
    return table.faults(
        lambda key, value: (
            f"utterance {key} {faults[value]}" if value in faults else None
        )
    )


def _path_faults(wav_scp: Table) -> list[str]:
    """Return the recordings that are no files by their names."""
    if not any(map(path_fault, wav_scp.values.values())):
        return []

    def tell(key: str, value: str) -> str | None:
        fault = path_fault(value)
        return fault and f"recording {key} {fault}"

    return wav_scp.faults(tell)


def path_fault(value: str) -> str | None:
    """Say why an entry of ``wav.scp`` is not the path of a file; None if it may be.

    Of what Kaldi reads, a command that is run, standard input and a place in an ark are
    no files.
    """
    if not value:
        return "has no path: write it after the id"
    if value[0] != "|" and value[-1] not in "|-" and ".ark:" not in value:
        return None
    if os.path.isfile(value):
        return None
    if value == "-":
        return "is standard input, which is not read: write a file, and its path here"
    if "|" in (value[0], value[-1]):
        command = value.strip("| ")
        return (
            f"is a command, {short(value)}, and is not run: run it once into a file, "
            f"{command} > FILE.wav, and write that file's path here"
        )
    if IN_ARK.fullmatch(value):
        return (
            f"lies in an ark, {short(value)}, which is not read for audio: write a "
            f'file, python -c "import kaldiio, soundfile; rate, samples = kaldiio.'
            f"load_mat('{value}'); soundfile.write('FILE.wav', samples, rate)\", and "
            "its path here"
        )
    return None


def _segment_faults(segments: Table, recordings: Container[str]) -> list[str]:
    if not any(segment_fault(v, recordings) for v in segments.values.values()):
        return []

    def tell(key: str, value: str) -> str | None:
        fault = segment_fault(value, recordings)
        return fault and f"utterance {key} {fault}"

    return segments.faults(tell)


def segment_fault(value: str, recordings: Container[str]) -> str | None:
    """Say what is wrong with a line of ``segments`` after its id; None if nothing.

    Args:
        value: ``recording start end``, times in seconds, and Kaldi's channel, 0 or 1,
            if the line has one. The end -1 is that of the recording.
        recordings: Those that there are.
    """
    fields = value.split()
    if len(fields) not in (3, 4):
        return (
            f"has {len(fields) + 1} fields: write the utterance, its recording, start "
            "and end in seconds and, if need be, the channel, 0 or 1"
        )
    if nfc(fields[0]) not in recordings:
        return (
            f"is cut out of the recording {short(fields[0])}, which wav.scp lacks: add "
            "it there, or fix the name"
        )
    start, end = map(number, fields[1:3])
    for what, time, text in (("start", start, fields[1]), ("end", end, fields[2])):
        if not math.isfinite(time):
            return (
                f"has the {what} {text!r}, which is no time: write seconds with a "
                "point, such as 12.34"
            )
    if start < 0:
        return f"starts at {fields[1]} s, before its recording: write 0 or later"
    if end <= start and end != TO_THE_END:
        return f"ends at {fields[2]} s, not after its start, {fields[1]} s: fix them"
    if fields[3:] and fields[3] not in CHANNELS:
        return f"has the channel {fields[3]!r}: write 0 for the first, 1 for the second"
    return None


def _channel_faults(channels: Table, wav_scp: Table) -> list[str]:
    def tell(key: str, value: str) -> str | None:
        fields = value.split()
        if len(fields) != 2 or fields[1] not in SIDES:
            return (
                f"recording {key} has {value!r}: write the file's name and the "
                f"channel, {' or '.join(SIDES)}"
            )
        if key not in wav_scp.values:
            return (
                f"recording {key} is not in wav.scp: take the line out, or add its file"
            )
        return None

    return channels.faults(tell)


def _silent_faults(table: Table, audio: Table) -> list[str]:
    """Return the utterances without audio."""
    if not (silent := table.values.keys() - audio.values.keys()):
        return []
    return table.faults(
        lambda key, _: (
            f"utterance {key} has no audio in {audio.name}: fix its id, add its audio, "
            "or take the line out"
            if key in silent
            else None
        )
    )


def _unspoken_faults(audio: Table, utt2spk: Table) -> list[str]:
    """Return the utterances without a speaker, which would be left out unsaid."""
    if not (unspoken := audio.values.keys() - utt2spk.values.keys()):
        return []
    return audio.faults(
        lambda key, _: (
            f"utterance {key} has no speaker in utt2spk: add its line there (of an "
            "unknown speaker, the utterance's id again), or take this one out"
            if key in unspoken
            else None
        )
    )


def _speaker_faults(spk2utt: Table, utt2spk: Table) -> list[str]:
    """Return where ``spk2utt``, if there is one, contradicts ``utt2spk``."""
    if not spk2utt.values:
        return []
    listed = {
        nfc(utt): speaker
        for speaker, utts in spk2utt.values.items()
        for utt in utts.split()
    }
    known = {utt: nfc(speaker) for utt, speaker in utt2spk.values.items()}
    if listed == known:
        return []
    remedy = "fix the wrong one of the two tables, or delete spk2utt: nothing needs it"

    def tell(speaker: str, utts: str) -> str | None:
        other = [u for u in map(nfc, utts.split()) if known.get(u) != speaker]
        if not other:
            return None
        whose = known.get(other[0])
        said = "has no line" if whose is None else f"is of speaker {whose}"
        more = f" (and {len(other) - 1} more of this line)" if len(other) > 1 else ""
        return f"utterance {other[0]}{more} {said} in utt2spk: {remedy}"

    faults = spk2utt.faults(tell)
    unlisted = known.keys() - listed.keys()
    return faults + utt2spk.faults(
        lambda utt, _: (
            f"utterance {utt} is not in spk2utt: {remedy}" if utt in unlisted else None
        )
    )


def _label_faults(
    utt2label: Table, classes_file: Path, classes: Collection[str]
) -> list[str]:
    labels = {label for label in set(utt2label.values.values()) if is_word(label)}
    unknown = {label for label in labels if nfc(label) not in classes}
    if not unknown:
        return []
    listed = ", ".join(classes)
    return utt2label.faults(
        lambda key, label: (
            f"utterance {key} has the unknown label {label!r}; the classes are "
            f"{listed}: fix the label, or add it to {classes_file}"
            if label in unknown
            else None
        )
    )


def is_word(text: str) -> bool:
    """Tell whether a text is one word."""
    return len(text.split()) == 1


def _class_faults(classes: Table) -> list[str]:
    return classes.faults(
        lambda key, rest: (
            f"the class {f'{key} {rest}'!r} holds spaces: write "
            f"{'_'.join([key, *rest.split()])}"
            if rest
            else None
        )
    )


def _vote_faults(utt2votes: Table, classes: Container[str]) -> list[str]:
    votes = {v for votes in set(utt2votes.values.values()) for v in votes.split()}
    bad = {v: fault for v in votes if (fault := _vote_fault(v, classes)) is not None}
    if not bad:
        return []

    def tell(key: str, value: str) -> str | None:
        found = [vote for vote in value.split() if vote in bad]
        return f"utterance {key} {bad[found[0]]}" if found else None

    return utt2votes.faults(tell)


def _vote_fault(vote: str, classes: Container[str]) -> str | None:
    if not is_name(vote):
        return f"has the vote {name_fault(vote)}: {RENAME}"
    try:
        list(counted_votes(nfc(vote), classes))
    except VoteError as error:
        return str(error)
    return None
