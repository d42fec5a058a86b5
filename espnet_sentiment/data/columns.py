"""Columns of tables: what they are called here, and by others.

Others are audformat (``file``), Hugging Face's audiofolder (``file_name``) and
``Audio`` (``audio.path``), SpeechBrain and EmoBox (``wav``, ``emo``, ``spk_id``),
NeMo (``audio_filepath``, ``offset``, ``duration``) and Common Voice (``client_id``).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError, UserError, refuse
from espnet_sentiment.data.records import SHEETS
from espnet_sentiment.data.suffixes import RECORDING_SUFFIXES
from espnet_sentiment.data.table import Table

COLUMNS = (
    *("path", "label", "speaker", "start", "end", "utt", "split", "fold"),
    *("channel", "text", "votes", "group"),
)
REQUIRED = ("path", "label")
# In lower case, with _ between words.
OTHERS = {
    "path": (
        *("file", "file_name", "filename", "file_path", "filepath", "wav", "wav_path"),
        *("wav_file", "wav_filename", "audio", "audio.path", "audio_path"),
        *("audio_file", "audio_filepath"),
    ),
    "label": ("emo", "emotion", "emotion_label", "class", "sentiment", "category"),
    "speaker": ("spk", "spk_id", "speaker_id", "speakerid", "spkid", "client_id"),
    "start": ("start_time", "begin", "onset"),
    "end": ("end_time",),
    "utt": ("id", "key", "utt_id", "utterance_id", "uttid"),
    "text": ("transcript", "transcription", "sentence", "wrd"),
}
# Of parts of a recording: rows of a table with one are not whole recordings.
OF_PARTS = ("offset", "stop")


def name_rows(
    table: Table, given: Mapping[str, str], required: Sequence[str] = REQUIRED
) -> tuple[Table, dict[str, str], list[str]]:
    """Give columns the names that they have here.

    Args:
        table: A table.
        given: Its columns by our names (``--map``); ``""`` leaves ours out.
        required: Columns, by our names, that it must have.

    Returns:
        The table with our names, of those columns that mean something; its own names
        by ours; and which column is taken as which, a line if any is.

    Raises:
        UserError: ``given`` has names that are none here.
        DataError: The table lacks columns, or several may be meant; the message names
            all of them.
    """
    _check_header(table)
    taken = _given(table, given)
    errors = []
    for ours in COLUMNS:
        if ours in given:
            continue
        found = [ours] if ours in table.columns else _others(ours, table.columns)
        found = [column for column in found if column not in taken.values()]
        if len(found) > 1:
            errors.append(
                f"columns {' and '.join(found)} may both be {ours}: name one, "
                f"--map {ours}={found[0]}"
            )
        elif found:
            taken[ours] = found[0]
    errors += _parts(table, taken, given, "start" not in required)
    errors += _missing(table, taken, required)
    if errors:
        head = f"{table.path}{':1' if table.unit == 'line' else ''}"
        if len(errors) == 1:
            raise DataError(f"{head}: {errors[0]}")
        refuse(f"{head}: the columns cannot be used", errors)
    renamed = [
        f"{theirs} as {ours}" for ours, theirs in taken.items() if ours != theirs
    ]
    said = [f"columns are taken: {', '.join(renamed)}"] if renamed else []
    return _named(table, taken), taken, said


def _check_header(table: Table) -> None:
    """Refuse a list without a header, whose first row would be lost by ``--map``."""
    is_text = table.separator or table.path.suffix.lower() in SHEETS
    names = [c for c in table.columns if Path(c).suffix.lower() in RECORDING_SUFFIXES]
    if is_text and names:
        raise DataError(
            f"{table.place(1)} is no header, but names a recording, {names[0]}: write "
            "a row above it that names the columns, such as path,label,speaker"
        )


def _given(table: Table, given: Mapping[str, str]) -> dict[str, str]:
    """Check ``--map``."""
    known = ", ".join((*COLUMNS, "duration"))
    if strange := [ours for ours in given if ours not in (*COLUMNS, "duration")]:
        if all(given[name] in COLUMNS for name in strange):
            pairs = ",".join(f"{given[name]}={name}" for name in strange)
            raise UserError(f"--map names ours first: write --map {pairs}")
        raise UserError(
            f"--map names {', '.join(strange)}, which are no columns here: choose of "
            f"{known}"
        )
    absent = [theirs for theirs in given.values() if theirs not in ("", *table.columns)]
    if absent:
        raise DataError(
            f"{table.path} has no column {', '.join(absent)}, which --map names; there "
            f"are {', '.join(table.columns) or 'none'}: choose of them"
        )
    return {ours: theirs for ours, theirs in given.items() if theirs}


def _others(ours: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that others call so; no two ways of writing one name."""
    names = (ours, *OTHERS.get(ours, ()))
    return [column for column in columns if _plain(column) in names]


def _plain(column: str) -> str:
    return re.sub(r"[\s_-]+", "_", column.strip().lower())


def _parts(
    table: Table, taken: dict[str, str], given: Mapping[str, str], may_be_whole: bool
) -> list[str]:
    """Complete start and end, and say what is wrong with the pairs."""
    errors = []
    plain = {_plain(column): column for column in table.columns}
    duration = taken.pop("duration", plain.get("duration"))
    if duration and "offset" in plain and not {"start", "end"} & {*taken, *given}:
        taken["start"] = plain["offset"]  # NeMo's pair
    # SpeechBrain's stop and start are in samples.
    if duration and "start" in taken and not {"end", "stop"} & {*taken, *given, *plain}:
        taken["duration"] = duration
    ends = "end" in taken or "duration" in taken
    if ("start" in taken) != ends:
        absent = "start" if ends else "end"
        errors.append(
            "columns start and end: give both of them, in seconds "
            f"(--map {absent}=COLUMN; there are {', '.join(table.columns)})"
            + (
                ", or none (--map start=,end= takes whole recordings)"
                if may_be_whole
                else ""
            )
        )
    unused = [
        plain[name]
        for name in OF_PARTS
        if name in plain and plain[name] not in taken.values()
    ]
    if unused and "start" not in taken and "start" not in given:
        errors.append(
            f"column {' and '.join(unused)} may say which part of a recording is "
            "meant: name start and end, --map start=COLUMN,end=COLUMN"
            + (", or take whole recordings, --map start=,end=" if may_be_whole else "")
        )
    if "split" in taken and "fold" in taken:
        errors.append("columns split and fold: keep one of them (--map fold=)")
    return errors


def _missing(
    table: Table, taken: Mapping[str, str], required: Sequence[str]
) -> list[str]:
    missing = [ours for ours in required if ours not in taken]
    if not missing:
        return []
    verb = "columns {} are" if len(missing) > 1 else "column {} is"
    pairs = ",".join(f"{ours}=COLUMN" for ours in missing)
    return [
        f"{verb.format(' and '.join(missing))} missing; there are "
        f"{', '.join(table.columns) or 'none'}: add what is missing, or name the "
        f"columns that are meant, --map {pairs}"
    ]


def _named(table: Table, taken: Mapping[str, str]) -> Table:
    rows = [
        (number, {o: row[theirs] for o, theirs in taken.items() if theirs in row})
        for number, row in table.rows
    ]
    return Table(table.path, list(taken), rows, table.unit, table.said, table.separator)
