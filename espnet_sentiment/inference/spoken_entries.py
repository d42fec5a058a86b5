"""Lists of recordings whose speakers are known, and how shards keep each one whole."""

import itertools
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.data.recording_table import read_recording_table
from espnet_sentiment.data.records import is_table
from espnet_sentiment.data.source import Source
from espnet_sentiment.inference.entries import read_entries

if TYPE_CHECKING:
    from espnet_sentiment.inference.waveform import Excerpt

HOW = ("folder", "recording")


class SpokenEntry(NamedTuple):
    """A line of a list, or a row of a table.

    Args:
        utt: Its id, where the list has ids.
        speaker: Who speaks; None is not known.
        start: Start in seconds.
        end: End in seconds; None for the recording's.
        channel: ``A`` or ``B``; None where none is named.
        path: The recording, absolute.
    """

    utt: str | None
    speaker: str | None
    start: float
    end: float | None
    channel: str | None
    path: str

    def row(self) -> dict[str, Any]:
        """Return what begins the entry's line of results."""
        start = self.start if self.start or self.end is not None else None
        told = {
            **{"utt": self.utt, "path": self.path, "speaker": self.speaker},
            **{"start": start, "end": self.end, "channel": self.channel},
        }
        return {key: value for key, value in told.items() if value is not None}

    def speech(self) -> "str | Excerpt":
        """Return what ``Speech2Sentiment`` hears."""
        if not self.start and self.end is None and self.channel is None:
            return self.path
        # PyTorch has been imported by now.
        from espnet_sentiment.inference.waveform import Excerpt

        source = Source(self.path, Path(self.path))
        return Excerpt(source, self.start, self.end, self.channel)


def read_spoken(
    path: Path,
    how: str | None,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> tuple[list[SpokenEntry], list[str]]:
    """Read all entries of a list or a table.

    Args:
        path: What ``read_entries`` or ``read_recording_table`` reads.
        how: Who speaks where no column says it: every ``folder`` or ``recording`` is a
            speaker; None is nobody who is known.
        columns: As of ``read_recording_table``.
        sheet: As of ``read_recording_table``.

    Returns:
        The entries, and what their owner should know of how they were read.

    Raises:
        DataError: As of the two.
        UserError: There is no such way.
    """

    if how not in (None, *HOW):
        raise UserError(f"speakers is {how}: choose one of {', '.join(HOW)}")

    def speaker(recording: str) -> str | None:
        if how is None:
            return None
        return str(Path(recording).parent) if how == "folder" else recording

    if not is_table(path):
        listed = read_entries(path)
        return [
            SpokenEntry(e.utt, speaker(e.path), 0.0, None, None, e.path) for e in listed
        ], []
    rows, said = read_recording_table(path, columns, sheet)
    entries = []
    for row in rows:
        place = str(row.path.absolute())
        who = row.speaker or speaker(place)
        entries.append(SpokenEntry(None, who, row.start, row.end, row.channel, place))
    return entries, said


def speakers_whole(
    entries: Sequence[SpokenEntry], size: int, by_speaker: bool
) -> list[list[int]]:
    """Share entries among shards, so that all of a speaker is in one.

    Args:
        entries: The list.
        size: Most entries of a shard; a speaker with more is a shard of his own.
        by_speaker: Whether speakers matter; else shards are of the list's order.

    Returns:
        The places in the list of every shard's entries, rising.
    """
    if not by_speaker:
        return [list(part) for part in itertools.batched(range(len(entries)), size)]
    spoken: dict[Hashable, list[int]] = {}
    for place, entry in enumerate(entries):
        # Nobody who is known is heard alone.
        key = place if entry.speaker is None else entry.speaker
        spoken.setdefault(key, []).append(place)
    shards: list[list[int]] = []
    for places in spoken.values():
        if shards and len(shards[-1]) + len(places) <= size:
            shards[-1] += places
        else:
            shards.append(list(places))
    return [sorted(places) for places in shards]
