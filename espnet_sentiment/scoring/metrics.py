"""WA, UA, F1 and their confidence intervals, by scikit-learn.

WA is the share of all utterances that are right; UA is the mean of the classes'
recalls (paper, Section 3.1).
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
)

BOOTSTRAP_SAMPLES = 2000


def weighted_accuracy(labels: Sequence[str], predictions: Sequence[str]) -> float:
    """Return WA, the share of utterances that are right."""
    return float(accuracy_score(labels, predictions))


def unweighted_accuracy(labels: Sequence[str], predictions: Sequence[str]) -> float:
    """Return UA, the mean recall of the classes that occur in ``labels``."""
    # Predictions of a class that no label has are wrong, and balanced_accuracy_score
    # warns of them; they need no warning.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(balanced_accuracy_score(labels, predictions))


def confusion(
    labels: Sequence[str], predictions: Sequence[str], classes: Sequence[str]
) -> list[list[int]]:
    """Return the confusion matrix: rows are the truth, columns the prediction."""
    return confusion_matrix(labels, predictions, labels=list(classes)).tolist()


def bootstrap_ci95(
    labels: Sequence[str], predictions: Sequence[str], seed: int = 0
) -> dict[str, list[float]]:
    """Return 95 % percentile bootstrap intervals of WA and UA over utterances.

    Args:
        labels: True classes.
        predictions: Predicted classes.
        seed: Seed of the resampling.

    Returns:
        ``wa`` and ``ua``, each [low, high].
    """
    names = sorted(set(labels))
    truth = np.array([names.index(label) for label in labels])
    right = np.array([x == y for x, y in zip(labels, predictions, strict=True)], float)
    rng = np.random.default_rng(seed)
    wa, ua = [], []
    for _ in range(BOOTSTRAP_SAMPLES):
        draw = rng.integers(len(truth), size=len(truth))
        counts = np.bincount(truth[draw], minlength=len(names))
        hits = np.bincount(truth[draw], weights=right[draw], minlength=len(names))
        wa.append(hits.sum() / len(truth))
        ua.append((hits[counts > 0] / counts[counts > 0]).mean())
    return {
        name: np.percentile(values, [2.5, 97.5]).tolist()
        for name, values in (("wa", wa), ("ua", ua))
    }


def wilson95(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share, hits of n.

    Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927). SciPy has it behind an
    exact test, which takes half a minute of 50,000 speakers.
    """
    share, z2 = hits / n, NormalDist().inv_cdf(0.975) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def summarize(
    labels: Sequence[str], predictions: Sequence[str], classes: Sequence[str]
) -> dict:
    """Return WA, UA and macro F1 with 95 % intervals, as in ``results.json``."""
    ci = bootstrap_ci95(labels, predictions)
    return {
        "wa": weighted_accuracy(labels, predictions),
        "ua": unweighted_accuracy(labels, predictions),
        "macro_f1": float(
            f1_score(
                labels,
                predictions,
                # As UA does, it leaves out classes that nothing is labelled by.
                labels=[name for name in classes if name in {*labels}],
                average="macro",
                zero_division=0,
            )
        ),
        "wa_ci95": ci["wa"],
        "ua_ci95": ci["ua"],
    }
