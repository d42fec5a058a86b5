"""RTTM: NIST's lines of who speaks, which diarizers write.

``SPEAKER <file> <channel> <start> <duration> <NA> <NA> <speaker> <NA> <NA>``, in
seconds; lines of other types are no turns. The label of an answered turn stands in the
seventh field, the subtype, which is ``<NA>`` otherwise and which pyannote's and NIST's
readers pass over. Source: NIST, The 2009 (RT-09) Rich Transcription Meeting Recognition
Evaluation Plan, appendix A.
"""

from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.channel_fields import ChannelFields
from espnet_sentiment.turns.found import Found, Wanted, known_name, seconds, tallied
from espnet_sentiment.turns.pick import pick
from espnet_sentiment.turns.source import fields_by_line
from espnet_sentiment.turns.turn import Turn

NA = "<NA>"
TYPES = frozenset(
    (
        *("SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH"),
        *("FILLER", "EDIT", "SU", "IP", "CB", "A/P", "SPEAKER", "SPKR-INFO"),
    )
)


def read_rttm(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the turns of a recording.

    Raises:
        DataError: Lines cannot be used, or the recording is not there.
    """
    found = Found(path, wanted)
    others, rows = [], []
    for place, fields in fields_by_line(path):
        with found.at(place):
            if fields[0] not in TYPES:
                raise DataError(
                    f"{fields[0][:80]!r} is no type of RTTM's lines: write SPEAKER, or "
                    "take the line out"
                )
            if fields[0] != "SPEAKER":
                others.append(fields[0])
                continue
            if not 8 <= len(fields) <= 10:
                raise DataError(
                    f"{len(fields)} fields: write SPEAKER FILE CHANNEL START DURATION "
                    "<NA> <NA> SPEAKER <NA> <NA>, no blanks in any of them"
                )
            rows.append((place, fields))
    if rows:
        one, said = pick(path, (fields[1] for _, fields in rows), wanted.recording)
        rows = [(place, fields) for place, fields in rows if fields[1] == one]
        found.said += said
    channels = ChannelFields((fields[2] for _, fields in rows), 1, wanted)
    for place, fields in rows:
        with found.at(place):
            start = seconds("start", fields[3])
            found.add(
                start,
                start + seconds("duration", fields[4]),
                known_name("the speaker", fields[7], (NA,)),
                channels.read(fields[2]),
                label=known_name("the subtype", fields[6], (NA,)),
            )
    found.said += channels.said()
    if others:
        found.said.append(f"lines of other types are no turns: {tallied(others)}")
    return found.finish()


def write_rttm(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write turns; their names hold no blanks."""
    path.write_text(
        "".join(
            f"SPEAKER {recording} {channel_field(turn, turns)} {turn.start:.3f} "
            f"{turn.end - turn.start:.3f} {NA} {turn.label or NA} "
            f"{turn.speaker or NA} {NA} {NA}\n"
            for turn in turns
        ),
        encoding="utf-8",
    )


def channel_field(turn: Turn, turns: Sequence[Turn]) -> str:
    """Return the number of a turn's channel as NIST counts; 1 where no turn has one."""
    if turn.channel is not None:
        return str(int(turn.channel) + 1)
    return "1" if all(other.channel is None for other in turns) else NA
