"""``tuning.json``: what was tried, what it was worth in validation, what was chosen."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, sha256_of
from espnet_sentiment.core.stamp import Stamp, need_stamp, read_stamp
from espnet_sentiment.recipe.experiment import Experiment
from espnet_sentiment.recipe.stage import Stage
from espnet_sentiment.recipe.tune_ranges import (
    Setting,
    check_tune,
    draw_settings,
    read_ranges,
)

RECORD = "tuning.json"  # of an experiment, and of each of its folds
ALGORITHM = 1
STAMP = ".tuning.json"  # of the experiment's
KEYS = ("valid", "valid_loss")  # of a fold's record: Worth's parts, one a setting


def settings_of(args: argparse.Namespace, exp: Path) -> list[Setting]:
    """Return the settings that options ask for; none without ``--tune``.

    Those of an experiment that was tuned alike are not drawn again, so that what is up
    to date needs no scikit-learn.

    Args:
        args: ``tune`` and the options of ``add_tune_arguments``.
        exp: Folder of experiments.

    Raises:
        DataError: The ranges cannot be followed.
        UserError: ``--tune`` or ``--tune_seed`` cannot be.
    """
    if not args.tune:
        return []
    check_tune(args.tune, args.tune_seed)
    by = drawn_by(args)
    for path in sorted(exp.glob(f"*_tune{args.tune}_seed*/{RECORD}")):
        stamp = read_stamp(path.with_name(STAMP))
        if stamp is not None and stamp.inputs.get("by") == by and stamp.holds(path):
            return stamp.inputs["settings"]
    return draw_settings(args.tune_ranges, args.tune, args.tune_seed)


def drawn_by(args: argparse.Namespace) -> dict[str, Any]:
    """Return what settings are drawn by: the file's name and ranges, and the seed.

    Args:
        args: The options of ``add_tune_arguments``.

    Raises:
        DataError: The ranges cannot be followed.
    """
    ranges = [[*key, *given] for key, given in read_ranges(args.tune_ranges).items()]
    return {
        "ranges": Path(args.tune_ranges).name,
        "seed": args.tune_seed,
        "sha256": sha256_of(ranges),
    }


class Worth(NamedTuple):
    """What a training is worth in validation; None where no epoch has a value."""

    score: float | None
    """The criterion in the best of its epochs."""
    loss: float | None
    """The validation loss there, of equally good epochs the least. On one speaker's
    utterances many settings have the same accuracy."""


def worth_of(history: Mapping[str, Any], criterion: Sequence[str]) -> Worth:
    """Return what a training is worth.

    Args:
        history: ``history.json``.
        criterion: ``best_model_criterion``, ``("valid", "ua", "max")``.
    """
    phase, name, mode = criterion
    scores, losses = history[f"{phase}_{name}"], history["valid_loss"]
    worths = [Worth(*pair) for pair in zip(scores, losses, strict=True)]
    return worths[choose(worths, mode)] if worths else Worth(None, None)


def choose(worths: Sequence[Worth], mode: str) -> int:
    """Return the index of the best: of equal scores the least loss, then the earlier.

    The order of the settings decides last, for the first, the recipe's own, may have
    been found with tested speakers in view.

    Args:
        worths: One a setting; None is worse than any number.
        mode: ``max`` or ``min``.
    """

    def rank(index: int) -> tuple[float, float]:
        score, loss = worths[index]
        sign = 1 if mode == "max" else -1
        return (
            float("-inf") if score is None else sign * score,
            float("-inf") if loss is None else -loss,
        )

    return max(range(len(worths)), key=rank)


def summary(
    settings: Sequence[Mapping[str, Any]],
    folds: Mapping[str, Mapping[str, Any]],
    drawn_by: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the contents of an experiment's ``tuning.json``.

    Args:
        settings: What was tried, in order.
        folds: Every fold's ``tuning.json``, by name.
        drawn_by: How the settings were drawn.
    """
    criterion = next(iter(folds.values()))["criterion"]
    means = [
        Worth(*(_mean(fold[key][index] for fold in folds.values()) for key in KEYS))
        for index in range(len(settings))
    ]
    best = choose(means, criterion[2])
    return {
        **drawn_by,
        "criterion": criterion,
        # What a model of all utterances takes (--final all), which no fold chooses for.
        "best_on_average": best + 1,
        "settings": [
            {
                "setting": index + 1,
                "options": setting,
                "valid": {name: fold["valid"][index] for name, fold in folds.items()},
                "valid_mean": means[index].score,
                "valid_loss": {
                    n: fold["valid_loss"][index] for n, fold in folds.items()
                },
                "valid_loss_mean": means[index].loss,
                "chosen_by": [n for n, f in folds.items() if f["chosen"] == index + 1],
            }
            for index, setting in enumerate(settings)
        ],
    }


def _mean(scores: Iterable[float | None]) -> float | None:
    known = list(scores)
    found = [score for score in known if score is not None]
    return sum(found) / len(found) if len(found) == len(known) else None


def read_tuning(
    experiment: Experiment, trainings: Mapping[str, Stamp]
) -> dict[str, Any] | None:
    """Read an experiment's ``tuning.json``; None where nothing was tuned.

    Args:
        experiment: Trained.
        trainings: Stamps of its folds, by name.

    Raises:
        DataError: It is missing or was changed, or is of other folds than there are.
    """
    tuned = [name for name, stamp in trainings.items() if RECORD in stamp.outputs]
    if not tuned:
        return None
    if others := trainings.keys() - tuned:
        raise DataError(
            f"{experiment.fold_dir(min(others))} was not tuned, unlike fold "
            f"{tuned[0]}: run stage 4 again"
        )
    path = experiment.dir / RECORD
    stamp = need_stamp(experiment.dir / STAMP, "stage 4 (training)", path)
    stamp.expect({"folds": sums_of(trainings)})
    stamp.check(path)
    return read_json(path)


def record_stage(
    experiment: Experiment,
    trainings: Mapping[str, Stamp],
    settings: Sequence[Mapping[str, Any]],
    drawn_by: Mapping[str, Any],
) -> Stage:
    """Return the stage that writes an experiment's ``tuning.json``.

    Args:
        experiment: Trained.
        trainings: Stamps of its folds, by name.
        settings: What was tried.
        drawn_by: How the settings were drawn.
    """
    return Stage(
        f"stage 4: {experiment.name} tuning",
        experiment.dir / STAMP,
        {"settings": settings, "by": drawn_by, "folds": sums_of(trainings)},
        ALGORITHM,
    )


def sums_of(trainings: Mapping[str, Stamp]) -> dict[str, dict[str, str]]:
    """Return what a record of all folds is made from, for its stamp."""
    return {name: stamp.sums() for name, stamp in trainings.items()}


def record_of(folder: Path) -> dict[str, Any]:
    """Read a fold's ``tuning.json``, with the curves of all that was tried."""
    return read_json(folder / RECORD)
