"""CTM: NIST's lines of words, ``<file> <channel> <start> <duration> <word>``.

Confidence, type and speaker may follow. Words are put together to turns: a turn ends
where the next word of the same speaker and channel begins more than ``PAUSE`` seconds
after the last one. Source: NIST's SCTK, doc/infmts.htm; RT-09 evaluation plan.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.channel_fields import ChannelFields
from espnet_sentiment.turns.found import Found, Wanted, known_name, seconds, tallied
from espnet_sentiment.turns.pick import pick
from espnet_sentiment.turns.rttm import channel_field
from espnet_sentiment.turns.source import fields_by_line
from espnet_sentiment.turns.spelling import one_text
from espnet_sentiment.turns.turn import Turn, TurnWord

PAUSE = 0.5  # seconds
NOBODY = ("<NA>", "unknown", "null")  # RT-09's names of speakers that are not known
NO_WORDS = ("non-lex", "misc", "noscore")  # types: coughs, noise, what is not scored
ALTERNATIVES = ("<ALT_BEGIN>", "<ALT>", "<ALT_END>")


def read_ctm(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the words of a recording, and put them together to turns.

    Raises:
        DataError: Lines cannot be used, or the recording is not there.
    """
    found = Found(path, wanted)
    rows = []
    for place, fields in fields_by_line(path):
        with found.at(place):
            if not 5 <= len(fields) <= 8:
                raise DataError(
                    f"{len(fields)} fields: write FILE CHANNEL START DURATION WORD, "
                    "and, if known, CONFIDENCE TYPE SPEAKER"
                )
            if fields[4] in ALTERNATIVES:
                raise DataError(
                    f"{fields[4]}: alternatives cannot be read: keep one of them"
                )
            rows.append((place, fields))
    if rows:
        one, said = pick(path, (fields[0] for _, fields in rows), wanted.recording)
        rows = [(place, fields) for place, fields in rows if fields[0] == one]
        found.said += said
    channels = ChannelFields((fields[1] for _, fields in rows), 1, wanted)
    no_words = []
    by_voice: dict[tuple, list[tuple[str, TurnWord]]] = defaultdict(list)
    for place, fields in rows:
        with found.at(place):
            start = seconds("start", fields[2])
            length = seconds("duration", fields[3])
            if start < 0 or length < 0:
                raise DataError(
                    f"from {start:g} s, {length:g} s long: fix the times, which are "
                    "never negative"
                )
            if fields[6:7] and fields[6].lower() in NO_WORDS:
                no_words.append(fields[6])
                continue
            speaker = known_name("the speaker", "".join(fields[7:8]), NOBODY)
            word = TurnWord(
                one_text(fields[4], "the word"), start, round(start + length, 6)
            )
            by_voice[speaker, channels.read(fields[1])].append((place, word))
    for (speaker, channel), words in by_voice.items():
        for part in _parts(words):
            place, first = part[0]
            with found.at(place):
                found.add(
                    first.start,
                    max(word.end for _, word in part),
                    speaker,
                    channel,
                    " ".join(word.text for _, word in part),
                    [word for _, word in part],
                )
    found.said += channels.said()
    if found.turns:
        n = sum(len(turn.words) for turn in found.turns)
        found.said.append(
            f"{counted(n, 'word')} are put together to "
            f"{counted(len(found.turns), 'turn')}, which pauses of more than {PAUSE:g} "
            "s end"
        )
    if no_words:
        found.said.append(f"lines of other types are no words: {tallied(no_words)}")
    return found.finish()


def _parts(words: list[tuple[str, TurnWord]]) -> list[list[tuple[str, TurnWord]]]:
    """Part a speaker's words where there are pauses."""
    parts: list[list[tuple[str, TurnWord]]] = []
    end = 0.0
    for place, word in sorted(words, key=lambda item: item[1].start):
        # Times that are summed are a little off.
        if not parts or word.start - end > PAUSE + 1e-6:
            parts.append([])
        parts[-1].append((place, word))
        end = max(end, word.end)
    return parts


def write_ctm(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write the words of turns; names and words hold no blanks."""
    path.write_text(
        "".join(
            f"{recording} {channel_field(turn, turns)} {word.start:.3f} "
            f"{word.end - word.start:.3f} {word.text} NA lex "
            f"{turn.speaker or NOBODY[1]}\n"
            for turn in turns
            for word in turn.words
        ),
        encoding="utf-8",
    )
