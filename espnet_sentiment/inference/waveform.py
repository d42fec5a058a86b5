"""Recordings from files and arrays, read as mono at the encoder's rate."""

import dataclasses
import io
import math
import numbers
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.audio import audio_info, hear, resample
from espnet_sentiment.data.mono import SILENCE, Heard, is_constant
from espnet_sentiment.data.source import Source, as_source
from espnet_sentiment.inference.samples import check_rate, mono_samples, split_pair

type Samples = np.ndarray | torch.Tensor
type Whole = str | Path | bytes | BinaryIO | Source | Samples | tuple[Samples, float]
type Speech = Whole | Excerpt

BLOCK = 60  # seconds


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """A part of a recording, such as a turn of a conversation.

    Args:
        speech: The recording.
        start: Start in seconds.
        end: End in seconds; None for the recording's.
        channel: Its channel, ``0``, ``1`` or ``mix``; None for that of the model.
    """

    speech: Whole
    start: float = 0.0
    end: float | None = None
    channel: str | None = None


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recording whose samples are read when they are needed.

    Args:
        name: The file, or which array, for messages.
        rate: Samples a second of what is stored.
        frames: Samples a channel.
        source: The file or its bytes; None for an array.
        samples: Mono float32 (N,); None for a file.
        channel: Channel of a file with several, see ``data/audio.py``.
        notes: What a person should know of an array.
        offset: Seconds of the file before it, of an excerpt; None for a whole one.
    """

    name: str
    rate: int
    frames: int
    source: Source | None = None
    samples: np.ndarray | None = dataclasses.field(default=None, repr=False)
    channel: str | None = None
    notes: tuple[str, ...] = ()
    offset: float | None = None

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.rate

    def read(
        self, rate: int, start: float | None = None, end: float | None = None
    ) -> np.ndarray:
        """Read samples (N,), mono float32; see ``hear``."""
        return self.hear(rate, start, end).samples

    def hear(
        self, rate: int, start: float | None = None, end: float | None = None
    ) -> Heard:
        """Read samples (N,), mono float32, and what a person should know of them.

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
            samples = self.samples[first:last]
            is_silent = len(samples) and is_constant(samples, samples[0])
            silence = (SILENCE,) if is_silent and not self.notes else ()
            return Heard(resample(samples, self.rate, rate), (*self.notes, *silence))
        if self.offset is not None:
            start = self.offset + (start or 0.0)
            end = self.offset + (self.duration if end is None else end)
        if self.source is None:
            raise ValueError(f"{self.name} has neither a source nor samples")
        try:
            return hear(self.source, rate, self.channel, start, end)
        except OSError as error:
            raise DataError(
                f"{self.name} cannot be read ({error}): fix or restore it"
            ) from None

    def blocks(self, rate: int) -> Iterator[np.ndarray]:
        """Read all of it in blocks of ``BLOCK`` seconds, see ``read``."""
        for start in range(0, math.ceil(self.duration), BLOCK):
            yield self.read(rate, start, min(start + BLOCK, self.duration))


def excerpt(whole: Recording, start: float, end: float | None) -> Recording:
    """Return a part of a recording, as if it were one.

    Raises:
        DataError: The times are not within it.
    """
    last = whole.duration if end is None else end
    # Half a millisecond, by which tables round.
    if not 0 <= start < last <= whole.duration + 5e-4:
        raise DataError(
            f"{whole.name}: from {start:g} to {last:g} s is no part of its "
            f"{whole.duration:.3f} s: fix the times"
        )
    first, stop = round(start * whole.rate), round(last * whole.rate)
    frames = min(stop, whole.frames) - first
    name = f"{whole.name} from {start:g} to {last:g} s"
    if whole.samples is not None:
        samples = whole.samples[first : first + frames]
        return dataclasses.replace(whole, name=name, frames=frames, samples=samples)
    return dataclasses.replace(whole, name=name, frames=frames, offset=start)


def open_recording(
    speech: Speech,
    rate: float | None,
    target: int,
    channel: str | None = None,
    name: str | None = None,
) -> Recording:
    """Check a file's header or an array; a file's samples are not read yet.

    Args:
        speech: A path, a file's bytes, a file object that is open for reading them; or
            samples (N,), or (N, channels) as soundfile reads them: floating point in
            [-1, 1], or integers of a PCM format; or a pair of such samples and their
            rate; or a part of one of these, ``Excerpt``.
        rate: Samples a second of an array, ``target`` if None; a file knows its own.
        target: Rate in Hz to which it will be resampled.
        channel: Channel of a recording with several: ``0``, ``1`` or ``mix``, their
            mean; None refuses it.
        name: What to call bytes or an array in messages; None says what it is.

    Raises:
        DataError: It is no recording of speech; the message says why.
    """
    if isinstance(speech, Excerpt):
        part, channel = speech, speech.channel or channel
        whole = open_recording(part.speech, rate, target, channel, name)
        is_whole = not part.start and part.end is None
        return whole if is_whole else excerpt(whole, part.start, part.end)
    if (source := as_source(speech, None if _is_path(speech) else name)) is not None:
        return _open_source(source, target, channel)
    name = name or "the array"
    if isinstance(speech, tuple) and rate is None:
        speech, rate = split_pair(speech, name)
    samples, notes = mono_samples(speech, channel, name)
    rate = check_rate(target if rate is None else rate, target, name)
    return Recording(name, rate, len(samples), samples=samples, notes=notes)


def _is_path(speech: object) -> bool:
    return isinstance(speech, (str, Path))


def _open_source(source: Source, target: int, channel: str | None) -> Recording:
    path, name = source.path, source.name
    try:
        if path is not None and path.is_dir():
            raise DataError(f"{name} is a folder: name the files in it")
        if path is not None and path.exists() and not path.is_file():
            raise DataError(f"{name} is no regular file: write its audio to one first")
        info = audio_info(source, channel)
    except OSError as error:
        raise DataError(
            f"{name} cannot be opened ({error.strerror}): check the name"
        ) from None
    check_rate(info.sample_rate, target, name)
    return Recording(
        name, info.sample_rate, info.frames, source=source, channel=channel
    )


def check_several(inputs: object) -> None:
    """Refuse one recording where several are asked for: its letters, its samples.

    Raises:
        UserError: It is one, or nothing that can be gone through.
    """
    one = (
        isinstance(inputs, (str, bytes, bytearray, os.PathLike, io.IOBase, Source))
        or (isinstance(inputs, (np.ndarray, torch.Tensor)) and inputs.ndim < 2)
        or (
            isinstance(inputs, tuple)
            and any(isinstance(x, numbers.Number) for x in inputs)
        )
    )
    if one or not isinstance(inputs, Iterable):
        raise UserError(
            f"predict takes a list of recordings, but was given a single "
            f"{type(inputs).__name__}: write predict([...]), or call the model itself"
        )
