"""What a format can hold of turns: as it is written, and whether it is read back."""

import dataclasses
import math
from collections.abc import Sequence

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.names import as_word, check_name
from espnet_sentiment.turns.found import known_name
from espnet_sentiment.turns.spelling import one_text
from espnet_sentiment.turns.turn import Turn, TurnWord

FIELDS = ("speaker", "channel", "text", "words", "label", "posteriors")


def writable(
    turns: Sequence[Turn], holds: frozenset[str]
) -> tuple[list[Turn], list[str]]:
    """Return turns by start with what a format holds, and what is left out.

    Args:
        turns: At least one.
        holds: Those of ``FIELDS`` that it does.

    Raises:
        DataError: Turns cannot be written in any format, or have no words where only
            words are written; the message names all of them, up to 20.
    """
    if not turns:
        raise DataError("there are no turns: nothing to write")
    plain, faults = [], []
    for turn in turns:
        try:
            plain.append(_plain(turn, holds))
        except DataError as error:
            faults.append(f"the turn from {turn.start} to {turn.end} s: {error}")
    if faults:
        refuse(f"turns that cannot be written: {len(faults)} of {len(turns)}", faults)
    # A CTM's words are its text.
    lost = [
        name
        for name in FIELDS
        if name not in holds
        and not (name == "text" and "words" in holds)
        and any(getattr(turn, name) not in (None, "", ()) for turn in turns)
    ]
    said = [f"the format holds no {', '.join(lost)}: left out"] if lost else []
    if "words" in holds and any(_says_else(turn) for turn in turns):
        said.append("texts are those of the words: what else they hold is left out")
    if "text" in holds and any(_has_breaks(turn.text or "") for turn in turns):
        said.append("line breaks and tabs in texts are written as blanks")
    return sorted(plain, key=lambda turn: (turn.start, turn.end)), said


def _says_else(turn: Turn) -> bool:
    text = (turn.text or "").split()
    return bool(text) and text != [word.text for word in turn.words]


def _has_breaks(text: str) -> bool:
    return any(char.isspace() and char != " " for char in text.strip())


def _plain(turn: Turn, holds: frozenset[str]) -> Turn:
    start, end = _milliseconds(turn.start), _milliseconds(turn.end)
    if not 0 <= start < end:
        raise DataError("no time from 0 on, or less than a millisecond: fix it")
    channel = turn.channel
    if channel is not None and not (channel.isascii() and channel.isdecimal()):
        raise DataError(f"channel {channel!r} is none: 0 is the first")
    shares = turn.posteriors or {}
    plain = Turn(
        start,
        end,
        known_name("the speaker", turn.speaker),
        None if channel is None else str(int(channel)),
        one_text(turn.text or "", "the text") or None,
        _words(turn) if "words" in holds else (),
        known_name("the label", turn.label),
        {name: float(f"{share:.6g}") for name, share in shares.items()} or None,
    )
    empty = Turn(start, end)
    lost = {name: getattr(empty, name) for name in FIELDS if name not in holds}
    return dataclasses.replace(plain, **lost)


def _milliseconds(time: float) -> float:
    if not math.isfinite(time):
        raise DataError(f"{time} is no time: fix it")
    return round(time, 3)


def _words(turn: Turn) -> tuple[TurnWord, ...]:
    if not turn.words:
        raise DataError("it has no words with times, which are all that a CTM holds")
    words = []
    for word in turn.words:
        start, end = _milliseconds(word.start), _milliseconds(word.end)
        text = one_text(word.text, "the word")
        if not 0 <= start <= end or not text or " " in text:
            raise DataError(
                f"the word {text!r} from {start} to {end} s: a word has no blanks, and "
                "ends after it starts"
            )
        words.append(TurnWord(text, start, end))
    return tuple(words)


def in_fields(turns: list[Turn], recording: str) -> tuple[list[Turn], str, list[str]]:
    """Put _ for blanks and slashes in names, for formats whose fields blanks end.

    Returns:
        The turns, the recording's name, and what was changed.

    Raises:
        DataError: Two names would be one.
    """
    check_name("the recording", recording)
    name = as_word(recording.strip())
    if not name:
        raise DataError("the recording has no name: give one")
    said = [f"{recording!r} is written as {name}"] if name != recording else []
    new = {}
    for field in ("speaker", "label"):
        names = [getattr(turn, field) for turn in turns]
        new[field] = {one: as_word(one) for one in dict.fromkeys(names) if one}
        taken: dict[str, str] = {}
        for old, word in new[field].items():
            if word in taken:
                raise DataError(
                    f"the {field}s {taken[word]!r} and {old!r} would both be {word}: "
                    "rename one, or write CSV"
                )
            taken[word] = old
            if word != old:
                said.append(f"the {field} {old!r} is written as {word}")
    changed = [
        dataclasses.replace(
            turn,
            speaker=new["speaker"].get(turn.speaker or ""),
            label=new["label"].get(turn.label or ""),
        )
        for turn in turns
    ]
    return changed, name, said


def check_same(
    turns: Sequence[Turn], found: Sequence[Turn], holds: frozenset[str]
) -> None:
    """Check that turns are read back as they were written.

    Raises:
        DataError: They are not: the format cannot hold something in them.
    """
    wanted, read = (_comparable(some, holds) for some in (turns, found))
    if wanted == read:
        return
    for one, other in zip(wanted, read, strict=False):
        for name in one:
            if one[name] != other[name]:
                raise DataError(
                    f"the {name} {one[name]!r} would be read back as {other[name]!r}: "
                    "change it, or write JSON lines (.jsonl)"
                )
    raise DataError(
        f"{len(wanted)} turns would be read back as {len(read)}: write JSON lines "
        "(.jsonl)"
    )


def _comparable(turns: Sequence[Turn], holds: frozenset[str]) -> list[dict]:
    if "words" in holds:  # which are put together to turns by their pauses
        rows = [
            {
                "speaker": turn.speaker,
                "channel": turn.channel,
                "start": word.start,
                "end": word.end,
                "word": word.text,
            }
            for turn in turns
            for word in turn.words
        ]
    else:
        names = ("start", "end", *(name for name in FIELDS if name in holds))
        rows = [{name: getattr(turn, name) for name in names} for turn in turns]
    return sorted(rows, key=lambda row: (row["start"], row["end"], repr(row)))
