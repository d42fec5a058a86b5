"""Pooling over the valid frames of padded sequences."""

import torch

from espnet_sentiment.layers.padding import pad_mask


def avg_pool(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Average (B, T, D) over the valid frames of each utterance: (B, D)."""
    padding = pad_mask(lengths, x.size(1)).unsqueeze(-1)
    total = x.masked_fill(padding, 0.0).sum(dim=1)
    return total / lengths.unsqueeze(1).to(x.dtype)


def max_pool(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Take the maximum of (B, T, D) over the valid frames: (B, D)."""
    padding = pad_mask(lengths, x.size(1)).unsqueeze(-1)
    return x.masked_fill(padding, float("-inf")).amax(dim=1)


POOLINGS = {"avg": avg_pool, "max": max_pool}


def check_pooling(name: str, valid) -> str:
    """Return ``name`` if it is one of ``valid``.

    Raises:
        ValueError: The pooling is unknown; the message lists the valid ones.
    """
    if name not in valid:
        raise ValueError(f"pooling must be one of {', '.join(valid)}, not {name!r}")
    return name
