"""Class-balanced self-training: what is surest of new utterances is learned from, too.

Zou, Yu, Kumar, Wang, "Unsupervised domain adaptation for semantic segmentation via
class-balanced self-training", ECCV 2018, https://doi.org/10.1007/978-3-030-01219-9_18.
Theirs goes by the largest posterior, to half of the pixels, and trains a network on;
here the margin to the second decides, all are believed in the end, and a classifier
without local optima learns anew.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

# Of the utterances that are taken for a class, the surest are believed: a fifth more
# in every round, in the end all. Not tuned.
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
# As tables call it: no label of a tested utterance is seen, but all of them are heard.
SELF_TRAINED = "self-trained (unlabelled test utterances)"


class Classifier(Protocol):
    """What scikit-learn's classifiers are."""

    classes_: np.ndarray

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Return posteriors (M, C) of rows (M, P)."""


def self_train(
    learn: Callable[[np.ndarray, np.ndarray], Classifier],
    x: np.ndarray,
    labels: np.ndarray,
    new: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Classify new rows, then learn from what is surest of them, and classify again.

    Every round learns anew: from the labelled rows and, of those that the round before
    takes for a class, from the share that it is surest of (the largest difference
    between the two largest posteriors). A class that is harder to tell thus keeps its
    share, where the surest of all would be of the easy classes alone.

    Args:
        learn: Learns from rows and their classes.
        x: Labelled rows (N, P).
        labels: Their classes (N,).
        new: Rows without labels (M, P).

    Returns:
        The classes of the new rows before (M,), and after the last round (M,).
    """
    model = learn(x, labels)
    first = last = _classes(model, new)
    if len(model.classes_) < 2:
        return first, last
    for share in SHARES:
        sure = _surest(model.predict_proba(new), share)
        model = learn(
            np.concatenate([x, new[sure]]), np.concatenate([labels, last[sure]])
        )
        last = _classes(model, new)
    return first, last


def _classes(model: Classifier, rows: np.ndarray) -> np.ndarray:
    return model.classes_[model.predict_proba(rows).argmax(axis=1)]


def _surest(posteriors: np.ndarray, share: float) -> np.ndarray:
    """Return the rows that are surest of each class, that many of it, rounded up."""
    found = posteriors.argmax(axis=1)
    two = np.sort(posteriors, axis=1)[:, -2:]
    margin = two[:, 1] - two[:, 0]
    kept = []
    for number in np.unique(found):
        rows = np.flatnonzero(found == number)
        order = np.argsort(-margin[rows], kind="stable")
        kept.append(rows[order[: int(np.ceil(share * len(rows)))]])
    return np.sort(np.concatenate(kept))
