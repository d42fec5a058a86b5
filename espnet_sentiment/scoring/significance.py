"""Exact McNemar test: do two models differ on the same utterances?

McNemar, "Note on the sampling error of the difference between correlated proportions or
percentages", Psychometrika 12 (1947). Only utterances that one model has right and the
other wrong tell the two apart; if the models are equally good, each is as likely to
have the advantage. It compares WA, and takes utterances as independent.
"""

import dataclasses
from collections.abc import Sequence

from scipy.stats import binomtest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.scoring.models import Model


def discordant(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int]:
    """Count the utterances that only the first, and only the second, has right.

    Args:
        first: Whether the first model has each utterance right.
        second: The same of the second model, in the same order.
    """
    pairs = list(zip(first, second, strict=True))
    return sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value, by the binomial distribution.

    Args:
        only_first: Utterances that only the first model has right.
        only_second: Utterances that only the second model has right.
    """
    n = only_first + only_second
    return float(binomtest(only_first, n).pvalue) if n else 1.0


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Exact McNemar test of a model against the base model.

    Args:
        p: Two-sided p-value.
        seed: The seed of both.
        only_base: Utterances that only the base model has right.
        only_model: Utterances that only the model has right.
    """

    p: float
    seed: int
    only_base: int
    only_model: int


def compare(model: Model, base: Model) -> Comparison:
    """Test two models on the same utterances, with the lowest seed that both have.

    One seed, and one that no result has chosen: several would test an utterance several
    times as if it were new, and a vote over them is another model.

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
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        raise DataError(
            f"{model.name} has no seed of {base.name}: train it with --seed "
            f"{base.runs[0].seed} too"
        )
    seed = common[0]
    mine, other = ours[seed].predictions, theirs[seed].predictions
    if {key: label for key, (label, _) in mine.items()} != {
        key: label for key, (label, _) in other.items()
    }:
        raise DataError(
            f"{ours[seed].folder} was tested on other utterances or labels than "
            f"{theirs[seed].folder}: run stages 4 to 6 of both"
        )
    keys = sorted(mine)
    only_base, only_model = discordant(
        [label == prediction for label, prediction in map(other.__getitem__, keys)],
        [label == prediction for label, prediction in map(mine.__getitem__, keys)],
    )
    return Comparison(mcnemar_exact(only_base, only_model), seed, only_base, only_model)
