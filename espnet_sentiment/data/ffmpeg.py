"""Decoding by FFmpeg's libraries (PyAV), of what libsndfile does not read.

https://pyav.basswood-io.com, https://ffmpeg.org/ffmpeg-formats.html
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.mpeg import PADDING, declared_samples
from espnet_sentiment.data.suffixes import RECORDING_SUFFIXES

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

# No playlists and no network: these read one file, the one that is open.
DEMUXERS = (
    *("aac", "ac3", "aiff", "alac", "amr", "ape", "asf", "au", "avi", "avr", "caf"),
    *("dsf", "dts", "dtshd", "dv", "eac3", "flac", "flv", "g722", "gsm", "iff"),
    *("ircam", "loas", "matroska", "mlp", "mov", "mp3", "mpc", "mpc8", "mpeg"),
    *("mpegts", "mxf", "nistsphere", "nut", "ogg", "oma", "paf", "qcp", "qoa", "rm"),
    *("shn", "sox", "tak", "truehd", "tta", "voc", "w64", "wav", "wtv", "wv", "xwma"),
)
# Streams of frames: no header says how long they are, and they may begin or end within
# a frame.
FRAMES = frozenset(("aac", "ac3", "amr", "dts", "eac3", "loas", "mlp", "mp3", "truehd"))
TOLERANCE = 0.25  # seconds that encoders add at the ends of what they were given
CONVERT = "convert it ('ffmpeg -i IN -ac 1 -ar 16000 OUT.wav')"


class NotDecodableError(Exception):
    """FFmpeg's libraries find no recording either; the message is their reason."""


class Sound:
    """A recording that is open for decoding.

    Args:
        container: The file.
        stream: Its sound.
        name: What messages call it.
        content: All bytes of the file.

    Attributes:
        rate: Samples a second, known when the first block is there.
        notes: What a person should know of how it was read.
    """

    def __init__(
        self,
        container: "InputContainer",
        stream: "AudioStream",
        name: str,
        content: BinaryIO,
    ):
        self._container, self._stream = container, stream
        self._name, self._content = name, content
        self.rate = stream.rate or 0
        self.notes: list[str] = []
        if len(container.streams.audio) > 1:
            listed = ", ".join(_language(s) for s in container.streams.audio)
            self.notes.append(
                f"{len(container.streams.audio)} sounds ({listed}) are in it: number "
                f"{1 + container.streams.audio.index(stream)} is read"
            )

    @property
    def seconds(self) -> float | None:
        """What the header declares; None if it does not, or only estimates."""
        if FRAMES & set(self._container.format.name.split(",")):
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        # With pictures, theirs may be longer.
        if self._container.duration is not None and not self._container.streams.video:
            return self._container.duration / 1e6
        return None

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode all of it, block by block, float32 (N, channels) in [-1, 1].

        Raises:
            DataError: It is damaged, cut short, or changes on the way.
        """
        from av.error import FFmpegError, InvalidDataError

        decoded, damaged, number, shape = 0, [], 0, None
        try:
            for number, packet in enumerate(self._container.demux(self._stream), 1):
                try:
                    frames = packet.decode()
                except InvalidDataError:
                    damaged.append(number)
                    continue
                for frame in frames:
                    found = frame.sample_rate, len(frame.layout.channels)
                    shape = shape or found
                    if found != shape:
                        raise DataError(
                            f"{self._name} changes from {_of(shape)} to {_of(found)} "
                            f"after {decoded / shape[0]:.1f} s: {CONVERT}"
                        )
                    self.rate = frame.sample_rate
                    decoded += frame.samples
                    if frame.samples:
                        yield _to_float(frame)
        except FFmpegError as error:
            raise DataError(
                f"{self._name} is damaged or cut short ({error.strerror}): restore it, "
                "or leave it out"
            ) from None
        self._check(decoded, damaged, number)

    def _check(self, decoded: int, damaged: list[int], packets: int) -> None:
        """Refuse what lacks samples."""
        seconds, extra = self.seconds, TOLERANCE * self.rate
        promised = None if seconds is None else round(seconds * self.rate)
        if self._container.format.name == "mp3":
            promised, extra = declared_samples(self._content), extra + PADDING
        if promised is not None and decoded < promised - extra:
            raise DataError(
                f"{self._name} is cut short: its header promises {promised} samples, "
                f"but {decoded} can be read: restore it, or leave it out"
            )
        # The last packet is the empty one that flushes the decoder.
        ends = {1, packets - 1, packets} if seconds is None else set()
        if lost := [n for n in damaged if n not in ends]:
            raise DataError(
                f"{self._name} is damaged: {len(lost)} of its {packets - 1} packets "
                "cannot be decoded: restore it, or leave it out"
            )


def _of(shape: tuple[int, int]) -> str:
    return f"{shape[0]} Hz and {shape[1]} channels"


def _language(stream: "AudioStream") -> str:
    return stream.metadata.get("language") or stream.metadata.get("title") or "unnamed"


@contextlib.contextmanager
def open_sound(
    stream: BinaryIO, name: str, suffix: str = "", to_end: bool = False
) -> Iterator[Sound]:
    """Open the sound of a recording or a video, the default one of several.

    Args:
        stream: Its bytes, from the first one on.
        name: What messages call it.
        suffix: What its file's name ends in, a hint where formats look alike.
        to_end: Whether to read to the end, whatever the header says.

    Raises:
        NotDecodableError: It is none that can be decoded.
        DataError: It is one without sound.
    """
    import av
    from av.error import FFmpegError

    stream.seek(0)
    named = _Named(stream, suffix if suffix in RECORDING_SUFFIXES else "")
    options = {"format_whitelist": ",".join(DEMUXERS)}
    if to_end:
        options["ignore_length"] = "1"
    try:
        container = av.open(named, "r", options=options, io_open=_refuse)
    except FFmpegError as error:
        raise NotDecodableError(error.strerror) from None
    with container:
        sounds = container.streams.audio
        if not sounds:
            others = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise DataError(
                f"{name} holds no sound, only {others}: name the file that holds the "
                "sound, or leave it out"
            )
        known = [s for s in sounds if s.codec_context is not None]
        if not known:
            raise NotDecodableError("no decoder knows its codec")
        # As the command ffmpeg chooses.
        best = max(known, key=lambda s: (_is_default(s), s.channels))
        yield Sound(container, best, name, stream)


def _is_default(stream: "AudioStream") -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.default)


def _refuse(url: str, flags: int, options: Any) -> Any:
    raise PermissionError(f"a recording may not open {url}")


class _Named:
    """A stream for PyAV, under a name that is nothing but an ending."""

    def __init__(self, stream: BinaryIO, suffix: str):
        self.name = f"sound{suffix}"
        self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell


def _to_float(frame: Any) -> np.ndarray:
    """Return a frame's samples (N, channels), float32 in [-1, 1]."""
    channels = len(frame.layout.channels)
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, channels)
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    if samples.dtype.kind == "u":
        samples = samples - half
    return (samples / half).astype(np.float32)
