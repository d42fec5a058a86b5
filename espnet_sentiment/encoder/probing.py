"""Learn by trial what a model does not say about itself."""

import warnings
from collections.abc import Callable

import torch

FeatureFunction = Callable[[torch.Tensor], torch.Tensor]


def noise(*shape: int) -> torch.Tensor:
    """Return weak noise, the same every time, without touching the global seed."""
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def shortest(run: Callable[[int], torch.Tensor], limit: int) -> int:
    """Return the smallest length on which ``run`` succeeds, found by bisection.

    Args:
        run: Length -> output (T, D); it fails by an error, by no frame or by a value
            that is not finite.
        limit: A length that is long enough.
    """

    def succeeds(length: int) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                output = run(length)
        # Every library has its own errors for what is too short.
        except Exception:
            return False
        return len(output) > 0 and bool(output.isfinite().all())

    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if succeeds(middle) else (middle, high)
    return high


def shortest_waveform(features: FeatureFunction, sample_rate: int) -> int:
    """Return the samples that waveform (N,) -> frames (T, F) needs, at most 1 s."""
    return shortest(lambda n: features(noise(n)), limit=sample_rate)


@torch.no_grad()
def measure_frame_shift(features: FeatureFunction, sample_rate: int) -> float:
    """Return the seconds per frame of waveform (N,) -> frames (T, F)."""
    short, long = (len(features(noise(s * sample_rate))) for s in (1, 11))
    return 10 / (long - short)
