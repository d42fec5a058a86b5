"""A stream's samples, chunk by chunk: held while they are needed, and resampled."""

import math
from collections import deque

import numpy as np

from espnet_sentiment.data.audio import resample

# Samples of the lower rate that torchaudio's filter reaches to either side, and more.
REACH = 8


class StreamResampler:
    """Resamples chunks to what ``resample`` gives of them all together.

    Args:
        source: Rate of the chunks in Hz.
        target: Rate of the outcome.
    """

    def __init__(self, source: int, target: int):
        self._rates, common = (source, target), math.gcd(source, target)
        # The filter is the same again after so many samples.
        self._period, self._made = source // common, target // common
        self._reach = math.ceil(REACH * source / min(source, target))
        self._context = math.ceil(self._reach / self._period)  # in periods
        self._held = np.empty(0, np.float32)
        self._done = 0  # periods at the head of it that were given

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Map samples (N,), float32, to those (M,) that are known by them."""
        if self._period == self._made:
            return samples
        self._held = np.concatenate([self._held, samples])
        known = (len(self._held) - self._reach) // self._period
        if known <= self._done:
            return self._held[:0]
        made = self._resampled(self._held[: known * self._period + self._reach], known)
        dropped = max(0, known - self._context)
        self._held = self._held[dropped * self._period :]
        self._done = known - dropped
        return made

    def close(self) -> np.ndarray:
        """Return the samples (M,) that are left when the last chunk has come."""
        if not len(self._held):
            return self._held
        made, self._held = self._resampled(self._held, None), self._held[:0]
        return made

    def _resampled(self, samples: np.ndarray, known: int | None) -> np.ndarray:
        last = None if known is None else known * self._made
        return resample(samples, *self._rates)[self._done * self._made : last]


class Held:
    """The samples of a stream from some place on.

    Attributes:
        total: Samples that have come.
    """

    def __init__(self) -> None:
        self.total = 0
        self._chunks = deque[np.ndarray]()
        self._first = 0  # place of the first one that is held

    def __len__(self) -> int:
        return self.total - self._first

    def add(self, samples: np.ndarray) -> None:
        """Hold samples (N,), which somebody else may change afterwards."""
        self._chunks.append(samples.copy())
        self.total += len(samples)

    def drop_before(self, place: int) -> None:
        """Let go of what is before a place; places count from the stream's start."""
        while self._chunks and self._first + len(self._chunks[0]) <= place:
            self._first += len(self._chunks.popleft())

    def between(self, start: int, end: int) -> np.ndarray:
        """Return samples (end - start,), fewer where they have not come yet.

        Raises:
            ValueError: The first is held no more.
        """
        if start < self._first:
            raise ValueError(f"sample {start} is gone: the first is {self._first}")
        whole = np.concatenate([np.empty(0, np.float32), *self._chunks])
        return whole[start - self._first : end - self._first]
