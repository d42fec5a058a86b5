"""Which format a file of turns is in: by its suffix, or by what stands in it."""

import re
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.records import TABLE_SUFFIXES
from espnet_sentiment.turns.kaldi_segments import SEGMENTS
from espnet_sentiment.turns.rttm import TYPES
from espnet_sentiment.turns.source import COMMENT, lines_of, read_text
from espnet_sentiment.turns.whisper_json import is_whisper_json, load_json

BY_SUFFIX = {
    ".rttm": "rttm",
    ".ctm": "ctm",
    ".textgrid": "textgrid",
    ".eaf": "elan",
    ".vtt": "webvtt",
    ".srt": "srt",
}
KNOWN = ".rttm, .ctm, segments, .TextGrid, .eaf, .vtt, .srt, .json, .csv or .jsonl"
FLOAT = re.compile(r"\d+(?:\.\d*)?|\.\d+")


def form_of(path: Path) -> str:
    """Return the format's name: a key of ``read.READERS``.

    Raises:
        DataError: It is none that is known, or cannot be read.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        if not (path / SEGMENTS).is_file():
            raise DataError(
                f"{path} is a folder without a file {SEGMENTS}: name a file of turns"
            )
        return "kaldi"
    if path.name == SEGMENTS:
        return "kaldi"
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if suffix == ".json":
        return "whisper" if is_whisper_json(load_json(path)) else "table"
    if suffix in TABLE_SUFFIXES:
        return "table"
    if suffix in ("", ".txt"):
        return _by_content(path)
    raise DataError(f"{path}: unknown format of turns: name it {KNOWN}")


def _by_content(path: Path) -> str:
    lines = [line for line in lines_of(read_text(path)) if line.strip()]
    lines = [line for line in lines if not line.startswith(COMMENT)]
    if not lines:
        raise DataError(f"{path} is empty: name a file of turns")
    first, fields = lines[0].strip(), lines[0].split()
    if re.fullmatch(r"WEBVTT(?:\s.*)?", first):
        return "webvtt"
    if "ooTextFile" in first:
        return "textgrid"
    if first.startswith("<?xml"):
        return "elan"
    if first.isdecimal() and len(lines) > 1 and "-->" in lines[1]:
        return "srt"
    if first[0] in "[{" and path.suffix == "":
        return "whisper" if is_whisper_json(load_json(path)) else _unknown(path)
    if fields[0] in TYPES:
        return "rttm"
    if len(fields) >= 4 and all(map(FLOAT.fullmatch, fields[2:4])):
        # The fifth field of segments is a channel; a CTM's word may be a number, too.
        return "kaldi" if len(fields) == 4 else "ctm"
    return "table" if path.suffix else _unknown(path)


def _unknown(path: Path) -> str:
    raise DataError(f"{path}: unknown format of turns: name it {KNOWN}")
