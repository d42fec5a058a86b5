"""Calibration: is a prediction with confidence p right in a share p of the cases?

Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BOUNDS = 0.05, 20.0  # of a temperature
TINY = 1e-300  # a posterior that float64 has rounded to nothing


def reliability(
    confidence: Sequence[float], right: Sequence[bool], n_bins: int = 10
) -> tuple[list[dict], float]:
    """Return a reliability diagram and the expected calibration error.

    After Guo et al., equations 2, 3 and 5; bins (low, high] of equal width.

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


def fit_temperature(posteriors: np.ndarray, truth: np.ndarray) -> float:
    """Return the temperature by which posteriors say the most of the truth.

    It minimises the cross-entropy of ``softmax(log(posteriors) / temperature)`` (Guo et
    al., section 4.2), and leaves every prediction as it is.

    Args:
        posteriors: (N, n_classes).
        truth: Indices of the true classes (N,).

    Returns:
        1 where all predictions are right, or there are none: how sure to be cannot be
        told by them.
    """
    if not (posteriors.argmax(axis=1) != truth).any():
        return 1.0
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return _cross_entropy(tempered(posteriors, np.exp(log_temperature)), truth)

    found = minimize_scalar(loss, bounds=tuple(np.log(BOUNDS)), method="bounded")
    return round(float(np.exp(found.x)), 4)


def tempered(posteriors: np.ndarray, temperature: float) -> np.ndarray:
    """Return posteriors (N, n_classes) at another temperature."""
    from scipy.special import softmax

    logits = np.log(np.maximum(posteriors, TINY))
    return softmax(logits / temperature, axis=1)


def _cross_entropy(posteriors: np.ndarray, truth: np.ndarray) -> float:
    true = np.take_along_axis(posteriors, truth[:, None], axis=1)
    return float(-np.log(np.maximum(true, TINY)).mean())


def calibrate(parts: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Fit a temperature to the validation data of all folds, and say what it is worth.

    Args:
        parts: By fold, posteriors (N, n_classes) and true classes (N,) of utterances
            that its model has not learned from.

    Returns:
        ``temperature``, fitted to all; ``utterances``; and ``ece`` and
        ``cross_entropy``, each ``before`` and ``after``: there, a fold's posteriors are
        at the temperature that the other folds' have. Where that makes the
        cross-entropy no less, the temperature is 1.
    """
    before, after, truths = [], [], []
    for name, (posteriors, truth) in parts.items():
        others = [part for other, part in parts.items() if other != name]
        fitted = fit_temperature(*_together(others or [parts[name]]))
        before.append(posteriors)
        after.append(tempered(posteriors, fitted))
        truths.append(truth)
    truth = np.concatenate(truths)
    stages = {"before": np.concatenate(before), "after": np.concatenate(after)}
    found: dict[str, Any] = {
        "temperature": fit_temperature(stages["before"], truth),
        "utterances": len(truth),
        "ece": {},
        "cross_entropy": {},
    }
    for stage, posteriors in stages.items():
        right = posteriors.argmax(axis=1) == truth
        error = reliability(posteriors.max(axis=1).tolist(), right.tolist())[1]
        found["ece"][stage] = error
        found["cross_entropy"][stage] = _cross_entropy(posteriors, truth)
    if found["cross_entropy"]["after"] >= found["cross_entropy"]["before"]:
        found["temperature"] = 1.0
    return found


def _together(
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    posteriors, truth = zip(*parts, strict=True)
    return np.concatenate(posteriors), np.concatenate(truth)
