"""Samples that somebody hands over: what they mean, or why they are refused."""

import math
from typing import Any

import numpy as np
import torch

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.mono import Heard, Mono

MIN_RATE = 4000  # Hz; what is below is no recording of speech
# torchaudio's resampler keeps a filter of about this many taps: 320 MB.
MAX_FILTER = 80_000_000
MAX_PEAK = 100  # of floating point, which lies in [-1, 1] or little beyond


def split_pair(pair: tuple, name: str) -> tuple[Any, Any]:
    """Part a pair of samples and their rate.

    Raises:
        DataError: The tuple is no such pair.
    """
    # scipy.io.wavfile.read gives the rate first; and a file knows its own.
    if len(pair) != 2 or not _n_dims(pair[0]) or _n_dims(pair[1]):
        kinds = ", ".join(type(part).__name__ for part in pair)
        raise DataError(
            f"{name} is a tuple ({kinds}): give a path, an array, or a pair of an "
            "array and then its rate"
        )
    return pair


def _n_dims(value: Any) -> int:
    return getattr(value, "ndim", 0)


def mono_samples(speech: Any, channel: str | None, name: str) -> Heard:
    """Return samples (N,), float32 in [-1, 1] as soundfile reads them, and notes.

    Args:
        speech: An array or a tensor (N,), or (N, channels): floating point in [-1, 1],
            or integers of a PCM format.
        channel: Which of several: ``0``, ``1`` or ``mix``, their mean; None refuses
            them.
        name: What to call it in messages.

    Raises:
        DataError: It is no such array; the message says what to give.
    """
    samples = checked_samples(speech, channel, name)
    mono = Mono(channel)
    if samples.ndim == 2:
        samples = mono(samples)
    # PyTorch takes no negative strides, and warns of what cannot be written.
    return Heard(np.require(samples, np.float32, ["C", "W"]), mono.notes)


def checked_samples(speech: Any, channel: str | None, name: str) -> np.ndarray:
    """Return float32 in [-1, 1]: (N,), or (N, channels) for ``mix``; see above.

    Raises:
        DataError: As of ``mono_samples``.
    """
    samples = _as_array(speech, name)
    if samples.dtype.kind not in "fiu":
        raise DataError(f"{name} holds {samples.dtype}: give numbers, float32 or int16")
    return _scale(_channels(samples, channel, name), name)


def check_rate(rate: Any, target: int, name: str) -> int:
    """Return a sample rate as an integer.

    Args:
        rate: Samples a second.
        target: Rate in Hz to which will be resampled.
        name: What to call its owner in messages.

    Raises:
        DataError: It is none of speech.
    """
    is_scalar = isinstance(rate, (np.generic, np.ndarray, torch.Tensor))
    number = rate.item() if is_scalar and not rate.ndim else rate
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise DataError(
            f"{name} has {_short(rate)} for its sample rate: give the number of "
            "samples a second, such as 16000"
        )
    if not number >= MIN_RATE or number % 1 != 0:
        raise DataError(
            f"{name} has a sample rate of {_short(number)} Hz: speech needs whole Hz, "
            f"{MIN_RATE} or more"
        )
    common = math.gcd(int(number), target)
    if int(number) * target > MAX_FILTER * common**2:
        raise DataError(
            f"{name} has a sample rate of {_short(number)} Hz, from which {target} Hz "
            "takes too large a filter: resample it first, for example by 'sox IN -r "
            "16000 OUT'"
        )
    return int(number)


def _short(value: Any) -> str:
    """Write a value that may be of any size."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    text = str(value) if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _as_array(speech: Any, name: str) -> np.ndarray:
    if isinstance(speech, torch.Tensor):
        speech = _from_tensor(speech, name)
    if isinstance(speech, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array: give one without gaps (.filled(0))")
    if not isinstance(speech, np.ndarray):
        raise DataError(
            f"{name} is of type {type(speech).__name__}: give a path, bytes, a file "
            "object, a numpy array, a tensor, or a pair of an array and its rate"
        )
    return speech


def _from_tensor(tensor: torch.Tensor, name: str) -> np.ndarray:
    kind = (
        f"{str(tensor.layout).removeprefix('torch.')} {tensor.dtype} on {tensor.device}"
    )
    try:
        tensor = tensor.detach().cpu()
        is_brain = tensor.dtype == torch.bfloat16
        return (tensor.float() if is_brain else tensor).numpy()
    except (RuntimeError, TypeError):
        raise DataError(
            f"{name} is a tensor that numpy cannot hold ({kind}): give a dense one of "
            "float32 or int16"
        ) from None


def _channels(samples: np.ndarray, channel: str | None, name: str) -> np.ndarray:
    """Return samples (N,), or (N, channels) whose mean is asked for."""
    if samples.ndim not in (1, 2) or (
        samples.ndim == 2 and 0 < samples.shape[0] < samples.shape[1]
    ):
        turned = ": transpose it" if samples.ndim == 2 else ""
        raise DataError(
            f"{name} has shape {samples.shape}: give samples (N,) or (N, channels)"
            + turned
        )
    if not samples.size:
        raise DataError(f"{name} holds no samples")
    if samples.ndim == 1 or samples.shape[1] == 1:
        return samples.reshape(len(samples))
    if channel is None:
        raise DataError(
            f"{name} has {samples.shape[1]} channels: choose one with --channel 0 or "
            "--channel 1, or their mean with --channel mix (in Python channel=)"
        )
    return samples if channel == "mix" else samples[:, int(channel)]


def _scale(samples: np.ndarray, name: str) -> np.ndarray:
    """Bring samples of any shape to [-1, 1] and float32, as soundfile does."""
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind in "iu":
        half = 2.0 ** (8 * size - 1)
        return ((samples - (half if kind == "u" else 0.0)) / half).astype(np.float32)
    if not np.isfinite(samples).all():
        raise DataError(f"{name} holds samples that are not numbers")
    if (peak := float(np.abs(samples).max())) > MAX_PEAK:
        raise DataError(
            f"{name} holds samples up to {peak:g}: scale them to [-1, 1], which for 16 "
            "bits is dividing by 32768"
        )
    return samples.astype(np.float32, copy=False)
