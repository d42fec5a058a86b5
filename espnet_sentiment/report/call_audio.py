"""A call's sound for a page of one file: its peaks, and Ogg Opus at a low rate.

Both are made block by block, so that memory does not grow with the call.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.data.audio import Opened, open_audio

RATE = 16_000
BITS = {1: 16_000, 2: 24_000}  # a second, of one channel and of two
OVERHEAD = 1.03  # of Ogg's pages
MOST_PEAKS = 20_000
LEAST_PEAK = 0.02  # seconds
BLOCK = 1 << 19  # samples


class Peaks(NamedTuple):
    """Largest absolute samples in percent, by channel, of so many seconds each."""

    channels: list[list[int]]
    seconds: float


def estimated_bytes(seconds: float, channels: int) -> int:
    """Return about how many bytes the sound of a call takes in a page.

    Two hours of two channels take 30 MB; silence takes less.

    Args:
        seconds: Its duration.
        channels: How many it has; more than two are heard as their mean.
    """
    bits = BITS[2 if channels == 2 else 1]
    return int(seconds * bits / 8 * OVERHEAD * 4 / 3)


def listen(audio: PathLike | bytes, channels: int, ogg: Path | None) -> Peaks:
    """Measure a recording, and encode it.

    Args:
        audio: The recording.
        channels: How many it has; of more than two, the mean is taken.
        ogg: File to write; None only measures.

    Raises:
        DataError: As :func:`espnet_sentiment.data.audio.open_audio`; or a sample is no
            number.
    """
    one: list[str | None] = [None if channels == 1 else "mix"]
    names = ["0", "1"] if channels == 2 else one
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(open_audio(audio, name)) for name in names]
        info = opened[0].info
        each = max(int(LEAST_PEAK * info.sample_rate), -(-info.frames // MOST_PEAKS), 1)
        encoder = None
        if ogg is not None:
            encoder = stack.enter_context(_encoder(ogg, len(names), info.sample_rate))
        peaks: list[list[int]] = [[] for _ in names]
        for block in _blocks(opened, max(1, BLOCK // each) * each):
            if not np.isfinite(block).all():
                raise DataError(f"{audio!s:.200} holds samples that are not numbers")
            for channel, samples in zip(peaks, np.abs(block), strict=True):
                edges = np.arange(0, len(samples), each)
                largest = np.maximum.reduceat(samples, edges)
                channel += (100 * np.minimum(largest, 1)).round().astype(int).tolist()
            if encoder is not None:
                encoder(block)
    return Peaks(peaks, each / info.sample_rate)


def _blocks(opened: list[Opened], size: int) -> Iterator[np.ndarray]:
    """Read float32 (channels, N)."""
    frames = opened[0].info.frames
    for first in tqdm(
        range(0, frames, size), "sound of the page", disable=None, leave=False
    ):
        last = min(first + size, frames)
        parts = [one.read(first, last).samples for one in opened]
        # What compresses may lack a frame or two at its end.
        n = min(map(len, parts))
        if n:
            yield np.stack([part[:n] for part in parts])


class _Opus:
    """Encodes blocks (channels, N) of a rate; https://opus-codec.org, by libopus."""

    def __init__(self, container, channels: int, rate: int):
        self._container, self._rate, self._n = container, rate, 0
        self._layout = "stereo" if channels == 2 else "mono"
        self._stream = container.add_stream(
            "libopus",
            rate=RATE,
            layout=self._layout,
            options={"application": "voip", "compression_level": "5"},
        )
        self._stream.bit_rate = BITS[channels]

    def __call__(self, block: np.ndarray) -> None:
        from av import AudioFrame

        planes = np.ascontiguousarray(block, np.float32)
        frame = AudioFrame.from_ndarray(planes, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts = self._rate, self._n
        self._n += block.shape[1]
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))


@contextlib.contextmanager
def _encoder(path: Path, channels: int, rate: int) -> Iterator[_Opus]:
    import av

    with av.open(str(path), "w", format="ogg") as container:
        opus = _Opus(container, channels, rate)
        yield opus
        opus.finish()
