"""Padding, its masks, and the reduction of the frame rate."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence


def pad_mask(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """Mark padding: lengths (B,) -> (B, size), true where there is no valid frame."""
    return torch.arange(size, device=lengths.device) >= lengths[:, None]


def mean_subsample(
    x: torch.Tensor, lengths: torch.Tensor, factor: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average every ``factor`` consecutive frames.

    The last window of an utterance is the mean over its valid frames alone, so no
    output depends on padding.

    Args:
        x: Frames (B, T, D).
        lengths: Valid frames (B,), at most T.
        factor: Frames in a window, at least 1.

    Returns:
        Means (B, ceil(max(lengths) / factor), D), exactly zero on padding, and their
        lengths ceil(lengths / factor).
    """
    x = x[:, : int(lengths.max())]
    if short := -x.size(1) % factor:
        # A copy, which can be filled in place.
        x = torch.nn.functional.pad(x, (0, 0, 0, short))
        x.masked_fill_(pad_mask(lengths, x.size(1))[..., None], 0.0)
    else:
        x = x.masked_fill(pad_mask(lengths, x.size(1))[..., None], 0.0)
    if factor == 1:
        return x, lengths
    sums = x.unflatten(1, (-1, factor)).sum(dim=2)
    starts = torch.arange(sums.size(1), device=x.device) * factor
    counts = (lengths[:, None] - starts).clamp(1, factor)
    return sums / counts[..., None], (lengths + factor - 1) // factor


def pad(
    arrays: Sequence[np.ndarray], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make arrays (T, ...) a zero-padded batch (B, T, ...) and its lengths (B,)."""
    lengths = torch.tensor([len(array) for array in arrays], device=device)
    batch = pad_sequence([torch.from_numpy(a) for a in arrays], batch_first=True)
    return batch.to(device), lengths
