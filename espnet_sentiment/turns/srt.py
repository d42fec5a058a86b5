"""SRT (SubRip): cues whose texts may begin with ``[SPEAKER_00]:`` or ``Name:``.

A label stands before what is said, in round brackets and in colour, as many players
show it: ``<font color="#f0e442">(anger)</font> ...``, and is read back from there.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.turns.cues import SPEECH, read_cues, split_speakers, stamp
from espnet_sentiment.turns.found import Found, Wanted
from espnet_sentiment.turns.palette import colours_of
from espnet_sentiment.turns.turn import Turn

MARKUP = re.compile(r"</?(?:b|i|u|s|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)
LABEL = re.compile(r'<font color="#[0-9a-f]{6}">\(([^<>]+)\)</font>(?:\s+|$)')


def read_srt(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the turns of SRT, and labels that were written to it.

    Raises:
        DataError: It is none, or has cues that cannot be turns.
    """
    found = Found(path, wanted)
    found.may_overrun = True
    cues = read_cues(path, found, vtt=False)
    shown = [" ".join(cue.text.split()) for cue in cues]
    has_text = [bool(MARKUP.sub("", text).strip()) for text in shown]
    texts = [text for text, has in zip(shown, has_text, strict=True) if has]
    kept = [cue for cue, has in zip(cues, has_text, strict=True) if has]
    # Markup may stand before the name, but that of a label stands after it.
    texts = [text if LABEL.search(text) else MARKUP.sub("", text) for text in texts]
    who = split_speakers([text.strip() for text in texts], found)
    for cue, (speaker, text) in zip(kept, who, strict=True):
        match = LABEL.match(text)
        text = MARKUP.sub("", text[match.end() :] if match else text)
        with found.at(cue.place):
            found.add(
                cue.start,
                cue.end,
                speaker,
                text=None if text == SPEECH else text,
                label=match[1] if match else None,
            )
    found.tell("no turns, as they have no text", len(cues) - len(kept), "cue")
    return found.finish()


def write_srt(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write turns, their labels in words and in colours."""
    colours = colours_of(turn.label for turn in turns if turn.label)
    blocks = []
    for number, turn in enumerate(turns, 1):
        parts = [f"[{turn.speaker}]:"] if turn.speaker else []
        if turn.label:
            parts.append(f'<font color="{colours[turn.label]}">({turn.label})</font>')
        parts.append(turn.text or ("" if turn.label else SPEECH))
        times = f"{stamp(turn.start, ',')} --> {stamp(turn.end, ',')}"
        blocks.append(f"{number}\n{times}\n{' '.join(filter(None, parts))}\n")
    path.write_text("\n".join(blocks), encoding="utf-8")
