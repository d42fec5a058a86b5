"""Did trainings end too early? What their curves say, and the option that gives more.

Single folds are left alone: of ten whose validation has long been level, one is best in
the last tenth of its epochs by chance.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

LATE = 1 / 10  # of the epochs, the last ones
MANY = 1 / 3  # of the folds
RISE = 0.02  # of training accuracy, from the last fifth but one to the last


class StillLearning(TypedDict):
    """What the curves say.

    ``late`` of ``folds`` folds are best among their last epochs; 0 where they are too
    few to count. ``rise`` is what the folds' training accuracy still gained, None where
    it is level. ``option`` would give them more, twice as much.
    """

    late: int
    folds: int
    rise: float | None
    option: str


def still_learning(
    histories: Mapping[str, Mapping[str, Sequence]], options: Mapping[str, Any]
) -> StillLearning | None:
    """Look at the learning curves of an experiment; None if they are level.

    Args:
        histories: ``history.json`` by fold.
        options: A fold's ``config.yaml``: the options of the task, complete.
    """
    ((_, name, mode),) = options["best_model_criterion"]
    curves = list(histories.values())
    # Of a criterion whose curve is not kept nothing is known.
    valid = [c[f"valid_{name}"] for c in curves if f"valid_{name}" in c]
    late = sum(_is_late(values, mode) for values in valid)
    rises = [r for c in curves if (r := _rise(c["train_acc"])) is not None]
    rise = sum(rises) / len(rises) if rises else 0.0
    late = late if late >= MANY * len(curves) else 0
    if not late and not rise > RISE:
        return None
    return {
        "late": late,
        "folds": len(curves),
        "rise": rise if rise > RISE else None,
        "option": _more(curves, options),
    }


def learning_message(found: StillLearning) -> str:
    """Say it in a line."""
    said = []
    if found["late"]:
        said.append(
            f"{found['late']} of {found['folds']} folds were best in the last tenth of "
            "their epochs"
        )
    if found["rise"] is not None:
        said.append(
            f"training accuracy still rises ({100 * found['rise']:.1f} points in the "
            "last fifth of the epochs)"
        )
    return (
        f"{', and '.join(said)}: train longer, add {found['option']} to "
        "--sentiment_args"
    )


def _is_late(values: Sequence[float | None], mode: str) -> bool:
    sign = 1 if mode == "max" else -1
    known = [-math.inf if v is None else sign * v for v in values]
    best = known.index(max(known))  # the first, as ESPnet has it
    return best >= len(known) - max(1, math.floor(LATE * len(known)))


def _rise(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    fifth = len(known) // 5
    if not fifth:
        return None
    last, before = known[-fifth:], known[-2 * fifth : -fifth]
    return (sum(last) - sum(before)) / fifth


def _more(curves: Sequence[Mapping[str, Sequence]], options: Mapping[str, Any]) -> str:
    """Return what doubles the budget that ended the trainings."""
    epochs = max(len(curve["train_acc"]) for curve in curves)
    if not all("updates" in curve for curve in curves):  # a budget in epochs alone
        if epochs < options["max_epoch"]:
            return f"--patience {2 * options['patience'] + 1}"
        return f"--max_epoch {2 * epochs}"
    updates = 2 * max(curve["updates"][-1] for curve in curves)
    most = options["max_updates"]
    limit = f" --max_updates {updates}" if most and most < updates else ""
    return f"--min_updates {updates}{limit}"
