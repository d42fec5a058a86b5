"""95 % intervals of WA and UA that count speakers, and not only utterances.

Utterances of a speaker are right or wrong together: an interval over utterances is
then several times too narrow, and few speakers are too few for a bootstrap over
them (``benchmarks/COVERAGE.md``). A jackknife leaves out one speaker at a time (Tukey,
1958); its standard error, on the logit of the score and with Student's t of as many
degrees of freedom as there are speakers less one, holds what it promises.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

TINY = 1e-12
Z2 = NormalDist().inv_cdf(0.975) ** 2  # of 95 %
HALF = 0.5  # of a right and of a wrong utterance more: no logit is infinite


def ci95(
    labels: Sequence[str], predictions: Sequence[str], groups: Sequence[str]
) -> dict[str, list[float]]:
    """Return 95 % intervals of WA and UA.

    Args:
        labels: True classes.
        predictions: Predicted classes.
        groups: Speaker of every utterance, see :func:`speaker_groups`.

    Returns:
        ``wa`` and ``ua``, each [low, high]. Where no score changes, whoever is left
        out, they are Wilson's over utterances.
    """
    truth, n_classes = _numbers(labels)
    speakers, n_speakers = _numbers(groups)
    right = np.array([x == y for x, y in zip(labels, predictions, strict=True)], float)
    shape = n_speakers, n_classes
    cell = np.ravel_multi_index((speakers, truth), shape)
    size = n_speakers * n_classes
    counts = np.bincount(cell, minlength=size).reshape(shape)
    hits = np.bincount(cell, weights=right, minlength=size).reshape(shape)
    whole = _scores(counts.sum(0), hits.sum(0))
    others = _scores(counts.sum(0) - counts, hits.sum(0) - hits)
    total = len(labels)
    bounds = {}
    for number, key in enumerate(("wa", "ua")):
        left = _logit(others[:, number], total)
        spread = ((left - left.mean()) ** 2).sum() * (n_speakers - 1) / n_speakers
        score = whole[number]
        if np.ptp(others[:, number]) < TINY:  # rounding alone
            bounds[key] = list(wilson95(score * total, total))
            continue
        middle, half = _logit(score, total), _t(n_speakers - 1) * np.sqrt(spread)
        low, high = 1 / (1 + np.exp(-(middle - half))), 1 / (1 + np.exp(-middle - half))
        # The half utterances may move the middle past a score of nearly 0 or 1.
        bounds[key] = [float(min(low, score)), float(max(high, score))]
    return bounds


def mean_ci95(values: np.ndarray, groups: Sequence[str]) -> list[float]:
    """Return the 95 % interval of a mean over utterances, by a jackknife over groups.

    Args:
        values: A measure of every utterance (N,).
        groups: Speaker of every utterance, see :func:`speaker_groups`.

    Returns:
        [low, high]; with a group alone, the mean twice.
    """
    speakers, n_speakers = _numbers(groups)
    mean = float(np.mean(values))
    if n_speakers < 2:
        return [mean, mean]
    sums, counts = np.bincount(speakers, values), np.bincount(speakers)
    left = (sums.sum() - sums) / (counts.sum() - counts)
    spread = ((left - left.mean()) ** 2).sum() * (n_speakers - 1) / n_speakers
    half = float(_t(n_speakers - 1) * np.sqrt(spread))
    return [mean - half, mean + half]


def wilson95(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share, hits of n.

    Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927). SciPy has it behind an
    exact test, which takes half a minute of 50,000 speakers.
    """
    low, high = wilson(hits / n, n)
    return float(low), float(high)


def wilson(share: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95 % score intervals of shares, see ``wilson95``.

    Args:
        share: Shares of any shape.
        n: Of how many, of a shape that broadcasts; weights make it a fraction.
    """
    share, n = np.asarray(share, float), np.asarray(n, float)
    middle = (share + Z2 / (2 * n)) / (1 + Z2 / n)
    half = np.sqrt(Z2 * (share * (1 - share) / n + Z2 / (4 * n * n))) / (1 + Z2 / n)
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)


def _numbers(names: Sequence[str]) -> tuple[np.ndarray, int]:
    known, numbers = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    return numbers, len(known)


def _scores(counts: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Return WA and UA (..., 2) of utterances by class (..., C)."""
    recalls = np.divide(hits, counts, out=np.full(hits.shape, np.nan), where=counts > 0)
    total = counts.sum(axis=-1)
    wa = np.divide(hits.sum(axis=-1), total, out=np.zeros(total.shape), where=total > 0)
    present = (counts > 0).sum(axis=-1)
    ua = np.nansum(recalls, axis=-1) / np.maximum(present, 1)
    return np.stack([wa, ua], axis=-1)


def _logit(score: np.ndarray, total: int) -> np.ndarray:
    share = (score * total + HALF) / (total + 2 * HALF)
    return np.log(share / (1 - share))


def _t(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))
