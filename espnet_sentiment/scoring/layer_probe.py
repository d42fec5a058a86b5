"""What each layer of an encoder knows: a logistic regression for every layer.

It reads the mean and the standard deviation over time of one layer's stored features,
without SpecAugment, learns from a fold's training utterances and is scored on those
that the fold tests. So it says where the classes can be read off linearly, and what a
decoder has to beat.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.scoring.metrics import unweighted_accuracy, weighted_accuracy

ALGORITHM = 1
# Utterances of a set; of more, statistics and regressions take gigabytes and hours.
MAX_UTTERANCES = 10_000


def probe_layers(
    store: FeatureStore,
    folds: Sequence[Fold],
    utt2label: Mapping[str, str],
    n_layers: int,
) -> list[dict[str, float]]:
    """Score a logistic regression on each layer.

    Args:
        store: Clean features (T, L * D) of all utterances.
        folds: What to train on and to test; validation is not used.
        utt2label: Class of every utterance.
        n_layers: Layers L of the store.

    Returns:
        ``wa`` and ``ua`` of every layer, the folds' tested utterances pooled.
    """
    utts = sorted({utt for fold in folds for utt in (*fold.train, *fold.test)})
    rows = {utt: row for row, utt in enumerate(utts)}
    labels = np.array([utt2label[utt] for utt in utts])
    parts = [
        [[rows[utt] for utt in part] for part in (fold.train, fold.test)]
        for fold in folds
    ]
    truth = [label for _, test in parts for label in labels[test]]
    layers = np.stack([_statistics(store[utt], n_layers) for utt in utts], axis=1)
    scores = []
    for x in layers:
        found = [p for part in parts for p in _predict(x, labels, *part)]
        scores.append(
            {
                "wa": weighted_accuracy(truth, found),
                "ua": unweighted_accuracy(truth, found),
            }
        )
    return scores


def _statistics(frames: np.ndarray, n_layers: int) -> np.ndarray:
    """Return means and standard deviations (L, 2 * D) of frames (T, L * D)."""
    x = frames.astype(np.float32).reshape(len(frames), n_layers, -1)
    return np.concatenate([x.mean(axis=0), x.std(axis=0)], axis=1)


def _predict(
    x: np.ndarray, labels: np.ndarray, train: list[int], test: list[int]
) -> list[str]:
    """Learn from some rows (N, 2 * D) and return the classes of others."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(labels[train])) == 1:  # nothing to tell apart
        return [labels[train[0]]] * len(test)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(x[train], labels[train]).predict(x[test]).tolist()
