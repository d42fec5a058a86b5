"""How far predicted distributions over the classes are from the annotators'.

All in nats. Kullback-Leibler divergence (Kullback and Leibler, 1951) of the model from
the annotators, KL(votes || model): what cross-entropy with soft labels is above its
least. Jensen-Shannon divergence (Lin, "Divergence measures based on the Shannon
entropy", IEEE Trans. Inf. Theory 37(1), 1991): symmetric, and at most log 2. And
Spearman's rank correlation of the two entropies, mean ranks for ties: is the model
unsure where annotators disagree?
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from espnet_sentiment.data.votes import VoteShares
from espnet_sentiment.scoring.metrics import BOOTSTRAP_SAMPLES

# What float32's softmax gives of a class may be 0, of which no logarithm is finite.
LEAST = float(np.finfo(np.float32).tiny)
# The measures that have intervals, by their keys in results.json.
MEASURES = ("kl", "js", "entropy_correlation")


def score_votes(
    rows: Sequence[Mapping[str, Any]],
    utt2votes: Mapping[str, str],
    shares: VoteShares,
) -> dict[str, Any]:
    """Compare predictions with the votes for their utterances.

    Args:
        rows: Predictions of all folds, as stage 5 writes them.
        utt2votes: Votes for all of them.
        shares: Reads votes.

    Returns:
        ``kl`` and ``js`` in nats, means over utterances; ``entropy_correlation``, None
        where one of the entropies is the same for all; 95 % percentile bootstrap
        intervals over utterances of all three; the mean entropies in nats, and
        ``by_entropy``, as :func:`entropy_bins`.
    """
    votes = np.array([shares(utt2votes[row["utt"]]) for row in rows])
    model = np.array(
        [[row["posteriors"][name] for name in shares.classes] for row in rows]
    )
    kl, js = divergences(votes, model)
    of_votes, of_model = entropies(votes), entropies(model)
    correlation = rank_correlation(of_votes, of_model)
    drawn: dict[str, list[float | None]] = {name: [] for name in MEASURES}
    rng = np.random.default_rng(0)
    for _ in range(BOOTSTRAP_SAMPLES):
        times = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(kl))
        drawn["kl"].append(times @ kl / len(rows))
        drawn["js"].append(times @ js / len(rows))
        if correlation is not None:
            drawn["entropy_correlation"].append(
                rank_correlation(of_votes, of_model, times)
            )
    return {
        "n_utterances": len(rows),
        "other_votes": shares.others,
        "kl": float(kl.mean()),
        "kl_ci95": _interval(drawn["kl"]),
        "js": float(js.mean()),
        "js_ci95": _interval(drawn["js"]),
        "entropy_correlation": correlation,
        "entropy_correlation_ci95": _interval(drawn["entropy_correlation"]),
        "entropy": {"votes": float(of_votes.mean()), "model": float(of_model.mean())},
        "by_entropy": entropy_bins(of_votes, of_model, float(np.log(votes.shape[1]))),
    }


def _interval(drawn: Sequence[float | None]) -> list[float] | None:
    """Return the 95 % interval; draws in which nothing is measured do not count."""
    values = [value for value in drawn if value is not None]
    return np.percentile(values, [2.5, 97.5]).tolist() if values else None


def divergences(votes: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return KL(votes || model) and the Jensen-Shannon divergence (N,), in nats.

    Args:
        votes: (N, C), rows that sum to one.
        model: The same. What is below the least number of float32 counts as that.
    """
    from scipy.special import rel_entr

    middle = (votes + model) / 2
    kl = rel_entr(votes, np.maximum(model, LEAST)).sum(axis=1)
    js = (rel_entr(votes, middle) + rel_entr(model, middle)).sum(axis=1) / 2
    return kl, js


def entropies(shares: np.ndarray) -> np.ndarray:
    """Return the entropies (N,) in nats of distributions (N, C)."""
    from scipy.special import entr

    return entr(shares).sum(axis=1)


def entropy_bins(votes: np.ndarray, model: np.ndarray, most: float) -> list[dict]:
    """Return the model's entropies by the annotators', in ten equal bins.

    Args:
        votes: Entropies (N,).
        model: Entropies (N,).
        most: The largest that there can be.

    Returns:
        Of the bins that hold utterances: ``count``, the mean of ``votes`` and of
        ``model``, and the ``low`` and ``high`` quartile of the model's.
    """
    place = np.clip((10 * votes / most).astype(int), 0, 9)
    bins = []
    for i in np.unique(place):
        of_votes, of_model = votes[place == i], model[place == i]
        low, high = np.percentile(of_model, [25, 75])
        bins.append(
            {
                "count": len(of_votes),
                "votes": float(of_votes.mean()),
                "model": float(of_model.mean()),
                "low": float(low),
                "high": float(high),
            }
        )
    return bins


def rank_correlation(
    first: np.ndarray, second: np.ndarray, times: np.ndarray | None = None
) -> float | None:
    """Return Spearman's correlation; None where one of the two is constant.

    Args:
        first: Values (N,).
        second: Values (N,).
        times: How often each counts (N,); None: once.
    """
    if times is None:
        times = np.ones(len(first))
    x, y = _ranks(first, times), _ranks(second, times)
    x, y = x - times @ x / times.sum(), y - times @ y / times.sum()
    product = (times @ x**2) * (times @ y**2)
    return float(times @ (x * y) / np.sqrt(product)) if product > 0 else None


def _ranks(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return mean ranks (N,) among values of which each counts so often."""
    # Sums of logarithms in another order differ in their last bits.
    _, place = np.unique(values.round(9), return_inverse=True)
    counts = np.bincount(place, weights=times)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
