"""Cross-entropy with a distribution over the classes as the target."""

import torch
from torch.nn.functional import cross_entropy


def soft_cross_entropy(
    logits: torch.Tensor, shares: torch.Tensor, criterion: torch.nn.CrossEntropyLoss
) -> torch.Tensor:
    """Return the mean cross-entropy (), weighted and smoothed as of labels.

    PyTorch divides by the number of utterances where targets are distributions, and by
    the sum of their weights where they are labels. Here it is the latter, so that
    where all annotators agree, the loss is that of the labels.

    Args:
        logits: (B, C).
        shares: (B, C), rows that sum to one.
        criterion: The loss of labels, for its weights and smoothing.
    """
    weight = criterion.weight
    total = cross_entropy(
        logits,
        shares,
        weight,
        reduction="sum",
        label_smoothing=criterion.label_smoothing,
    )
    return total / (len(shares) if weight is None else (shares @ weight).sum())
