"""Calibration: is a prediction with confidence p right in a share p of the cases?"""

from collections.abc import Sequence

import numpy as np


def reliability(
    confidence: Sequence[float], right: Sequence[bool], n_bins: int = 10
) -> tuple[list[dict], float]:
    """Return a reliability diagram and the expected calibration error.

    After Guo et al., "On calibration of modern neural networks", ICML 2017, equations
    2, 3 and 5; bins (low, high] of equal width.

    Args:
        confidence: Posterior of the predicted class.
        right: Whether the prediction was right.
        n_bins: Number of bins of [0, 1].

    Returns:
        The bins that hold a prediction: ``low``, ``high``, ``count``, mean
        ``confidence`` and ``accuracy``; and the error, a mean of the bins' gaps between
        the two, weighted by count.
    """
    shares, hits = np.asarray(confidence, float), np.asarray(right, float)
    index = np.clip(np.ceil(shares * n_bins).astype(int) - 1, 0, n_bins - 1)
    bins = []
    for i in np.unique(index):
        inside = index == i
        bins.append(
            {
                "low": i / n_bins,
                "high": (i + 1) / n_bins,
                "count": int(inside.sum()),
                "confidence": float(shares[inside].mean()),
                "accuracy": float(hits[inside].mean()),
            }
        )
    gaps = [b["count"] * abs(b["accuracy"] - b["confidence"]) for b in bins]
    return bins, float(sum(gaps) / len(right))
