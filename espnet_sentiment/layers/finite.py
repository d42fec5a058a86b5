"""Whether weights are numbers: a training that has diverged leaves others."""

from collections.abc import Iterable

import torch


def find_nonfinite(weights: Iterable[tuple[str, torch.Tensor]]) -> str | None:
    """Return the first name whose tensor holds NaN or infinity; None if none does."""
    for name, tensor in weights:
        if isinstance(tensor, torch.Tensor) and not tensor.isfinite().all():
            return name
    return None
