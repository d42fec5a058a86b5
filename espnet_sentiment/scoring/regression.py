"""A logistic regression on all layers of an encoder: what has a decoder to beat?

It reads means and standard deviations over time of stored features, without
SpecAugment, as they are and normalised by speaker; each once more after self-training
on the tested utterances, of which no label is seen.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import speakers_known
from espnet_sentiment.scoring.layer_probe import (
    FEW,
    TOLERANCE,
    nothing,
    one_thread,
    speaker_parts,
)
from espnet_sentiment.scoring.metrics import unweighted_accuracy
from espnet_sentiment.scoring.pooled import Pooled
from espnet_sentiment.scoring.references import Scored
from espnet_sentiment.scoring.self_training import self_train

ALGORITHM = 5  # follows the versions that layer_probe.py had of it
# The inverse of how much its weights are held back; each fold chooses by speakers of
# its own that are held out.
CS = (0.0001, 0.001, 0.01, 0.1, 1.0)
# To choose by, where a thousandth of UA does not matter, and trials are many.
ROUGH = 1e-3
# Principal components that more than FEW utterances are learned from.
COMPONENTS = 600


class Regression(NamedTuple):
    """What was found.

    Args:
        rows: ``wa``, ``ua``, ``macro_f1``, their intervals and ``c``, what each fold
            chose, by the names of ``REGRESSIONS`` (``tables.py``); those by speaker
            are missing where a speaker is not known.
        answers: The class that each row takes a tested utterance for, in the order of
            ``Scored.keys``.
    """

    rows: dict[str, dict[str, Any]]
    answers: dict[str, list[str]]


def regress(
    pooled: Pooled,
    tested: Scored,
    people: Mapping[str, str],
    advance: Callable[[], object] = nothing,
) -> Regression:
    """Score a logistic regression on all layers.

    A fold's regression learns from what the fold trains and validates on, and chooses
    ``C`` by UA on speakers held out of that.

    Args:
        pooled: Statistics of all utterances.
        tested: What to score.
        people: Who speaks each utterance, to hold out; of copies at other speeds, which
            are speakers of their own, who spoke.
        advance: Called after every fold, twice where speakers are known.
    """
    sources = {"plain": pooled}
    if speakers_known(pooled.utts, tested.utt2spk):
        sources["speaker"] = pooled.by_speaker(tested.utt2spk)
    answers: dict[str, list[str]] = {}
    chosen: dict[str, list[float]] = {}
    for name, source in sources.items():
        of_row: dict[str, list[str]] = {name: [], f"{name}_self_trained": []}
        cs = []
        for fold in tested.folds:
            with one_thread():
                c, both = _answer(source, tested, fold, people)
            for row, found in zip(of_row.values(), both, strict=True):
                row += found.tolist()
            cs.append(c)
            advance()
        answers |= of_row
        chosen |= dict.fromkeys(of_row, cs)
    truth = [tested.utt2label[utt] for _, utt in tested.keys]
    scores = {
        name: {**tested.score(tested.keys, truth, found), "c": chosen[name]}
        for name, found in answers.items()
    }
    return Regression(scores, answers)


def _answer(
    source: Pooled, tested: Scored, fold: Fold, people: Mapping[str, str]
) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Return a fold's C, and its answers before and after self-training."""
    x = source.values.reshape(len(source.utts), -1)
    train = tested.labelled(dict.fromkeys((*fold.train, *fold.valid)))
    labels = np.array([tested.utt2label[utt] for utt in train])
    rows, new = _coordinates(
        x[source.rows(train)], x[source.rows(tested.labelled(fold.test))]
    )
    c = _choose(rows, labels, speaker_parts([people[utt] for utt in train], train))
    return c, self_train(partial(_learn, c=c), rows, labels, new)


def _coordinates(x: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise rows by those with labels, in as few numbers as will do.

    Args:
        x: Rows (N, P) with labels.
        new: Rows (M, P) without.

    Returns:
        Both in Q numbers. Of few rows these lose nothing: a regression's weights are
        sums of the rows that it learns from, in the end of all. Of many, they are the
        largest principal components of the rows with labels.
    """
    from sklearn.decomposition import PCA, KernelPCA
    from sklearn.preprocessing import StandardScaler

    few = len(x) <= FEW
    if few:
        x, new = x.astype(np.float64), new.astype(np.float64)
    scaler = StandardScaler().fit(x)
    x, new = scaler.transform(x), scaler.transform(new)
    if few and 2 * (len(x) + len(new)) < x.shape[1]:
        both = KernelPCA().fit_transform(np.concatenate([x, new]))
        x, new = both[: len(x)], both[len(x) :]
    elif not few and x.shape[1] > COMPONENTS:
        model = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(x)
        x, new = model.transform(x), model.transform(new)
    return x.astype(np.float64), new.astype(np.float64)


def _learn(x: np.ndarray, labels: np.ndarray, c: float) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) == 1:  # nothing to tell apart
        return DummyClassifier(strategy="most_frequent").fit(x, labels)
    return LogisticRegression(C=c, tol=TOLERANCE, max_iter=1000).fit(x, labels)


def _choose(
    x: np.ndarray,
    labels: np.ndarray,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
) -> float:
    """Return the C with the best UA on the parts held out; the smallest of several.

    Where that leaves a class alone, or nothing, it is the largest, scikit-learn's own.
    """
    from sklearn.linear_model import LogisticRegression

    if not parts or any(len(set(labels[train])) < 2 for train, _ in parts):
        return CS[-1]
    found = {c: labels.copy() for c in CS}
    for train, held in parts:
        # Each begins where the one before, which is held back more, has ended.
        model = LogisticRegression(tol=ROUGH, max_iter=1000, warm_start=True)
        for c in CS:
            model.set_params(C=c).fit(x[train], labels[train])
            found[c][held] = model.predict(x[held])
    truth = labels.tolist()
    return max(CS, key=lambda c: unweighted_accuracy(truth, found[c].tolist()))
