"""WebVTT: cues with ``<v Speaker>``, or ``[SPEAKER_00]:`` where no cue has a voice.

A label is a span ``<c.anger>[anger] ...</c>``, coloured by a STYLE block, and is read
back from there; other spans are passed over. Source: https://www.w3.org/TR/webvtt1.
"""

import html
import re
from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.turns.cues import SPEECH, read_cues, split_speakers, stamp
from espnet_sentiment.turns.found import Found, Wanted
from espnet_sentiment.turns.palette import colours_of, css_class
from espnet_sentiment.turns.turn import Turn

TAG = re.compile(r"(</?[a-zA-Z][^<>]*>|</>|<[\d:.]+>)")
VOICE = re.compile(r"<v(?:\.[^\s<>]*)?(?:\s+([^<>]*))?>")
SPAN = re.compile(r"<c\.([^\s<>]+)(?:\s[^<>]*)?>")

Piece = tuple[str | None, str, str | None]  # voice, text, class


def read_webvtt(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the turns of WebVTT, and labels that were written to it.

    Raises:
        DataError: It is none, or has cues that cannot be turns.
    """
    found = Found(path, wanted)
    found.may_overrun = True
    cues = read_cues(path, found, vtt=True)
    pieces = [(cue, piece) for cue in cues for piece in _pieces(cue.text)]
    if any(voice is not None for _, (voice, *_) in pieces):
        who = [(voice, text) for _, (voice, text, _) in pieces]
    else:
        who = split_speakers([text for _, (_, text, _) in pieces], found)
    for (cue, (_, _, span)), (speaker, text) in zip(pieces, who, strict=True):
        label, text = _label(span, text)
        with found.at(cue.place):
            found.add(
                cue.start,
                cue.end,
                speaker,
                text=None if text == SPEECH else text,
                label=label,
            )
    empty = len(cues) - len({cue.place for cue, _ in pieces})
    found.tell("no turns, as they have no text", empty, "cue")
    if len(pieces) > len(cues) - empty:
        found.said.append(
            "cues of several voices are a turn for each, with the times of the cue"
        )
    return found.finish()


def _pieces(text: str) -> list[Piece]:
    """Split a cue's text by its voices."""
    pieces: list[tuple[str | None, list[str], str | None]] = [(None, [], None)]
    for part in TAG.split(text):
        voice, texts, span = pieces[-1]
        if match := VOICE.fullmatch(part):
            name = html.unescape(match[1] or "").strip()
            pieces.append((name or None, [], None))
        elif part == "</v>":
            pieces.append((None, [], None))
        elif match := SPAN.fullmatch(part):
            # Of spans in spans, the outer one.
            pieces[-1] = (voice, texts, span or match[1])
        elif not TAG.fullmatch(part):
            texts.append(html.unescape(part))
    joined = [(v, " ".join("".join(t).split()), span) for v, t, span in pieces]
    return [piece for piece in joined if piece[1]]


def _label(span: str | None, text: str) -> tuple[str | None, str]:
    """Return the label of a span that was written here, and what is said."""
    if span is None or not text.startswith("["):
        return None, text
    # The class has a character for each of the label, and maybe one before it.
    for length in (len(span), len(span) - 1):
        label, rest = text[1 : 1 + length], text[1 + length :]
        if rest.startswith("]") and css_class(label) == span:
            return label, rest[1:].strip()
    return None, text


def write_webvtt(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write turns, their labels in words and in colours."""
    import webvtt

    colours = colours_of(turn.label for turn in turns if turn.label)
    styles = [
        webvtt.Style(f"::cue(.{css_class(label)}) {{ color: {colour}; }}")
        for label, colour in colours.items()
    ]
    captions = [
        webvtt.Caption(stamp(turn.start), stamp(turn.end), _shown(turn))
        for turn in turns
    ]
    file = webvtt.WebVTT(captions=captions, styles=styles)
    path.write_text(file.content, encoding="utf-8")


def _shown(turn: Turn) -> str:
    shown = _escape(turn.text or ("" if turn.label else SPEECH))
    if turn.label:
        label = _escape(turn.label)
        shown = f"<c.{css_class(turn.label)}>[{label}]{' ' if shown else ''}{shown}</c>"
    # With the tag's end, --> would be an arrow, which ends the cue.
    who = re.sub("-$", "&#45;", _escape(turn.speaker or ""))
    return f"<v {who}>{shown}</v>" if who else shown


def _escape(text: str) -> str:
    return html.escape(text, quote=False)
