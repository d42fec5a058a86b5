"""Reading recordings, with errors that name the file and the remedy."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike

# Kaldi's names of the sides of a telephone call, in reco2file_and_channel.
SIDES = {"A": 0, "B": 1}


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """What a recording's header says.

    Args:
        sample_rate: Samples a second.
        channels: Number of channels.
        frames: Samples a channel.
    """

    sample_rate: int
    channels: int
    frames: int


def audio_info(path: PathLike, channel: str | None = None) -> AudioInfo:
    """Read and check a recording's header.

    Args:
        path: Any file that libsndfile reads.
        channel: Which channel of a recording with several is wanted: ``0``, ``1``
            or ``mix`` (their mean); None refuses such recordings. ``A`` and ``B``
            are 0 and 1, but of a recording that must have them.

    Raises:
        DataError: The file is missing, unreadable, compressed by shorten, empty, cut
            short, lacks the channel, or has several while ``channel`` is None.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: check the path; in a recipe, rerun stage 0"
        )
    sphere = _sphere_header(path)
    if "shorten" in sphere.get("sample_coding", ""):
        raise DataError(
            f"{path} is compressed by shorten (its header says "
            f"{sphere['sample_coding']}): decompress it by NIST's "
            "'w_decode -o ulaw IN OUT' or 'sph2pipe -p -f sph IN OUT', and put OUT in "
            "its place"
        )
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{path} cannot be read as audio ({error.error_string}): restore it, "
            "or leave it out"
        ) from None
    if info.frames == 0:
        raise DataError(f"{path} holds no samples: restore it, or leave it out")
    if info.channels > 1 and channel is None:
        raise DataError(
            f"{path} has {info.channels} channels: choose one with --channel 0 or "
            "--channel 1, or average them with --channel mix"
        )
    if channel in SIDES and SIDES[channel] >= info.channels:
        raise DataError(
            f"{path} has {info.channels} channel, but reco2file_and_channel asks for "
            f"channel {channel}: restore the recording, or fix that table"
        )
    expected = _sphere_bytes(sphere) if sphere else _wave_bytes(path)
    if expected is not None and expected > path.stat().st_size:
        raise DataError(
            f"{path} is cut short: its header promises {expected} bytes, but it has "
            f"{path.stat().st_size}: restore it, or leave it out"
        )
    return AudioInfo(info.samplerate, info.channels, info.frames)


def _sphere_header(path: Path) -> dict[str, str]:
    """Return the fields of a NIST SPHERE header, none of another file's.

    ``header_bytes`` is added, the header's own size.
    """
    with open(path, "rb") as stream:
        if stream.read(8) != b"NIST_1A\n":
            return {}
        size = stream.read(8).strip()
        if not size.isdigit():
            return {}
        text = stream.read(int(size)).decode("latin1")
    lines = (line.split(maxsplit=2) for line in text.split("end_head")[0].splitlines())
    fields = {line[0]: line[2] for line in lines if len(line) == 3}
    return fields | {"header_bytes": size.decode()}


def _sphere_bytes(fields: Mapping[str, str]) -> int | None:
    """Size that a SPHERE header declares; ``sample_count`` is that of one channel."""
    names = ("header_bytes", "sample_count", "channel_count", "sample_n_bytes")
    try:
        header, samples, channels, width = (int(fields[name]) for name in names)
    except (KeyError, ValueError):
        return None
    return header + samples * channels * width


def _wave_bytes(path: Path) -> int | None:
    """Size that a RIFF/WAVE header declares; libsndfile silently shortens it."""
    with open(path, "rb") as stream:
        if stream.read(4) != b"RIFF" or len(stream.read(4)) < 4:
            return None
        stream.seek(12)
        position = 12
        while len(header := stream.read(8)) == 8:
            size = int.from_bytes(header[4:], "little")
            # Streams of unknown length write 0 or the largest number.
            if header[:4] == b"data":
                return None if size in (0, 0xFFFFFFFF) else position + 8 + size
            position += 8 + size + size % 2
            stream.seek(position)
    return None


def read_audio(
    path: PathLike,
    sample_rate: int,
    channel: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> np.ndarray:
    """Read a recording, or a segment of one, as mono float32 (N,).

    Args:
        path: Any file that libsndfile reads.
        sample_rate: Rate to resample to, in Hz.
        channel: See :func:`audio_info`.
        start: Start of the segment in seconds; None for the recording's.
        end: End of the segment in seconds; None for the recording's.

    Raises:
        DataError: As :func:`audio_info`, or the segment is empty, lies outside the
            recording, lacks samples that the header promises, or holds samples that
            are not finite.
    """
    info = audio_info(path, channel)
    duration = info.frames / info.sample_rate
    start = 0.0 if start is None else start
    end = duration if end is None else end
    first, last = round(start * info.sample_rate), round(end * info.sample_rate)
    # Segment times are rounded; a few samples past the end are no error.
    if first < 0 or first >= last or last > info.frames + info.sample_rate // 10:
        raise DataError(
            f"{path}: segment {start}-{end} s does not lie in the recording of "
            f"{duration:.3f} s: fix the segments file"
        )
    last = min(last, info.frames)
    samples, _ = soundfile.read(
        str(path), start=first, stop=last, dtype="float32", always_2d=True
    )
    # A header of MP3 may be wrong by a frame or two.
    if len(samples) < last - first - info.sample_rate // 10:
        raise DataError(
            f"{path} is cut short: its header promises {info.frames} samples, but "
            f"{first + len(samples)} can be read: restore it, or leave it out"
        )
    index = None if channel is None else ({"0": 0, "1": 1} | SIDES).get(channel)
    one_channel = info.channels > 1 and index is not None
    mono = samples[:, index] if one_channel else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise DataError(f"{path} holds samples that are not numbers: restore it")
    return resample(mono, info.sample_rate, sample_rate)


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Resample (N,) float32 from ``source`` to ``target`` Hz by torchaudio."""
    if source == target:
        return samples
    import torch
    import torchaudio

    return torchaudio.functional.resample(
        torch.from_numpy(samples), source, target
    ).numpy()
