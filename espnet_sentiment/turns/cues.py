"""Cues of subtitles: from when to when, and the lines that are shown.

webvtt-py, which writes WebVTT here, passes over what it cannot read, and tells no
lines. Sources: https://www.w3.org/TR/webvtt1; SubRip has no standard.
"""

import re
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.found import Found
from espnet_sentiment.turns.source import lines_of, read_text

ARROW = "-->"
STAMP = r"(?:(\d+):)?([0-5]?\d):([0-5]?\d)[.,](\d{3})"
TIMING = re.compile(rf"\s*{STAMP}\s*-->\s*{STAMP}(?:\s.*)?")
# Blocks of WebVTT that are no cues.
NO_CUES = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s.*)?")
# Before the text: [SPEAKER_00], as WhisperX writes it, or [Any Name]: with a colon.
IN_BRACKETS = re.compile(r"\[(?:(SPEAKER_\d+)\]:?|([^\[\]]+)\]:)(?:\s+|$)")
BEFORE_COLON = re.compile(r"([^\W\d_][^:<>\[\]]{0,39}):(?:\s+|$)")
SPEECH = "[speech]"  # a cue of which nobody knows what is said


class Cue(NamedTuple):
    """A cue.

    Args:
        place: File and line of its times.
        start: Start in seconds.
        end: End in seconds.
        text: Its lines, as one.
    """

    place: str
    start: float
    end: float
    text: str


def read_cues(path: Path, found: Found, vtt: bool) -> list[Cue]:
    """Return the cues of a file; what cannot be read are faults of ``found``.

    Args:
        path: The file.
        found: Where faults go.
        vtt: Whether it is WebVTT; else it is SRT.

    Raises:
        DataError: It cannot be read at all.
    """
    # YouTube's cues have lines of a blank; in WebVTT only empty ones end a block.
    lines = [line if vtt else line.strip() for line in lines_of(read_text(path))]
    if vtt and not re.fullmatch(r"WEBVTT(?:\s.*)?", lines[0]):
        raise DataError(
            f"{path}:1: WebVTT begins with a line WEBVTT: add it, or name the file .srt"
        )
    cues: list[Cue] = []
    # The header's block goes to the first empty line, or to the first cue.
    at = 1 if vtt else 0
    while vtt and at < len(lines) and lines[at] and ARROW not in lines[at]:
        at += 1
    skips = False
    while at < len(lines):
        place, line = f"{path}:{at + 1}", lines[at]
        at += 1
        if ARROW in line:
            skips = False
            begin = at
            while at < len(lines) and lines[at] and ARROW not in lines[at]:
                at += 1
            shown = lines[begin:at]
            # Without an empty line before it, the next cue's number is the last one.
            is_followed = at < len(lines) and ARROW in lines[at]
            if is_followed and shown and shown[-1].strip().isdecimal():
                shown.pop()
            with found.at(place):
                cues.append(Cue(place, *_times(line), " ".join(shown)))
        elif not line:
            skips = False
        elif skips or (vtt and NO_CUES.fullmatch(line)):
            skips = True  # to the next empty line
        elif at < len(lines) and ARROW in lines[at]:
            continue  # the number or the name of the next cue
        elif vtt or not cues:
            with found.at(place):
                raise DataError(
                    f"{line[:80]!r} belongs to no cue: write times above it, and no "
                    "empty lines inside of a cue"
                )
        else:
            # SubRip's texts may hold empty lines.
            cues[-1] = cues[-1]._replace(text=f"{cues[-1].text} {line}")
    return cues


def _times(line: str) -> tuple[float, float]:
    match = TIMING.fullmatch(line)
    if match is None:
        raise DataError(
            f"{line[:80]!r} are no times: write 00:00:01.000 --> 00:00:02.500, and no "
            "--> in texts"
        )
    return _seconds(*match.groups()[:4]), _seconds(*match.groups()[4:])


def _seconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> float:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return (whole * 1000 + int(thousandths)) / 1000


def stamp(time: float, point: str = ".") -> str:
    """Return a time as subtitles write it."""
    whole, thousandths = divmod(round(time * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{point}{thousandths:03}"


def split_speakers(texts: list[str], found: Found) -> list[tuple[str | None, str]]:
    """Return who speaks and what is said, of texts that may begin with a name.

    ``[SPEAKER_00]`` and ``[Anna]:`` always are names. What stands before a colon is
    one only if all texts have it: "Note: ..." may be said.
    """
    said: list[tuple[str | None, str]] = []
    for text in texts:
        match = IN_BRACKETS.match(text)
        if match:
            said.append((match[1] or match[2], text[match.end() :]))
        else:
            said.append((None, text))
    if any(speaker is not None for speaker, _ in said):
        return said
    matches = [BEFORE_COLON.match(text) for text in texts]
    n = sum(match is not None for match in matches)
    if 0 < n < len(texts):
        found.said.append(
            f"{n} of {len(texts)} texts have a colon that may follow a name; as not "
            "all do, they are read as they are: write [Name]: where they are names"
        )
        return said
    if n:
        names = list(dict.fromkeys(match[1] for match in matches if match))
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        found.said.append(
            "what stands before the colon is taken as the speaker: "
            f"{', '.join(names[:10])}{more}"
        )
        said = [
            (match[1], text[match.end() :])
            for match, text in zip(matches, texts, strict=True)
            if match
        ]
    return said
