"""Chunks of sound as the page's microphone sends them, and those that are missing."""

import dataclasses
from collections import deque
from pathlib import Path

import numpy as np

from espnet_sentiment.core.errors import DataError

MOST_SECONDS = 10  # of a chunk; the page sends one a second
MOST_CHANNELS = 2
RATES = range(8000, 192_001)
FEW = 5  # chunks by which a gap is known
GAP = 0.9  # seconds


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A chunk of sound.

    Args:
        samples: (N, channels), int16.
        rate: Samples a second.
    """

    samples: np.ndarray
    rate: int

    @property
    def seconds(self) -> float:
        """Its duration."""
        return len(self.samples) / self.rate

    def cut(self, seconds: float) -> "Chunk":
        """Return its beginning."""
        return Chunk(self.samples[: round(seconds * self.rate)], self.rate)


def read_chunk(path: Path) -> Chunk:
    """Read a chunk; no more is decoded than a microphone sends.

    Its header need not know its length: the page puts the stream's before each chunk.

    Raises:
        DataError: It is no WAV of 16 bits, or longer or of more channels than a
            microphone's.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            if (file.format, file.subtype) != ("WAV", "PCM_16"):
                raise DataError("What came is no WAV of 16 bits: use the microphone.")
            rate, frames, channels = file.samplerate, file.frames, file.channels
            if rate not in RATES or channels > MOST_CHANNELS:
                raise DataError(
                    f"What came has {channels} channels and {rate} Hz: this page takes "
                    f"1 or {MOST_CHANNELS}, and {RATES[0]} to {RATES[-1]} Hz."
                )
            if frames > MOST_SECONDS * rate:
                raise DataError(
                    f"A chunk of {frames / rate:.0f} s has come, longer than the "
                    f"{MOST_SECONDS} s that this page takes: use its microphone."
                )
            return Chunk(file.read(dtype="int16", always_2d=True), rate)
    except soundfile.LibsndfileError:
        raise DataError("What came is no WAV: use the microphone.") from None


class Gaps:
    """Notices sound that has not come: browsers lose some on slow connections.

    A chunk that comes twice stands in the place of another. By the clock, what is late
    catches up; what stays behind is lost.
    """

    def __init__(self):
        self._last: Chunk | None = None
        self._begin: float | None = None
        self._seconds = 0.0
        self._behind = deque[float](maxlen=FEW)

    def notes(self, chunk: Chunk, now: float) -> list[str]:
        """Say what is missing, given a chunk and the time at which it has come."""
        notes = []
        last, self._last = self._last, chunk
        if (
            last is not None
            and chunk.samples.any()
            and np.array_equal(last.samples, chunk.samples)
        ):
            notes = [f"At {self._seconds:.0f} s sound was lost on the way here."]
        self._seconds += chunk.seconds
        if self._begin is None:
            self._begin = now - self._seconds
        self._behind.append(now - self._begin - self._seconds)
        if len(self._behind) == FEW and (gap := min(self._behind)) > GAP:
            notes.append(
                f"Before {self._seconds:.0f} s, {gap:.1f} s of sound were lost on the "
                "way here, or are late: the connection or the server is slow."
            )
            # Is said once.
            self._begin += gap
            self._behind.clear()
        return notes
