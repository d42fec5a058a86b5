"""JSON of recognisers: openai-whisper and what follows it, whisper.cpp, WhisperX.

``segments`` of ``start``, ``end``, ``text`` and, of WhisperX, ``speaker``; with
``words`` where they were aligned. whisper.cpp has ``transcription``, its times in
``offsets`` of milliseconds. Sources: https://github.com/openai/whisper,
https://github.com/m-bain/whisperX, https://github.com/ggml-org/whisper.cpp.
"""

import json
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.found import Found, Wanted, seconds
from espnet_sentiment.turns.source import read_text
from espnet_sentiment.turns.spelling import one_text
from espnet_sentiment.turns.turn import Turn, TurnWord

LISTS = ("segments", "transcription")
NOBODY = ("?",)  # whisper.cpp's, of recordings whose channels are as loud


def is_whisper_json(data: Any) -> bool:
    """Tell what a recogniser wrote from tables in JSON."""
    return isinstance(data, dict) and any(
        isinstance(data.get(name), list) for name in LISTS
    )


def load_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: It cannot be read, or is no JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(
            f"{path}:{line}: not valid JSON ({error}): write the file again"
        ) from None


def read_whisper_json(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the segments of a recogniser as turns.

    Raises:
        DataError: It is none, or has segments that cannot be turns.
    """
    data = load_json(path)
    found = Found(path, wanted)
    found.may_overrun = True
    name = next((n for n in LISTS if isinstance(data.get(n), list)), LISTS[0])
    silent, untimed, of_others = 0, 0, 0
    for number, segment in enumerate(data.get(name) or [], 1):
        with found.at(f"{path}: {name} {number}"):
            if not isinstance(segment, dict):
                raise DataError("is no object: write the file again")
            start, end = _times(segment)
            text = _text(segment, "text")
            # Whisper leaves segments in which it hears nothing, or that have no length.
            if not text.strip():
                silent += 1
                continue
            speaker = segment.get("speaker")
            speaker = None if speaker is None else str(speaker)
            words, n = _words(segment)
            untimed += n
            of_others += any(
                isinstance(word, dict) and word.get("speaker") not in (None, speaker)
                for word in segment.get("words") or ()
            )
            found.add(
                start,
                end,
                None if speaker in NOBODY else speaker,
                text=text,
                words=words,
            )
    found.tell("no turns, as they have no text", silent, "segment")
    found.tell("in texts only, as they have no times", untimed, "word")
    found.tell(
        "with words of another speaker than the whole has, which is taken",
        of_others,
        "segment",
    )
    return found.finish()


def _times(segment: dict) -> tuple[float, float]:
    offsets = segment.get("offsets")
    if isinstance(offsets, dict):
        start, end = (_time(offsets, key) / 1000 for key in ("from", "to"))
        return start, end
    return _time(segment, "start"), _time(segment, "end")


def _time(values: dict, key: str) -> float:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{key} is {value!r}, which is no time: write seconds")
    return seconds(key, repr(value))


def _text(values: dict, key: str) -> str:
    text = values.get(key)
    if not isinstance(text, str):
        raise DataError(f"{key} is {str(text)[:80]!r}, which is no text: write one")
    return text


def _words(segment: dict) -> tuple[list[TurnWord], int]:
    """Return the words that have times, and how many have none."""
    words, untimed = [], 0
    for word in segment.get("words") or ():
        if not isinstance(word, dict):
            raise DataError(f"word {str(word)[:80]!r} is no object: write it again")
        text = one_text(_text(word, "word"), "the word")
        if word.get("start") is None or word.get("end") is None:
            untimed += 1  # WhisperX aligns no digits
            continue
        words.append(TurnWord(text, _time(word, "start"), _time(word, "end")))
    return words, untimed
