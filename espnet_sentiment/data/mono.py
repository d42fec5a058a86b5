"""From channels to one, and what a person should know of the outcome."""

import math
from typing import NamedTuple

import numpy as np

from espnet_sentiment.core.errors import DataError

# Kaldi's names of the sides of a telephone call, in reco2file_and_channel.
SIDES = {"A": 0, "B": 1}
# The mean of n unlike channels has 1/sqrt(n) of their amplitude, a side of two half;
# what has less than this has lost its sound to the sum of opposites.
CANCELLED = 0.1
SILENCE = "digital silence: all samples are alike"


def index_of(channel: str) -> int:
    """Return the place of a channel that is named by its number, or a side.

    Raises:
        DataError: It is neither.
    """
    if channel in SIDES:
        return SIDES[channel]
    if channel.isdecimal():
        return int(channel)
    raise DataError(f"channel {channel!r} is none: give 0, 1, ... or mix")


class Heard(NamedTuple):
    """Samples (N,), mono float32, and what a person should know of them."""

    samples: np.ndarray
    notes: tuple[str, ...] = ()


class Mono:
    """Takes a channel, or the mean of all, block by block.

    Args:
        channel: ``0``, ``1``, ..., ``A``, ``B``, or ``mix`` for the mean; None of mono.
    """

    def __init__(self, channel: str | None):
        self._index = None if channel in (None, "mix") else index_of(channel)
        self._channels = 1
        self._power = self._mixed_power = 0.0
        self._first: float | None = None
        self._silent = True

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Map samples (N, channels) to (N,)."""
        self._channels = samples.shape[1]
        if self._channels == 1:
            mono = samples[:, 0]
        elif self._index is not None:
            mono = samples[:, self._index]
        else:
            mono = samples.mean(axis=1)
            self._power += float(np.square(samples, dtype=float).mean(axis=1).sum())
            self._mixed_power += float(np.square(mono, dtype=float).sum())
        if self._silent and len(mono):
            self._first = float(mono[0]) if self._first is None else self._first
            self._silent = is_constant(mono, self._first)
        return mono

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of all that was read."""
        if self._mixed_power < CANCELLED**2 * self._power:
            ratio = self._mixed_power / self._power
            loss = f"{-10 * math.log10(ratio):.0f} dB below them" if ratio else "silent"
            return (
                f"its {self._channels} channels cancel each other out, their mean is "
                f"{loss}: choose one with --channel 0 or --channel 1",
            )
        return (SILENCE,) if self._silent and self._first is not None else ()


def is_constant(samples: np.ndarray, value: float) -> bool:
    """Tell whether all samples (N,) have a value; speech differs at once."""
    return bool((samples[:256] == value).all() and (samples == value).all())
