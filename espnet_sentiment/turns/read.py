"""The door for turns: a file of any format, or an annotation, to turns by start."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.turns.annotation import is_annotation, read_annotation
from espnet_sentiment.turns.ctm import read_ctm
from espnet_sentiment.turns.elan import read_elan
from espnet_sentiment.turns.forms import form_of
from espnet_sentiment.turns.found import Wanted
from espnet_sentiment.turns.kaldi_segments import read_kaldi_segments
from espnet_sentiment.turns.rttm import read_rttm
from espnet_sentiment.turns.srt import read_srt
from espnet_sentiment.turns.textgrid import read_textgrid
from espnet_sentiment.turns.turn import Turn
from espnet_sentiment.turns.webvtt import read_webvtt
from espnet_sentiment.turns.whisper_json import read_whisper_json

if TYPE_CHECKING:
    from pyannote.core import Annotation

Read = Callable[[Path, Wanted], tuple[list[Turn], list[str]]]
READERS: dict[str, Read] = {
    "rttm": read_rttm,
    "ctm": read_ctm,
    "kaldi": read_kaldi_segments,
    "textgrid": read_textgrid,
    "elan": read_elan,
    "webvtt": read_webvtt,
    "srt": read_srt,
    "whisper": read_whisper_json,
}


def read_turns(
    path_or_annotation: "PathLike | Annotation",
    recording: str | None = None,
    duration: float | None = None,
    channels: int | None = None,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> tuple[list[Turn], list[str]]:
    """Read the turns of one recording.

    Args:
        path_or_annotation: RTTM, CTM, Kaldi's ``segments`` or its folder, TextGrid,
            ELAN, WebVTT, SRT, JSON of Whisper or WhisperX, or a table; or an annotation
            of pyannote.
        recording: What the recording is called, or its path: picks its turns where a
            file has those of several.
        duration: Its seconds; None is not known, and no end is checked.
        channels: How many it has; None is not known, and no channel is checked.
        columns: Of a table, its columns by our names; of others at most
            ``{"channel": ""}``, which reads no channels.
        sheet: Of a spreadsheet, its name.

    Returns:
        The turns by start, and what their owner should know of how they were read.

    Raises:
        DataError: It cannot be read; the message names all faults, up to 20, with lines
            and remedies.
        UserError: ``columns`` or ``sheet`` are given for what has none.
    """
    columns = dict(columns or {})
    by_channel = columns.get("channel") != ""
    wanted = Wanted(recording, duration, channels, by_channel)
    if is_annotation(path_or_annotation):
        _check_options("an annotation", columns, sheet)
        return read_annotation(path_or_annotation, wanted)
    path = Path(path_or_annotation)
    form = form_of(path)
    if form == "table":
        from espnet_sentiment.turns.turn_table import read_turn_table

        return read_turn_table(path, wanted, columns, sheet)
    _check_options(str(path), columns, sheet)
    return READERS[form](path, wanted)


def _check_options(what: str, columns: Mapping[str, str], sheet: str | None) -> None:
    if sheet is not None:
        raise UserError(f"{what} is no spreadsheet: leave out --sheet")
    if columns not in ({}, {"channel": ""}):
        raise UserError(
            f"{what} is no table: leave out --map, but for --map channel=, which reads "
            "no channels"
        )
