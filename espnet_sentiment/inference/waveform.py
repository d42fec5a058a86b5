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
from espnet_sentiment.inference.samples import check_rate, mono_samples, split_pair

type Samples = np.ndarray | torch.Tensor
type Speech = str | Path | Samples | tuple[Samples, float]

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
    rate: float | None,
    target: int,
    channel: str | None = None,
    name: str = "the array",
) -> Recording:
    """Check a file's header or an array; a file's samples are not read yet.

    Args:
        speech: A path, or samples (N,), or (N, channels) as soundfile reads them:
            floating point in [-1, 1], or integers of a PCM format; or a pair of such
            samples and their rate.
        rate: Samples a second of an array, ``target`` if None; a file knows its own.
        target: Rate in Hz to which it will be resampled.
        channel: Channel of a recording with several: ``0``, ``1`` or ``mix``, their
            mean; None refuses it.
        name: What to call an array in messages.

    Raises:
        DataError: It is no recording of speech; the message says why.
    """
    if isinstance(speech, (str, Path)):
        return _open_file(Path(speech), target, channel)
    if isinstance(speech, tuple) and rate is None:
        speech, rate = split_pair(speech, name)
    samples = mono_samples(speech, channel, name)
    rate = check_rate(target if rate is None else rate, target, name)
    return Recording(name, rate, len(samples), samples=samples)


def _open_file(path: Path, target: int, channel: str | None) -> Recording:
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder: name the files in it")
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is no regular file: write its audio to one first")
        info = audio_info(path, channel)
    except OSError as error:
        raise DataError(
            f"{path} cannot be opened ({error.strerror}): check the name"
        ) from None
    except UnicodeEncodeError:
        raise DataError(
            f"{path} has a name that is not UTF-8, which libsndfile's binding cannot "
            "open: rename it"
        ) from None
    check_rate(info.sample_rate, target, str(path))
    return Recording(
        str(path), info.sample_rate, info.frames, path=path, channel=channel
    )
