"""Accuracy by groups of utterances: speakers, durations."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from espnet_sentiment.scoring.intervals import wilson95


def accuracy_by(groups: Sequence[str], right: Sequence[bool]) -> list[dict]:
    """Return every group's WA, groups in the order of their first utterance.

    Returns:
        ``name``, ``count``, ``accuracy`` and its 95 % interval ``low``, ``high``
        (:func:`wilson95`).
    """
    hits: dict[str, list[bool]] = defaultdict(list)
    for group, hit in zip(groups, right, strict=True):
        hits[group].append(hit)
    rows = []
    for name, values in hits.items():
        low, high = wilson95(sum(values), len(values))
        rows.append(
            {
                "name": name,
                "count": len(values),
                "accuracy": float(np.mean(values)),
                "low": low,
                "high": high,
            }
        )
    return rows


def accuracy_by_duration(
    durations: Sequence[float], right: Sequence[bool], n_groups: int = 5
) -> list[dict]:
    """Return WA in groups of like duration, shortest first, as equal as ties allow.

    Args:
        durations: Seconds.
        right: Whether the prediction was right.
        n_groups: Number of groups at most.
    """
    if not len(durations):
        return []
    order = np.argsort(durations, kind="stable")
    edges = np.unique(np.quantile(durations, np.linspace(0, 1, n_groups + 1)[1:-1]))
    index = np.searchsorted(edges, durations, side="right")
    spans = {
        i: f"{np.min(inside):.1f}–{np.max(inside):.1f} s"
        for i in np.unique(index)
        if len(inside := np.asarray(durations)[index == i])
    }
    names = [f"{spans[index[i]]}" for i in order]
    return accuracy_by(names, [right[i] for i in order])
