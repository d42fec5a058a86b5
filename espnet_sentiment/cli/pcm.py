"""Samples from a pipe, as they come: WAV of any length, or raw PCM."""

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from espnet_sentiment.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

# By WAV's format tag and bits: https://learn.microsoft.com/windows/win32/multimedia
DTYPES = {(1, 8): "u1", (1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4"}
EXTENSIBLE = 0xFFFE
MOST_HEADER = 1 << 20  # bytes of chunks before the samples
READ = 1 << 16  # bytes that are read at once at most
REMEDY = "pipe WAV or raw 16-bit PCM: ffmpeg -i ... -ac 1 -f wav - | ..."


class PCM(NamedTuple):
    """What samples are: their rate in Hz, channels, and numpy's dtype."""

    rate: int
    channels: int
    dtype: str


def open_pcm(pipe: BinaryIO, rate: int | None) -> tuple[PCM, bytes]:
    """Read up to the first sample.

    Args:
        pipe: Unbuffered, or whatever ``read`` gives what has come of.
        rate: Of raw samples, 16 bits, mono; None takes WAV alone.

    Returns:
        What the samples are, and the first bytes of them, that were read with it.

    Raises:
        DataError: It is neither, or a WAV of another rate than is given.
    """
    read = _exactly(pipe)
    head = read(4)
    if not head:
        raise DataError(f"nothing comes on standard input: {REMEDY}")
    if head not in (b"RIFF", b"RF64"):
        if rate is None:
            raise DataError(
                "standard input is no WAV: say --rate HZ if it is raw 16-bit PCM, mono "
                f"(arecord -t raw); else {REMEDY}"
            )
        if head in (b"fLaC", b"OggS", b"\x1aE\xdf\xa3") or head[:3] == b"ID3":
            raise DataError(f"standard input is compressed, no raw PCM: {REMEDY}")
        return PCM(rate, 1, "<i2"), head
    found = _wav(read)
    if rate not in (None, found.rate):
        raise DataError(
            f"standard input is a WAV at {found.rate} Hz, and --rate says {rate}: "
            "leave --rate out"
        )
    return found, b""


def _wav(read: Callable[[int], bytes]) -> PCM:
    """Read a WAV's chunks up to its samples, which last as long as the pipe does."""
    read(4)  # of a pipe, the length is not known
    if read(4) != b"WAVE":
        raise DataError(f"standard input is RIFF, but no WAV: {REMEDY}")
    found, n_bytes = None, 0
    while True:
        head = read(8)
        if len(head) < 8 or n_bytes > MOST_HEADER:
            raise DataError(f"standard input is a WAV without samples: {REMEDY}")
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            if found is None:
                raise DataError(f"standard input is a WAV without a format: {REMEDY}")
            return found
        n_bytes += length
        body = read(min(length + length % 2, MOST_HEADER))
        if name == b"fmt ":
            found = _format(body)


def _format(body: bytes) -> PCM:
    if len(body) < 16:
        raise DataError(f"standard input is a WAV with a broken header: {REMEDY}")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack("<H", body[24:26])
    if (tag, bits) not in DTYPES or not channels:
        raise DataError(
            f"standard input is a WAV of format {tag} with {bits} bits and {channels} "
            "channels: pipe 16 bits (arecord -f S16_LE, ffmpeg -c:a pcm_s16le)"
        )
    return PCM(rate, channels, DTYPES[tag, bits])


def _exactly(pipe: BinaryIO) -> Callable[[int], bytes]:
    def read(n: int) -> bytes:
        """Return n bytes, fewer at the pipe's end."""
        found = b""
        while len(found) < n and (more := pipe.read(n - len(found))):
            found += more
        return found

    return read


def chunks(
    pipe: BinaryIO, pcm: PCM, first: bytes, say: Callable[[str], object]
) -> "Iterator[np.ndarray]":
    """Give samples (N, channels) as they come, to the pipe's end.

    Args:
        pipe: Unbuffered.
        pcm: What they are.
        first: What was read before.
        say: Told what is left over.
    """
    import numpy as np

    size = np.dtype(pcm.dtype).itemsize * pcm.channels
    held = first
    while more := pipe.read(READ):
        held += more
        whole = len(held) - len(held) % size
        if whole:
            flat = np.frombuffer(held[:whole], pcm.dtype)
            yield flat.astype(flat.dtype.newbyteorder("=")).reshape(-1, pcm.channels)
            held = held[whole:]
    if held:
        say(f"the last {len(held)} bytes are no whole sample: they are left out")
