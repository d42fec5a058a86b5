"""From a row of a manifest to an utterance."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.names import as_word, check_name, nfc
from espnet_sentiment.data.audio import audio_info
from espnet_sentiment.data.columns import COLUMNS, REQUIRED
from espnet_sentiment.data.kaldi_checks import CHANNELS
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.labels import Names
from espnet_sentiment.data.recordings import Recordings
from espnet_sentiment.data.table import Row, Table, Unreadable, Value, one_value
from espnet_sentiment.data.times import Times
from espnet_sentiment.data.votes import split_count

FILLED = ("path", "label", "speaker", "start", "utt", "split", "fold")
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "dev", "validation", "val", "development"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
SHORTEST = 0.01  # seconds; what is shorter is in days, say, as spreadsheets count
SEVERAL = re.compile(r"\s*[;,|]\s*")  # between votes that are not separated by spaces


class LeftOutError(DataError):
    """A row is not wanted: its label is mapped to nothing."""


class RowReader:
    """Reads the rows of one table.

    Args:
        table: The table, its columns named as here.
        recordings: Where its recordings are.
        label_map: Classes by labels; ``""`` leaves out.
        no_majority: Whether votes may stand without a label.

    Attributes:
        names: The names that were changed.
        labels: How many rows have each label of the table.
        mapped: Labels of ``label_map`` that rows have.
        splits: What the table calls the parts, where that is another name.
    """

    def __init__(
        self,
        table: Table,
        recordings: Recordings,
        label_map: Mapping[str, str],
        no_majority: bool = False,
    ):
        self.columns, self.recordings = table.columns, recordings
        self.no_majority = no_majority
        self.label_map = label_map
        self.names = Names()
        self.labels: Counter[str] = Counter()
        self.mapped: set[str] = set()
        self.splits: dict[str, str] = {}
        self.open_ends = 0
        self.channels: set[str] = set()
        labels = (nfc(str(row.get("label"))) for _, row in table.rows)
        self.known = {*label_map, *labels}
        times = [
            str(row[column])
            for _, row in table.rows
            for column in ("start", "end", "duration")
            if column in row and not isinstance(row[column], Unreadable)
        ]
        self.times = Times(times, table.separator)
        # audformat's tables of whole recordings have these columns, too.
        self.is_cut = "start" in table.columns and any(
            self._is_part(row) for _, row in table.rows
        )

    def read(self, row: Row) -> Utterance:
        """Read a row.

        Raises:
            NoRecordingError: Its recording does not exist.
            LeftOutError: Its label is mapped to nothing.
            DataError: It cannot be used; the message names the column.
        """
        self._check(row)
        label = self._label(one_value(row, "label")) if "label" in row else None
        wav = self.recordings.find(one_value(row, "path"))
        start, end = self._segment(row, wav) if self.is_cut else (None, None)
        channel = self._channel(row)
        speaker = self.word(row, "speaker")
        return Utterance(
            utt=self.word(row, "utt") or self._utt(wav, speaker, channel, start, end),
            wav=str(wav),
            speaker=speaker or "",
            label=label,
            text=_text(row),
            start=start,
            end=end,
            votes=self._votes(row.get("votes", "")),
            channel=channel,
            group=self.word(row, "group") if row.get("group") else None,
        )

    def word(self, row: Row, column: str) -> str | None:
        """Return a row's name in a column; None if there is no such column."""
        if column not in self.columns:
            return None
        return self.names.word(column, one_value(row, column))

    def split(self, row: Row) -> str | None:
        """Return the part of a fold that a row is for.

        Raises:
            DataError: It is none.
        """
        if "split" not in self.columns:
            return None
        name = one_value(row, "split")
        part = SPLITS.get(name.lower())
        if part is None:
            raise DataError(
                f"column split: {name!r} is none of train, valid, test: write one of "
                "them"
            )
        if part != name:
            self.splits[name] = part
        return part

    def said(self) -> list[str]:
        """Say what was read otherwise than it is written."""
        said = [
            *self.names.said(),
            *(f"column path: {line}" for line in self.recordings.said()),
        ]
        if self.splits:
            said.append(
                "column split: "
                + ", ".join(f"{old} is {new}" for old, new in self.splits.items())
            )
        if self.times.has_commas:
            said.append("columns start and end: commas are taken as points")
        if "start" in self.columns and not self.is_cut:
            said.append("columns start and end: all rows are whole recordings")
        if self.channels == {"1"}:  # EmoBox, for one, counts them
            said.append(
                "column channel is 1 in all rows, which is the second one; where it is "
                "how many there are, take none: --map channel="
            )
        if self.open_ends:
            said.append(
                f"column end is empty in {self.open_ends} rows: they end where their "
                "recordings do"
            )
        return said

    def _check(self, row: Row) -> None:
        for column in FILLED:
            if column in self.columns and column not in row:
                undecided = column == "label" and "votes" in row
                if undecided and self.no_majority:
                    continue
                other = f"take none, --map {column}="
                if column in REQUIRED:
                    other = "take this one out"
                if undecided:
                    other += ", or let its votes train, --no_majority train"
                raise DataError(
                    f"column {column} is empty: fill it in every row, or {other}"
                )
        for column in COLUMNS:
            if isinstance(value := row.get(column), Unreadable):
                raise DataError(f"column {column}: {value}")

    def _label(self, label: str) -> str:
        label = self.names.form("label", label)
        self.labels[label] += 1
        # As the table spells it, or as it is called here.
        key = label if label in self.label_map else as_word(label)
        mapped = self.label_map.get(key, label)
        if not mapped:
            self.mapped.add(key)
            raise LeftOutError(f"label {label!r} is mapped to nothing")
        # Several labels may be mapped to one.
        if key in self.label_map:
            self.mapped.add(key)
            check_name("--map_label: the label", mapped)
            return as_word(mapped)
        return self.names.word("label", mapped)

    def _is_part(self, row: Row) -> bool:
        end = row.get("end", row.get("duration", ""))
        try:
            return bool(
                self.times.seconds("start", str(row.get("start", "")))
                or self.times.seconds("end", str(end)) is not None
            )
        except DataError:
            return True

    def _segment(self, row: Row, wav: Path) -> tuple[float, float]:
        times = {
            column: self.times.seconds(column, one_value(row, column))
            for column in ("start", "end", "duration")
            if column in self.columns
        }
        start, end = times["start"], times.get("end")
        if start is None:
            raise DataError("column start: no time: write seconds, such as 12.34")
        if times.get("duration") is not None:
            end = round(start + (times["duration"] or 0), 3)
        if end is None:  # audformat's NaT
            self.open_ends += 1
            info = audio_info(wav, "mix")
            end = math.floor(info.frames / info.sample_rate * 1000) / 1000
        if end <= start:
            raise DataError(
                f"column end: {end} is not after start {start}: fix the times"
            )
        if end - start < SHORTEST:
            raise DataError(
                f"column end: from {start} to {end} are less than 10 ms: write seconds"
            )
        return start, end

    def _channel(self, row: Row) -> str | None:
        if "channel" not in row:
            return None
        self.channels.add(one_value(row, "channel"))
        channel = CHANNELS.get(one_value(row, "channel"))
        if channel is None:
            raise DataError(
                f"column channel: {row['channel']!r} is none of {', '.join(CHANNELS)}: "
                "write one of them, or nothing where the recording has one channel"
            )
        return channel

    def _utt(
        self,
        wav: Path,
        speaker: str | None,
        channel: str | None,
        *times: float | None,
    ) -> str:
        stem = as_word(wav.stem)
        check_name("column path: the file", stem, "rename it, or add a column utt")
        cut = [f"{round(time * 1000):07}" for time in times if time is not None]
        utt = "-".join(filter(None, [speaker, stem, channel, *cut]))
        check_name("column path: the id", utt, "add a column utt with shorter ids")
        return nfc(utt)

    def _votes(self, votes: Value) -> tuple[str, ...]:
        if not isinstance(votes, list):
            votes = _vote_list(votes, self.known)
        for vote in votes:
            if isinstance(vote, list | Unreadable):
                raise DataError(f"column votes: {vote} is no vote: write a text")
        mapped = (self._vote(vote) for vote in votes)
        return tuple(vote for vote in mapped if vote)

    def _vote(self, vote: str) -> str:
        """Map a vote as a label; one for several classes, ``a+b``, by each."""
        vote = self.names.form("votes", vote)
        name, count = split_count(vote, self.known)
        parts = [name] if name in self.label_map else name.split("+")
        mapped = [self.label_map.get(part, part) for part in parts]
        named = "+".join(part for part in mapped if part)
        behind = f":{count}" if named and count else ""
        return self.names.word("votes", named) + behind


def _text(row: Row) -> str:
    text = " ".join(one_value(row, "text").split())
    # JSON may hold halves of a pair, which are no characters and cannot be written.
    if not text.isprintable() and any("\ud800" <= c <= "\udfff" for c in text):
        raise DataError(
            f"column text: {text!r} holds half of a surrogate pair: write the "
            "character whole"
        )
    return text


def _vote_list(votes: str, labels: set[str]) -> list[str]:
    """Split votes: a list of JSON, or by ``; , |``, or else by spaces."""
    if votes in labels:
        return [votes]
    if votes.startswith("["):
        try:
            listed = json.loads(votes.replace("'", '"'))
        except ValueError:
            listed = None
        if not isinstance(listed, list):
            raise DataError(
                f"column votes: {votes!r} is no list: separate votes by spaces or ;"
            )
        return [str(vote) for vote in listed]
    several = [vote for vote in SEVERAL.split(votes) if vote]
    return several if len(several) > 1 else votes.split()
