"""Kaldi's ``segments``, with ``utt2spk``, and ``text`` and ``utt2label`` if they exist.

``<utterance> <recording> <start> <end> [<channel>]``, in seconds; the channel counts
from 0, as in Kaldi's extract-segments and in this project's data directories, or is A
or B. An end of -1 is the recording's. Where ``utt2spk`` names an utterance by itself,
nobody knows who speaks. Source: https://kaldi-asr.org/doc/data_prep.html.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import fields_of, write_table
from espnet_sentiment.core.names import nfc
from espnet_sentiment.turns.channel_fields import ChannelFields
from espnet_sentiment.turns.found import Found, Wanted, known_name, seconds
from espnet_sentiment.turns.pick import pick
from espnet_sentiment.turns.source import lines_of, read_text
from espnet_sentiment.turns.turn import Turn

SEGMENTS = "segments"
TABLES = ("utt2spk", "text", "utt2label")


def read_kaldi_segments(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the turns of a recording.

    Args:
        path: A folder that holds ``segments``, or that file itself.
        wanted: The recording.

    Raises:
        DataError: Lines cannot be used, or the recording is not there.
    """
    if path.is_dir():
        path = path / SEGMENTS
    found = Found(path, wanted)
    tables = {name: _table(path.with_name(name), found) for name in TABLES}
    rows = []
    for utt, (place, value) in (_table(path, found) or {}).items():
        with found.at(place):
            fields = value.split()
            if not 3 <= len(fields) <= 4:
                raise DataError(
                    f"{len(fields) + 1} fields: write UTTERANCE RECORDING START END, "
                    "and, if there are several, CHANNEL"
                )
            rows.append((place, utt, fields))
    if rows:
        one, said = pick(path, (fields[0] for *_, fields in rows), wanted.recording)
        rows = [row for row in rows if row[2][0] == one]
        found.said += said
    channels = ChannelFields(("".join(f[3:]) for *_, f in rows), 0, wanted)
    for place, utt, fields in rows:
        with found.at(place):
            speaker = _value(tables["utt2spk"], utt, path.with_name("utt2spk"))
            found.add(
                seconds("start", fields[1]),
                _end(fields[2], wanted.duration),
                known_name("the speaker", speaker, (utt,)),
                channels.read("".join(fields[3:])),
                (tables["text"] or {}).get(utt, ("", ""))[1],
                label=(tables["utt2label"] or {}).get(utt, ("", ""))[1],
            )
    found.said += channels.said()
    if tables["utt2spk"] is None:
        found.said.append(f"there is no utt2spk beside {path}: who speaks is not known")
    return found.finish()


def _table(path: Path, found: Found) -> dict[str, tuple[str, str]] | None:
    """Return place and value by key; None if there is no such file beside segments."""
    if path.name in TABLES and not path.exists():
        return None
    rows: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(lines_of(read_text(path)), 1):
        key, value = fields_of(line)
        if not key:
            continue
        place = f"{path}:{number}"
        with found.at(place):
            if nfc(key) in rows:
                raise DataError(
                    f"{key} stands there twice, see {rows[nfc(key)][0]}: keep one"
                )
            rows[nfc(key)] = (place, value)
    return rows


def _value(
    table: dict[str, tuple[str, str]] | None, utt: str, path: Path
) -> str | None:
    if table is None:
        return None
    if utt not in table:
        raise DataError(f"{utt} is not in {path}: add it there")
    return table[utt][1]


def _end(text: str, duration: float | None) -> float:
    if text not in ("-1", "-1.0"):
        return seconds("end", text)
    if duration is None:
        raise DataError("end -1 is the recording's, which is not known: write seconds")
    return duration


def write_kaldi_segments(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write the tables into a folder; names hold no blanks."""
    tables: dict[str, dict[str, str]] = {name: {} for name in (SEGMENTS, *TABLES)}
    for turn in turns:
        utt = _utterance(turn, recording, tables[SEGMENTS])
        channel = f" {turn.channel}" if turn.channel is not None else ""
        tables[SEGMENTS][utt] = f"{recording} {turn.start:.3f} {turn.end:.3f}{channel}"
        tables["utt2spk"][utt] = turn.speaker or utt
        if turn.text:
            tables["text"][utt] = turn.text
        if turn.label:
            tables["utt2label"][utt] = turn.label
    for name, table in tables.items():
        if table:
            write_table(path / name, table)


def _utterance(turn: Turn, recording: str, known: dict[str, str]) -> str:
    """Name an utterance: its speaker first, as Kaldi sorts."""
    cut = [f"{round(time * 1000):07}" for time in (turn.start, turn.end)]
    utt = "-".join(filter(None, [turn.speaker, recording, turn.channel, *cut]))
    # Twins would be one line.
    names = itertools.chain([utt], (f"{utt}-{n}" for n in itertools.count(2)))
    return next(name for name in names if name not in known)
