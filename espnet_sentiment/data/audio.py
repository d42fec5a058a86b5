"""One door for sound: whatever holds a recording is opened, probed and read here.

libsndfile reads what it can; FFmpeg's libraries what it cannot, and MP3, of which it
estimates lengths. Errors name the file and the remedy.
"""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import BinaryIO, Protocol, cast

import numpy as np
import soundfile

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.data.declared import Patched, declared
from espnet_sentiment.data.decoded import Decoded, check_channels, decode
from espnet_sentiment.data.ffmpeg import NotDecodableError
from espnet_sentiment.data.mono import (
    SIDES,
    SILENCE,
    Heard,
    Mono,
    is_constant,
)
from espnet_sentiment.data.mpeg import is_mpeg
from espnet_sentiment.data.no_audio import RESTORE, protection, what_it_is
from espnet_sentiment.data.ogg import ogg_bytes
from espnet_sentiment.data.source import Source, as_source
from espnet_sentiment.data.sphere import MAGIC, sphere_bytes, sphere_header

type Sound = PathLike | bytes | BinaryIO | Source

HEAD = 16  # bytes that tell formats apart
MOST_FRAMES = 1 << 48  # libsndfile gives more where it knows nothing
SILENCE_BLOCK = 1 << 16  # samples
MAX_KEPT_FILTER = 4_000_000  # taps of a resampler that is kept: 16 MB


class NotAudioError(DataError):
    """A file is no recording, or none that can be decoded.

    Args:
        name: The file.
        what: What it is instead, or why it cannot be decoded.
        remedy: What its owner does about it.
    """

    def __init__(self, name: str, what: str, remedy: str):
        super().__init__(f"{name} cannot be read as audio ({what}): {remedy}")
        self._told, self.what = (name, what, remedy), what

    def __reduce__(self):
        """Pickle what it was made from: it may come from another process."""
        return type(self), self._told


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """What is known of a recording before it is listened to.

    Args:
        sample_rate: Samples a second.
        channels: Number of channels.
        frames: Samples a channel.
        notes: What a person should know of it.
        complete: Whether it was measured to its end.
    """

    sample_rate: int
    channels: int
    frames: int
    notes: tuple[str, ...] = ()
    complete: bool = True


class Opened(Protocol):
    """A recording that is open for reading."""

    @property
    def info(self) -> AudioInfo:
        """What is known of it."""

    @property
    def plain(self) -> bool:
        """Whether it can be read again where it lies, as fast as uncompressed."""

    def read(self, first: int, last: int) -> Heard:
        """Read samples from ``first`` up to ``last``, at the recording's own rate."""

    def is_silent(self) -> bool:
        """Tell whether all its samples are alike."""


def audio_info(
    sound: Sound, channel: str | None = None, at_most: float | None = None
) -> AudioInfo:
    """Check a recording, and measure it.

    Args:
        sound: A path, bytes, or a file object that is open for reading bytes.
        channel: Which channel of a recording with several is wanted: ``0``, ``1``
            or ``mix`` (their mean); None refuses such recordings. ``A`` and ``B``
            are 0 and 1, but of a recording that must have them.
        at_most: Seconds after which no more is counted of a recording whose length
            only decoding shows; None for no limit.

    Raises:
        DataError: It is missing, no recording, protected, empty, cut short, lacks the
            channel, or has several while ``channel`` is None.
    """
    with open_audio(sound, channel, at_most) as opened:
        return opened.info


def read_audio(
    sound: Sound,
    sample_rate: int,
    channel: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> np.ndarray:
    """Read a recording, or a segment of one, as mono float32 (N,).

    As :func:`hear`, without the notes.
    """
    return hear(sound, sample_rate, channel, start, end).samples


def hear(
    sound: Sound,
    sample_rate: int,
    channel: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Heard:
    """Read a recording, or a segment of one, and say what is odd about it.

    Args:
        sound: See :func:`audio_info`.
        sample_rate: Rate to resample to, in Hz.
        channel: See :func:`audio_info`.
        start: Start of the segment in seconds; None for the recording's.
        end: End of the segment in seconds; None for the recording's.

    Raises:
        DataError: As :func:`audio_info`, or the segment is empty, lies outside the
            recording, lacks samples that the header promises, or holds samples that
            are not finite.
    """
    source = _source(sound)
    with open_audio(source, channel) as opened:
        info, name = opened.info, source.name
        if (part := span(info, start, end)) is None:
            until = "its end" if end is None else f"{end} s"
            raise DataError(
                f"{name}: the segment from {start or 0.0} s to {until} does not lie in "
                f"the recording of {info.frames / info.sample_rate:.3f} s: fix the "
                "segments file"
            )
        heard = opened.read(*part)
    if not np.isfinite(heard.samples).all():
        raise DataError(f"{name} holds samples that are not numbers: restore it")
    samples = resample(heard.samples, info.sample_rate, sample_rate)
    return Heard(samples, (*info.notes, *heard.notes))


def span(
    info: AudioInfo, start: float | None, end: float | None
) -> tuple[int, int] | None:
    """Return a segment's first sample, and the one after its last.

    Args:
        info: The recording.
        start: Start in seconds; None for the recording's.
        end: End in seconds; None for the recording's.

    Returns:
        The two; None if it does not lie in the recording. Times are rounded: what is
        a tenth of a second past the end ends there.
    """
    first = 0 if start is None else round(start * info.sample_rate)
    last = info.frames if end is None else round(end * info.sample_rate)
    if last > info.frames + info.sample_rate // 10:
        return None
    last = min(last, info.frames)
    return (first, last) if 0 <= first < last else None


@contextlib.contextmanager
def open_audio(
    sound: Sound, channel: str | None = None, at_most: float | None = None
) -> Iterator[Opened]:
    """Open a recording; see :func:`audio_info`."""
    source = _source(sound)
    with source.open() as stream, contextlib.ExitStack() as stack:
        head = stream.read(HEAD)
        if not head:  # in which FFmpeg seeks to before the start
            raise NotAudioError(source.name, "empty", RESTORE)
        _check_sphere(source, stream, head)
        header = declared(stream, source.size)
        if header is not None and header.end is not None:
            _check_size(source, header.end)
        if head.startswith(b"OggS"):
            _check_size(source, ogg_bytes(stream, source.size))
        # From here on libsndfile moves the stream's position, and nobody else.
        file, reason = None, ""
        if not is_mpeg(head):
            try:
                file = _soundfile(stream, header.patches if header else {})
                stack.enter_context(file)
            except soundfile.LibsndfileError as error:
                reason = error.error_string.rstrip(".")
        to_end = header is not None and header.end is None
        if file is None or not _is_trusted(file, header is not None):
            decoded = _decode(source, stream, channel, to_end, at_most, reason)
            opened: Opened = _Decoded(decoded)
        else:
            opened = _Plain(file, source.name, channel)
        _check(source.name, opened.info, channel)
        yield opened


def _source(sound: Sound) -> Source:
    source = as_source(sound)
    if source is None:
        raise TypeError(f"{type(sound).__name__} is neither a path, bytes nor a file")
    return source


def _soundfile(stream: BinaryIO, patches) -> soundfile.SoundFile:
    stream.seek(0)
    if patches:
        return soundfile.SoundFile(Patched(stream, patches))
    try:
        descriptor = stream.fileno()
    except OSError:  # bytes have none
        return soundfile.SoundFile(stream)
    return soundfile.SoundFile(descriptor, closefd=False)


def _is_trusted(file: soundfile.SoundFile, has_length: bool) -> bool:
    """Tell whether libsndfile knows how long a recording is."""
    if file.format == "MP3":
        return False
    return file.frames < MOST_FRAMES and (file.frames > 0 or has_length)


def _decode(
    source: Source,
    stream: BinaryIO,
    channel: str | None,
    to_end: bool,
    at_most: float | None,
    reason: str,
) -> Decoded:
    """Decode by FFmpeg's libraries, or say what the file is instead."""
    if found := protection(stream):
        raise NotAudioError(source.name, *found)
    try:
        decoded = decode(source, channel, to_end, at_most)
    except NotDecodableError as error:
        what = what_it_is(stream) or (reason or str(error), RESTORE)
        raise NotAudioError(source.name, *what) from None
    if not len(decoded.samples) and (found := what_it_is(stream)):
        raise NotAudioError(source.name, *found)
    return decoded


def _check_sphere(source: Source, stream: BinaryIO, head: bytes) -> None:
    if not head.startswith(MAGIC):
        return
    fields = sphere_header(stream)
    if "shorten" in fields.get("sample_coding", ""):
        raise DataError(
            f"{source.name} is compressed by shorten (its header says "
            f"{fields['sample_coding']}): decompress it by NIST's "
            "'w_decode -o ulaw IN OUT' or 'sph2pipe -p -f sph IN OUT', and put OUT in "
            "its place"
        )
    _check_size(source, sphere_bytes(fields))


def _check_size(source: Source, expected: int | None) -> None:
    if expected is not None and expected > source.size:
        raise DataError(
            f"{source.name} is cut short: its header promises {expected} bytes, but it "
            f"has {source.size}: restore it, or leave it out"
        )


def _check(name: str, info: AudioInfo, channel: str | None) -> None:
    if info.frames == 0:
        raise DataError(f"{name} holds no samples: restore it, or leave it out")
    check_channels(name, info.channels, channel)
    if channel in SIDES and SIDES[channel] >= info.channels:
        raise DataError(
            f"{name} has {info.channels} channel, but reco2file_and_channel asks for "
            f"channel {channel}: restore the recording, or fix that table"
        )


class _Plain:
    """A recording that libsndfile reads."""

    plain = True

    def __init__(self, file: soundfile.SoundFile, name: str, channel: str | None):
        self._file, self._name, self._channel = file, name, channel
        self.info = AudioInfo(file.samplerate, file.channels, file.frames)

    def read(self, first: int, last: int) -> Heard:
        """Read a part; see ``Opened``."""
        samples = self._read(first, last)
        # What compresses may be wrong by a frame or two.
        if len(samples) < last - first - self.info.sample_rate // 10:
            raise DataError(
                f"{self._name} is cut short: its header promises {self.info.frames} "
                f"samples, but {first + len(samples)} can be read: restore it, or "
                "leave it out"
            )
        mono = Mono(self._channel)
        return Heard(mono(samples), mono.notes)

    def _read(self, first: int, last: int) -> np.ndarray:
        try:
            self._file.seek(first)
            return self._file.read(last - first, "float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".") or "its samples cannot be decoded"
            raise DataError(
                f"{self._name} is damaged or cut short ({reason}): restore it, or "
                "leave it out"
            ) from None

    def is_silent(self) -> bool:
        """Tell whether all samples are alike."""
        if self._begins_with_sound():
            return False
        mono, size, first = Mono(self._channel), 256, 0
        while first < self.info.frames:
            samples = mono(self._read(first, min(first + size, self.info.frames)))
            if not len(samples) or SILENCE not in mono.notes:
                return False
            first, size = first + size, SILENCE_BLOCK
        return True

    def _begins_with_sound(self) -> bool:
        """Tell whether a few samples of one channel differ, as those of speech do."""
        if self.info.channels > 1:
            return False
        self._file.seek(0)
        try:
            head = np.frombuffer(self._file.buffer_read(256, "float32"), np.float32)
        except soundfile.LibsndfileError:
            return False  # and is told by whoever reads on
        return len(head) > 0 and not is_constant(head, head[0])


class _Decoded:
    """A recording that FFmpeg's libraries have decoded."""

    plain = False

    def __init__(self, decoded: Decoded):
        self._decoded = decoded
        self.info = AudioInfo(
            decoded.rate,
            decoded.channels,
            len(decoded.samples),
            decoded.notes,
            decoded.complete,
        )

    def read(self, first: int, last: int) -> Heard:
        """Read a part; see ``Opened``."""
        samples = np.array(self._decoded.samples[first:last])
        is_silent = len(samples) and is_constant(samples, samples[0])
        has_note = bool(self._decoded.notes)
        return Heard(samples, (SILENCE,) if is_silent and not has_note else ())

    def is_silent(self) -> bool:
        """Tell whether all samples are alike."""
        return SILENCE in self.info.notes


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Resample (N,) float32 from ``source`` to ``target`` Hz by torchaudio."""
    if source == target:
        return samples
    import torch

    small = source * target <= MAX_KEPT_FILTER * math.gcd(source, target) ** 2
    make = _resampler if small else _resampler.__wrapped__
    wave = torch.from_numpy(np.ascontiguousarray(samples))
    return cast(np.ndarray, make(source, target, wave.dtype)(wave).numpy())


@functools.lru_cache(maxsize=8)
def _resampler(source: int, target: int, dtype):
    """Return torchaudio's resampler: making its filter takes longer than using it."""
    import torchaudio

    return torchaudio.transforms.Resample(source, target, dtype=dtype)
