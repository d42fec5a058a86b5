"""Do two models differ? A paired permutation test over speakers.

If they did not, each speaker's results could as well be those of the other model:
exchanging the two for all utterances of a speaker changes a difference no more than
chance. A speaker's utterances stay together, since they are right or wrong together;
all seeds that both models have count, as a mean for every utterance. Few speakers are
permuted in all ways, many at random; with five, no p is below 0.06, and of several
rows none below as many times that (``said_least``).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.scoring.models import Model, Run, shared_seeds
from espnet_sentiment.scoring.predictions import Answers
from espnet_sentiment.scoring.speaker_groups import speaker_groups

RESAMPLES = 9999  # of as many and more ways to exchange
LEVEL = 0.05  # below which a difference is said to be shown


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A model against the base model.

    Args:
        p: Two-sided p-values of ``wa`` and ``ua``, not corrected.
        seeds: Those of both.
        n_groups: How many speakers, folds or utterances were exchanged.
        groups: Which of the three.
    """

    p: dict[str, float]
    seeds: list[int]
    n_groups: int
    groups: str


def compare(
    model: Model, base: Model, utt2spk: Mapping[str, str] | None = None
) -> Comparison:
    """Test two models on the same utterances, with all seeds that both have.

    Args:
        model: One.
        base: The other.
        utt2spk: Speakers, see :func:`speaker_groups`.

    Raises:
        DataError: They share no seed, or were not tested on the same utterances.
    """
    for run in (*base.runs, *model.runs):
        if run.protocol != base.runs[0].protocol:
            raise DataError(
                f"{run.folder} was tested on other folds or classes than "
                f"{base.runs[0].folder}: run both on one data preparation"
            )
    ours = {run.seed: run for run in model.runs}
    theirs = {run.seed: run for run in base.runs}
    seeds = shared_seeds(model, base)
    if not seeds:
        raise DataError(
            f"{model.name} has no seed of {base.name}: train it with --seed "
            f"{base.runs[0].seed} too"
        )
    return _compare(
        [(ours[seed].folder, ours[seed].predictions) for seed in seeds],
        [theirs[seed] for seed in seeds],
        utt2spk,
    )


def compare_answers(
    answers: Answers, source: Path, base: Model, utt2spk: Mapping[str, str]
) -> Comparison:
    """Test what has no seed against a model, on the mean over all seeds of that.

    Args:
        answers: Label and prediction by fold and utterance.
        source: Where they are from.
        base: The model.
        utt2spk: Speakers.

    Raises:
        DataError: They are of other utterances.
    """
    return _compare([(source, answers)], base.runs, utt2spk)


def _compare(
    ours: Sequence[tuple[Path, Answers]],
    theirs: Sequence[Run],
    utt2spk: Mapping[str, str] | None,
) -> Comparison:
    first, answers = ours[0]
    keys, labels = sorted(answers), _labels(answers)
    both = [*ours, *((run.folder, run.predictions) for run in theirs)]
    for folder, found in both:
        if _labels(found) != labels:
            raise DataError(
                f"{folder} was tested on other utterances or labels than {first}: run "
                "stages 4 to 6 of both"
            )
    difference = _right([found for _, found in ours], keys)
    difference -= _right([run.predictions for run in theirs], keys)
    groups, kind = speaker_groups(keys, utt2spk)
    truth = [labels[key] for key in keys]
    seeds = [run.seed for run in theirs]
    return Comparison(
        permutation_p(difference, truth, groups), seeds, len(set(groups)), kind
    )


def permutation_p(
    difference: np.ndarray, labels: Sequence[str], groups: Sequence[str]
) -> dict[str, float]:
    """Return two-sided p-values of a difference in WA and in UA.

    Args:
        difference: By how much more one model has each utterance right (N,).
        labels: True classes.
        groups: What is exchanged together.
    """
    names, truth, counts = np.unique(
        np.array(labels, dtype=np.str_), return_inverse=True, return_counts=True
    )
    weights = {
        "wa": np.full(len(difference), 1 / len(difference)),
        "ua": 1 / (len(names) * counts[truth]),
    }
    return {key: _exchange(difference * w, groups) for key, w in weights.items()}


def mean_p(difference: np.ndarray, groups: Sequence[str]) -> float:
    """Return the two-sided p-value of a mean difference of any two paired measures.

    Args:
        difference: Of one measure from the other, of every utterance (N,).
        groups: What is exchanged together.
    """
    return _exchange(difference / len(difference), groups)


def _exchange(summands: np.ndarray, groups: Sequence[str]) -> float:
    """Test a sum over utterances (N,), in whose groups exchanging turns the sign."""
    from scipy.stats import permutation_test

    _, numbers = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    sums = np.bincount(numbers, weights=summands)
    sums = sums[np.abs(sums) > 1e-12]  # whose sign is none
    if len(sums) < 2:  # exchanging one turns the sign of all
        return 1.0
    result = permutation_test(
        (sums,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return min(1.0, float(result.pvalue))


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm, 1979)."""
    if not p:
        return []
    from statsmodels.stats.multitest import multipletests

    return multipletests(p, method="holm")[1].tolist()


def least_p(n_groups: int, n_tests: int) -> float | None:
    """Return the least p of a table that can show nothing, None of one that can.

    Of two sides it is that of the two of ``2 ** n_groups`` ways to exchange that differ
    most; Holm multiplies it by the number of tests.

    Args:
        n_groups: How many were exchanged, of the test that had the most.
        n_tests: How many p-values were corrected together.
    """
    least = n_tests * 2.0 ** (1 - n_groups)
    return None if least < LEVEL else min(1.0, least)


def said_least(n_groups: int, groups: str, n_tests: int) -> list[str]:
    """Say that a table can show nothing, where it cannot: a line, or none.

    Args:
        n_groups: As of :func:`least_p`.
        groups: What they are, see :func:`speaker_groups`.
        n_tests: As of :func:`least_p`.
    """
    if (least := least_p(n_groups, n_tests)) is None:
        return []
    rows = "one tested row" if n_tests == 1 else f"{n_tests} tested rows"
    needed = next(n for n in count(n_groups) if least_p(n, n_tests) is None)
    return [
        f"With {n_groups} {groups} and {rows} no p can be below {p_shown(least)}: "
        f"the table can show no difference at {LEVEL}; {needed} {groups} could.\n"
    ]


def p_shown(p: float) -> str:
    """Return a p-value as tables show it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _labels(answers: Answers) -> dict[tuple[str, str], str]:
    return {key: label for key, (label, _) in answers.items()}


def _right(
    all_answers: Sequence[Answers], keys: Sequence[tuple[str, str]]
) -> np.ndarray:
    """Return the share of answers that have each utterance right, (N,)."""
    rows = []
    for answers in all_answers:
        pairs = (answers[key] for key in keys)
        rows.append([label == prediction for label, prediction in pairs])
    return np.mean(np.array(rows, float), axis=0)
