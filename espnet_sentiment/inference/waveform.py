"""Recordings from files and arrays, read as mono at the encoder's rate."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.audio import audio_info, read_audio, resample

Speech = str | Path | np.ndarray | torch.Tensor

MIN_RATE = 4000  # Hz; what is below is no recording of speech
# torchaudio's resampler keeps a filter of about this many taps: 320 MB.
MAX_FILTER = 80_000_000
BLOCK = 60  # seconds


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recording whose samples are read when they are needed.

    Args:
        name: The file, or which array, for messages.
        rate: Samples a second of what is stored.
        frames: Samples a channel.
        path: The file; None for an array.
        samples: Mono float32 (N,); None for a file.
        channel: Channel of a file with several, see ``data/audio.py``.
    """

    name: str
    rate: int
    frames: int
    path: Path | None = None
    samples: np.ndarray | None = dataclasses.field(default=None, repr=False)
    channel: str | None = None

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.rate

    def read(
        self, rate: int, start: float | None = None, end: float | None = None
    ) -> np.ndarray:
        """Read samples (N,), mono float32.

        Args:
            rate: Rate to resample to, in Hz.
            start: Start in seconds; None for the recording's.
            end: End in seconds; None for the recording's.

        Raises:
            DataError: The file cannot be read, or holds what is no number.
        """
        if self.samples is not None:
            first = None if start is None else round(start * self.rate)
            last = None if end is None else round(end * self.rate)
            return resample(self.samples[first:last], self.rate, rate)
        if self.path is None:
            raise ValueError(f"{self.name} has neither a path nor samples")
        try:
            return read_audio(self.path, rate, self.channel, start, end)
        except (OSError, soundfile.SoundFileError) as error:
            raise DataError(
                f"{self.path} cannot be read ({error}): fix or restore it"
            ) from None

    def blocks(self, rate: int) -> Iterator[np.ndarray]:
        """Read all of it in blocks of ``BLOCK`` seconds, see ``read``."""
        for start in range(0, math.ceil(self.duration), BLOCK):
            yield self.read(rate, start, min(start + BLOCK, self.duration))


def open_recording(
    speech: Speech,
    rate: int | None,
    target: int,
    channel: str | None = None,
    name: str = "the array",
) -> Recording:
    """Check a file's header or an array; a file's samples are not read yet.

    Args:
        speech: A path, or samples (N,), or (N, channels) as soundfile reads them:
            floating point in [-1, 1], or integers of a PCM format.
        rate: Samples a second of an array, ``target`` if None; a file knows its own.
        target: Rate in Hz to which it will be resampled.
        channel: Channel of a recording with several: ``0``, ``1`` or ``mix``, their
            mean; None refuses it.
        name: What to call an array in messages.

    Raises:
        DataError: It is no recording of speech; the message says why.
        TypeError: ``speech`` is no path and no array.
    """
    if isinstance(speech, (str, Path)):
        return _open_file(Path(speech), target, channel)
    if isinstance(speech, torch.Tensor):
        speech = speech.detach().cpu()
        speech = (speech.float() if speech.dtype == torch.bfloat16 else speech).numpy()
    if not isinstance(speech, np.ndarray):
        raise TypeError(
            f"{name} is of type {type(speech).__name__}: give a path, a numpy array, a "
            "tensor, or a pair of an array and its rate"
        )
    rate = target if rate is None else rate
    samples = _scale(_mono(speech, channel, name), name)
    _check_rate(rate, target, name)
    return Recording(name, int(rate), len(samples), samples=samples)


def _open_file(path: Path, target: int, channel: str | None) -> Recording:
    if path.is_dir():
        raise DataError(f"{path} is a folder: name the files in it")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no regular file: write its audio to one first")
    try:
        info = audio_info(path, channel)
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror})") from None
    _check_rate(info.sample_rate, target, str(path))
    return Recording(
        str(path), info.sample_rate, info.frames, path=path, channel=channel
    )


def _check_rate(rate: float, target: int, name: str) -> None:
    if rate != int(rate) or rate < MIN_RATE:
        raise DataError(
            f"{name} has a sample rate of {rate} Hz: speech needs whole Hz, {MIN_RATE} "
            "or more"
        )
    common = math.gcd(int(rate), target)
    if int(rate) * target > MAX_FILTER * common**2:
        raise DataError(
            f"{name} has a sample rate of {rate} Hz, from which {target} Hz takes too "
            "large a filter: resample it first, for example by 'sox IN -r 16000 OUT'"
        )


def _mono(samples: np.ndarray, channel: str | None, name: str) -> np.ndarray:
    if samples.ndim == 2 and samples.shape[1] == 1:
        samples = samples[:, 0]
    if samples.ndim == 1:
        return samples
    if samples.ndim != 2 or samples.shape[0] < samples.shape[1]:
        raise DataError(
            f"{name} has shape {samples.shape}: give samples (N,) or (N, channels)"
        )
    if channel is None:
        raise DataError(
            f"{name} has {samples.shape[1]} channels: choose one, or give their mean"
        )
    return samples.mean(axis=1) if channel == "mix" else samples[:, int(channel)]


def _scale(samples: np.ndarray, name: str) -> np.ndarray:
    """Bring samples to [-1, 1] and float32, as soundfile does."""
    if not len(samples):
        raise DataError(f"{name} holds no samples")
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind not in "fiu":
        raise DataError(f"{name} holds {samples.dtype}: give numbers, float32 or int16")
    if kind in "iu":
        half = 2.0 ** (8 * size - 1)
        return ((samples - (half if kind == "u" else 0.0)) / half).astype(np.float32)
    samples = samples.astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise DataError(f"{name} holds samples that are not numbers")
    if (peak := float(np.abs(samples).max())) > 100:
        raise DataError(
            f"{name} holds samples up to {peak:g}: scale them to [-1, 1], which for 16 "
            "bits is dividing by 32768"
        )
    return samples
