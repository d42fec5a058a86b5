"""Logistic regressions on plain statistics of a layer: what does each of them know?

They read means and standard deviations over time of stored features, without
SpecAugment, of one layer, and learn from a fold's training utterances. What all layers
together tell is :mod:`espnet_sentiment.scoring.regression`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.scoring.metrics import unweighted_accuracy, weighted_accuracy
from espnet_sentiment.scoring.pooled import Pooled

ALGORITHM = 3
# Of more utterances, or numbers of their statistics, a regression takes minutes and
# gigabytes, where all else that scores takes neither.
MAX_UTTS, MAX_VALUES = 10_000, 3 << 24
PARTS = 5  # of a fold's training and validating speakers, to choose a layer by
TINY = 1e-12
# scikit-learn's 1e-4 bounds the largest part of the gradient, and so stops elsewhere in
# other coordinates: EmoDB's WA changed by three points.
TOLERANCE = 1e-5
FEW = 1000  # utterances whose own coordinates are found sooner than they save


def nothing() -> None:
    """Do nothing: where nobody looks how far it is."""


def probe_layers(
    pooled: Pooled,
    folds: Sequence[Fold],
    utt2label: Mapping[str, str],
    advance: Callable[[], object] = nothing,
) -> list[dict[str, float]]:
    """Score a logistic regression on each layer.

    Args:
        pooled: Statistics of all utterances.
        folds: What to train on and to test; validation is not used.
        utt2label: Class of every utterance.
        advance: Called after every regression, one for a layer and fold.

    Returns:
        ``wa`` and ``ua`` of every layer, the folds' tested utterances pooled.
    """
    layers = range(pooled.values.shape[2])
    with one_thread():
        return [
            _score(_inputs(pooled, n), pooled, folds, utt2label, advance)
            for n in layers
        ]


def best_layer(
    pooled: Pooled,
    fold: Fold,
    utt2label: Mapping[str, str],
    utt2spk: Mapping[str, str],
) -> int:
    """Choose the layer that tells most of the classes of speakers held out.

    The utterances that a fold trains and validates on are cut into parts by speakers; a
    probe is asked of each part that has learned on the others. Tested utterances are
    not looked at.

    Args:
        pooled: Statistics of all utterances.
        fold: A fold of the set.
        utt2label: Classes; an utterance without one, where votes train, is left out.
        utt2spk: Speaker of every utterance.

    Returns:
        The place of the layer with the best UA; of several, of the one that is the
        surest of the true classes (least cross-entropy).
    """
    every = dict.fromkeys((*fold.train, *fold.valid))
    utts = [utt for utt in every if utt in utt2label]
    rows, labels = pooled.rows(utts), np.array([utt2label[utt] for utt in utts])
    parts = speaker_parts([utt2spk[utt] for utt in utts], utts)
    scores = []
    for layer in range(pooled.values.shape[2]):
        x = _inputs(pooled, layer)[rows]
        found, sureness = labels.copy(), np.zeros(len(utts))
        for train, held in parts:
            model = _learn(x[train], labels[train])
            posteriors = model.predict_proba(x[held])
            found[held] = model.classes_[posteriors.argmax(axis=1)]
            true = labels[held, None] == model.classes_
            sureness[held] = np.log(np.maximum((posteriors * true).sum(axis=1), TINY))
        ua = unweighted_accuracy(labels.tolist(), found.tolist())
        scores.append((ua, sureness.mean()))
    return max(range(len(scores)), key=scores.__getitem__)


def one_thread() -> AbstractContextManager:
    """Compute regressions on one thread: their products are small, and wait on others.

    On cores that are busy, two threads take up to ten times as long.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def speaker_parts(
    speakers: Sequence[str], utts: Sequence[str]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut utterances into parts by their speakers, each of which is held out once.

    Args:
        speakers: Of every utterance; where there is one alone, utterances are held out.
        utts: The utterances.

    Returns:
        The places of what is learned from and of what is held out, a pair a part; of
        one utterance alone nothing.
    """
    from sklearn.model_selection import GroupKFold

    groups = speakers if len(set(speakers)) > 1 else utts
    if len(set(groups)) < 2:
        return []
    parts = GroupKFold(min(PARTS, len(set(groups))))
    return list(parts.split(groups, groups=groups))


def check_probe(store: FeatureStore, what: str) -> None:
    """Refuse to choose a layer of a store that regressions would take hours of.

    Raises:
        DataError: It is too large.
    """
    if len(store) > MAX_UTTS:
        raise DataError(
            f"{what} asks for logistic regressions, which take at most {MAX_UTTS} "
            f"utterances; {store.root} has {len(store)}: choose a layer on a part of "
            "the corpus, and name it in the encoder's config (layer: 3)"
        )


def _score(
    x: np.ndarray,
    pooled: Pooled,
    folds: Sequence[Fold],
    utt2label: Mapping[str, str],
    advance: Callable[[], object],
) -> dict[str, float]:
    truth: list[str] = []
    found: list[str] = []
    for fold in folds:
        train, test = (
            [u for u in us if u in utt2label] for us in (fold.train, fold.test)
        )
        known = np.array([utt2label[utt] for utt in train])
        model = _learn(x[pooled.rows(train)], known)
        truth += [utt2label[utt] for utt in test]
        found += model.predict(x[pooled.rows(test)]).tolist()
        advance()
    return {
        "wa": weighted_accuracy(truth, found),
        "ua": unweighted_accuracy(truth, found),
    }


def _inputs(pooled: Pooled, layer: int) -> np.ndarray:
    """Return the statistics of a layer as they are learned from, (N, 2 * D)."""
    return pooled.values[:, :, layer].reshape(len(pooled.utts), -1)


def _learn(x: np.ndarray, labels: np.ndarray) -> Any:
    """Learn the classes of rows (N, P)."""
    from sklearn.decomposition import KernelPCA
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(labels)) == 1:  # nothing to tell apart
        return DummyClassifier(strategy="most_frequent").fit(x, labels)
    parts = [StandardScaler()]
    if len(x) <= FEW and 2 * len(x) < x.shape[1]:
        # The same regression in as many numbers as there are utterances: its weights
        # are a sum of theirs.
        parts.append(KernelPCA())
    model = make_pipeline(*parts, LogisticRegression(tol=TOLERANCE, max_iter=1000))
    return model.fit(x.astype(np.float64), labels)
