"""Recordings that only FFmpeg reads, decoded once for all who ask for parts of them."""

import dataclasses
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.ffmpeg import open_sound
from espnet_sentiment.data.mono import Mono, index_of
from espnet_sentiment.data.source import Source

KEPT = 4  # recordings, of any length; a stage reads one after the other
MOST = 256  # short ones: ``predict`` asks many for their lengths before it reads them
TOGETHER = 1 << 24  # samples that more than KEPT may have, 64 MB
IN_MEMORY = 1 << 24  # samples; 64 MB, beyond which they lie in a temporary file


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A recording in one channel.

    Args:
        samples: Mono (N,), float32.
        rate: Samples a second.
        channels: How many there were.
        notes: What a person should know of it.
        complete: Whether it was decoded to its end.
    """

    samples: np.ndarray
    rate: int
    channels: int
    notes: tuple[str, ...]
    complete: bool = True


class _Entry:
    def __init__(self, source: Source):
        # Bytes are known by where they lie, and are not to be freed meanwhile.
        self.source = source
        self.lock = threading.Lock()
        self.decoded: Decoded | None = None


_entries: OrderedDict[Hashable, _Entry] = OrderedDict()
_lock = threading.Lock()


def decode(
    source: Source,
    channel: str | None,
    to_end: bool = False,
    at_most: float | None = None,
) -> Decoded:
    """Decode a recording to its end; the last few, or many short ones, are kept.

    Args:
        source: What FFmpeg's libraries read.
        channel: Which of several, see ``Mono``; None refuses them.
        to_end: Whether to read to the end, whatever the header says.
        at_most: Seconds after which to stop; None for no limit.

    Raises:
        NotDecodableError: It is no recording.
        DataError: It is damaged or cut short, has several channels while ``channel`` is
            None, or no sound.
    """
    key = (source.key, channel)
    with _lock:
        entry = _entries.setdefault(key, _Entry(source))
        _entries.move_to_end(key)
        _forget()
    with entry.lock:
        if entry.decoded is None:
            decoded = _decode(source, channel, to_end, at_most)
            if not decoded.complete:
                return decoded
            entry.decoded = decoded
        return entry.decoded


def _forget() -> None:
    """Drop the recordings that were asked for least recently."""
    sizes = [
        0 if e.decoded is None else len(e.decoded.samples) for e in _entries.values()
    ]
    total = sum(sizes)
    for n, size in zip(range(len(sizes), KEPT, -1), sizes, strict=False):
        if n <= MOST and total <= TOGETHER:
            return
        _entries.popitem(last=False)
        total -= size


def _decode(
    source: Source, channel: str | None, to_end: bool, at_most: float | None
) -> Decoded:
    with (
        source.open() as stream,
        open_sound(stream, source.name, source.suffix, to_end) as sound,
    ):
        mono, channels, ended = Mono(channel), 1, True

        def blocks() -> Iterable[np.ndarray]:
            nonlocal channels, ended
            n_samples = 0
            for block in sound.blocks():
                channels = block.shape[1]
                check_channels(source.name, channels, channel)
                yield mono(block)
                n_samples += len(block)
                if at_most is not None and n_samples > at_most * sound.rate:
                    ended = False
                    return

        samples = _gather(blocks())
        notes = (*sound.notes, *mono.notes)
        return Decoded(samples, sound.rate, channels, notes, ended)


def check_channels(name: str, channels: int, channel: str | None) -> None:
    """Refuse several channels of which none is chosen.

    Args:
        name: The recording, for the message.
        channels: How many it has.
        channel: The one that is wanted; None leaves it open.

    Raises:
        DataError: They do not go together.
    """
    if channels > 1 and channel is None:
        raise DataError(
            f"{name} has {channels} channels: choose one with --channel 0 or "
            "--channel 1, or average them with --channel mix"
        )
    # Of one channel it is that, whichever is asked for.
    if channel not in (None, "mix") and index_of(channel) >= channels > 1:
        raise DataError(
            f"{name} has {channels} channels, of which 0 is the first, and no channel "
            f"{channel}: choose another"
        )


def _gather(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Put blocks (N,) together, many of them in a file that has no name."""
    kept: list[np.ndarray] = []
    size, file = 0, None
    for block in blocks:
        kept.append(block)
        size += len(block)
        if size > IN_MEMORY:
            file = file or tempfile.TemporaryFile()  # noqa: SIM115
            file.write(np.concatenate(kept).tobytes())
            kept, size = [], 0
    samples = np.concatenate(kept) if kept else np.zeros(0, np.float32)
    if file is None:
        return samples
    file.write(samples.tobytes())
    file.flush()
    # The map holds the file for as long as it lives.
    return np.memmap(file, np.float32, "r")
