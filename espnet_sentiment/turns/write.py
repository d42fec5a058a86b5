"""Turns, and the labels of those that were answered, into files of any format.

What is written is read back before it replaces a file: a name or a text that a format
cannot hold is refused, or changed and said. Times are whole milliseconds.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import PathLike, atomic_path
from espnet_sentiment.turns.ctm import read_ctm, write_ctm
from espnet_sentiment.turns.elan import read_elan, write_elan
from espnet_sentiment.turns.found import Wanted
from espnet_sentiment.turns.kaldi_segments import (
    SEGMENTS,
    TABLES,
    read_kaldi_segments,
    write_kaldi_segments,
)
from espnet_sentiment.turns.read import Read
from espnet_sentiment.turns.rttm import read_rttm, write_rttm
from espnet_sentiment.turns.srt import read_srt, write_srt
from espnet_sentiment.turns.textgrid import read_textgrid, write_textgrid
from espnet_sentiment.turns.turn import Turn
from espnet_sentiment.turns.turn_table import (
    read_turn_table,
    write_csv,
    write_json_lines,
)
from espnet_sentiment.turns.webvtt import read_webvtt, write_webvtt
from espnet_sentiment.turns.writable import check_same, in_fields, writable


class Form(NamedTuple):
    """A format.

    Args:
        write: Writes turns to a path.
        read: Reads them back.
        holds: What it holds of turns, besides their times.
        has_fields: Whether blanks end its names.
        suffix: What it is called.
    """

    write: Callable[[Sequence[Turn], Path, str], None]
    read: Read
    holds: frozenset[str]
    has_fields: bool
    suffix: str


def _form(write, read, holds: str, suffix: str, has_fields: bool = False) -> Form:
    return Form(write, read, frozenset(holds.split()), has_fields, suffix)


SHOWN = "speaker text label"
ROWS = "speaker channel text label posteriors"
FORMS = {
    "rttm": _form(write_rttm, read_rttm, "speaker channel label", ".rttm", True),
    "ctm": _form(write_ctm, read_ctm, "speaker channel words", ".ctm", True),
    "kaldi": _form(
        write_kaldi_segments,
        read_kaldi_segments,
        "speaker channel text label",
        "",
        True,
    ),
    "textgrid": _form(write_textgrid, read_textgrid, SHOWN, ".textgrid"),
    "elan": _form(write_elan, read_elan, SHOWN, ".eaf"),
    "webvtt": _form(write_webvtt, read_webvtt, SHOWN, ".vtt"),
    "srt": _form(write_srt, read_srt, SHOWN, ".srt"),
    "csv": _form(write_csv, read_turn_table, ROWS, ".csv"),
    "jsonl": _form(write_json_lines, read_turn_table, ROWS, ".jsonl"),
}


def write_turns(
    turns: Sequence[Turn], path: PathLike, recording: str, form: str | None = None
) -> list[str]:
    """Write the turns of one recording.

    Args:
        turns: At least one.
        path: A file, which is replaced; of Kaldi's tables, their folder.
        recording: What the recording is called there.
        form: A key of ``FORMS``; None: by the suffix, a folder of Kaldi's tables
            without one.

    Returns:
        What of the turns is not in the file, or other there.

    Raises:
        DataError: The format cannot hold them; the message names the turn and a format
            that can.
        UserError: There is no such format.
    """
    path = Path(path)
    name = form or _by_suffix(path)
    if name not in FORMS:
        raise UserError(f"{name!r} is no format: choose of {', '.join(FORMS)}")
    chosen = FORMS[name]
    try:
        turns, said = writable(turns, chosen.holds)
        if chosen.has_fields:
            turns, recording, changed = in_fields(turns, recording)
            said += changed
        if name == "kaldi":
            _write_folder(chosen, turns, path, recording)
        else:
            with atomic_path(path) as temporary:
                # Readers go by the suffix.
                named = temporary.with_suffix(f"{temporary.suffix}{chosen.suffix}")
                try:
                    _write(chosen, turns, named, recording)
                    os.replace(named, temporary)
                finally:
                    named.unlink(missing_ok=True)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return said


def _by_suffix(path: Path) -> str:
    for name, form in FORMS.items():
        if path.suffix.lower() == form.suffix:
            return name
    raise UserError(
        f"{path}: unknown format of turns: name it "
        f"{', '.join(form.suffix for form in FORMS.values() if form.suffix)}, or, for "
        "a folder of Kaldi's tables, without a suffix"
    )


def _write(form: Form, turns: list[Turn], path: Path, recording: str) -> None:
    form.write(turns, path, recording)
    # Where no turn has a channel, the recording has one as far as the file can say.
    channels = None if any(turn.channel is not None for turn in turns) else 1
    try:
        found, _ = form.read(path, Wanted(recording, channels=channels))
    except DataError as error:
        # Where it is in the temporary file is nobody's business.
        raise DataError(
            f"{str(error).replace(str(path), 'the file')}: it cannot be written in "
            "this format: write JSON lines (.jsonl)"
        ) from None
    check_same(turns, found, form.holds)


def _write_folder(form: Form, turns: list[Turn], path: Path, recording: str) -> None:
    tables = (SEGMENTS, *TABLES)
    if path.exists() and not path.is_dir():
        raise DataError("is a file, where a folder is written: name another")
    others = [] if not path.exists() else sorted(set(os.listdir(path)) - set(tables))
    if others:
        raise DataError(f"the folder holds {others[0]}: name a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        _write(form, turns, Path(folder), recording)
        path.mkdir(exist_ok=True)
        for name in tables:
            if (Path(folder) / name).exists():
                os.replace(Path(folder) / name, path / name)
            else:
                (path / name).unlink(missing_ok=True)
