"""What an encoder makes of so many samples, found out on noise: frames and channels.

Front ends and encoders are chains of windows (STFT, strided convolutions, pooling),
each of which turns n into floor((n + offset) / step) units. So do whole chains, and two
numbers say the frames of any utterance.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.probing import noise

# Frames of the front end; their difference is enough to tell by how many the encoder
# divides them, up to 16.
SHORT, LONG = 64, 576


class Windows(NamedTuple):
    """n units become (n + offset) // step."""

    step: int
    offset: int

    def of(self, n: np.ndarray) -> np.ndarray:
        """Return what becomes of n units; of none, none."""
        return np.maximum((n + self.offset) // self.step, 0)


class OutputSize(NamedTuple):
    """What an encoder makes of an utterance.

    Args:
        rate: Samples a second that it takes; None if it is given fbank.
        frontend: Samples, or frames of fbank, to frames of the front end.
        layers: Those to frames of its layers.
        subsample: How many of these are averaged to one.
        numbers: The layers that are kept; -1 is the last of one that gives no other.
        dim: Channels D of each.
    """

    rate: int | None
    frontend: Windows
    layers: Windows
    subsample: int
    numbers: tuple[int, ...]
    dim: int

    @property
    def n_layers(self) -> int:
        """Return how many layers are kept."""
        return len(self.numbers)

    def frames(self, units: np.ndarray) -> np.ndarray:
        """Return the frames of utterances (N,) of so many units in stage 1's tables."""
        if self.rate is not None:
            units = -(-units * self.rate // SAMPLE_RATE)
        return -(-self.layers.of(self.frontend.of(units)) // self.subsample)


@torch.no_grad()
def measure_output_size(
    encoder: AbsPretrainedEncoder, kind: str = "audio", device: str = "cpu"
) -> OutputSize:
    """Find out what an encoder makes of utterances, on some seconds of noise.

    Args:
        encoder: On ``device``.
        kind: What stage 1 wrote for it, ``audio`` or ``fbank``.
        device: Where to compute.
    """

    def frontend_frames(n: int) -> int:
        return len(encoder.frontend.features(noise(n).to(device)))

    rate, frontend = None, Windows(1, 0)
    if kind == "audio":
        rate = encoder.sample_rate
        hop = round(encoder.frame_shift * rate)
        frontend = _windows(frontend_frames, max(rate, encoder.min_samples), hop)
    layer_frames = functools.partial(_layer_frames, encoder, device)
    step = measure_step(encoder, device)
    start = max(SHORT * encoder.grain, encoder.min_frames)
    layers = _windows(layer_frames, start, step)
    numbers = tuple(encoder.layers_read)
    return OutputSize(rate, frontend, layers, encoder.subsample, numbers, encoder.dim)


@torch.no_grad()
def measure_step(
    encoder: AbsPretrainedEncoder, device: str | torch.device = "cpu"
) -> int:
    """Find out of how many frames of the front end layers make one, in two passes.

    Where these are samples, they are hundreds: some more passes find them exactly.
    """
    count = functools.partial(_layer_frames, encoder, device)
    short = max(SHORT * encoder.grain, encoder.min_frames)
    span = (LONG - SHORT) * encoder.grain
    fewer, more = count(short), count(short + span)
    step = round(span / max(more - fewer, 1))
    if encoder.grain == 1:
        return step
    first, last = (_edge(count, n, 2 * step) for n in (short, short + span))
    return round((last - first) / (count(last) - count(first)))


def _layer_frames(
    encoder: AbsPretrainedEncoder, device: str | torch.device, n: int
) -> int:
    feats = noise(1, n, encoder.input_size).to(device)
    lengths = torch.tensor([n], device=device)
    return int(encoder.hidden_states(feats, lengths)[1])


def _windows(count: Callable[[int], int], start: int, step: int) -> Windows:
    """Find the offset: by bisection, the first n of one unit more than at ``start``."""
    high = _edge(count, start, step)
    return Windows(step, (count(start) + 1) * step - high)


def _edge(count: Callable[[int], int], start: int, step: int) -> int:
    """Return the first n of more units than at ``start``, at most ``step`` on."""
    units = count(start)
    low, high = start, start + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) > units else (middle, high)
    return high
