"""Channels as files name them: counted from 1 by NIST, from 0 by Kaldi, or A and B."""

from collections.abc import Iterable

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.found import Wanted

UNKNOWN = ("", "<NA>")
LETTERS = {"A": 0, "B": 1}
LEAVE_OUT = "or read no channels, --map channel="


class ChannelFields:
    """Reads the channels of one file, which counts them in one way.

    Args:
        fields: All of its channel fields.
        first: What the first channel's number is.
        wanted: The recording.
    """

    def __init__(self, fields: Iterable[str], first: int, wanted: Wanted):
        self.fields = set(fields).difference(UNKNOWN)
        self.first, self.wanted = first, wanted
        # Kaldi's make_rttm.py writes 0 where there is nothing to tell.
        self.tells_nothing = first == 1 and self.fields == {"0"}

    def read(self, field: str) -> str | None:
        """Return our number of a channel, ``"0"`` the first.

        Returns:
            None where the field tells none, or the recording has only one.

        Raises:
            DataError: It is none, or the recording has no such channel.
        """
        if not self.wanted.by_channel or field in UNKNOWN or self.tells_nothing:
            return None
        index = LETTERS.get(field)
        if index is None:
            is_number = field.isascii() and field.isdecimal()
            index = int(field) - self.first if is_number else -1
        if index < 0:
            raise DataError(
                f"channel {field!r} is none: write {self.first} or A for the first, "
                f"{self.first + 1} or B for the second, {LEAVE_OUT}"
            )
        n = self.wanted.channels
        if n is not None and index >= n:
            have = "one channel" if n == 1 else f"{n} channels"
            raise DataError(
                f"channel {field!r} is number {index + 1}, but the recording has "
                f"{have}: fix it, {LEAVE_OUT}"
            )
        return None if n == 1 else str(index)

    def said(self) -> list[str]:
        """Say what may have been meant otherwise."""
        if not self.wanted.by_channel:
            return []
        if self.tells_nothing:
            return ["channel 0 of all lines tells nothing: channels count from 1 here"]
        n = self.wanted.channels
        if n is None or n < 2:
            return []
        if self.first == 1 and self.fields == {"1"}:
            return [
                f"channel 1 of all lines is the first of {n}; where the file's writer "
                "knows no channels, as pyannote, read none: --map channel="
            ]
        if self.first == 0 and self.fields == {"1"}:
            return [
                "channel 1 of all lines is the second one; where it is how many there "
                "are, read none: --map channel="
            ]
        return []
