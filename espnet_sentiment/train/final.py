"""The model that one deploys: trained on all utterances, for as long as the folds say.

A fold's model has not heard a part of the corpus, by which it is validated and tested.
The final one has heard all, and nothing is left to choose its epochs by: it makes as
many steps as the folds had made, in the median, at the latest epoch that they keep
(utterances seen, whatever batches hold), and averages as many epochs up to there. The
folds' scores estimate its own.
"""

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.train.fold_trainer import numbers_of_best

# ESPnet sorts epochs by it, so that the last ones are averaged.
LAST = [("train", "total_count", "max")]
BUDGET = ("max_updates", "min_updates", "patience", "patience_updates")


def final_budget(
    histories: Sequence[Mapping[str, Any]],
    sizes: Sequence[int],
    n_utts: int,
    options: Mapping[str, Any],
) -> dict[str, int]:
    """Return for how long to train, and how many epochs to average.

    Args:
        histories: ``history.json`` of every fold.
        sizes: Training utterances of every fold.
        n_utts: Those of the final model.
        options: The task's options of the folds.

    Returns:
        ``max_epoch`` and ``keep_nbest_models`` of the final model.
    """
    seen: list[float] = []
    for history, size in zip(histories, sizes, strict=True):
        last = _last_of_best(history, options)
        # An epoch that max_updates ended counts by what was made of it.
        if made := history.get("updates"):
            last = made[last - 1] / max(b - a for a, b in pairwise([0, *made]))
        seen.append(last * size)
    if options["num_iters_per_epoch"]:  # an epoch is as long, whatever there is
        seen = [n * n_utts / size for n, size in zip(seen, sizes, strict=True)]
    epochs = max(1, round(statistics.median(seen) / n_utts))
    n_best = min(max(numbers_of_best(options)), epochs)
    return {"max_epoch": epochs, "keep_nbest_models": n_best}


def _last_of_best(history: Mapping[str, Any], options: Mapping[str, Any]) -> int:
    """Return the latest of the epochs that a fold averages, from 1."""
    ((phase, name, mode),) = options["best_model_criterion"]
    scores = history.get(f"{phase}_{name}")
    if scores is None:  # of which no curve is kept
        return len(history["train_loss"])
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=mode == "max")
    fitting = [n for n in numbers_of_best(options) if n <= len(scores)]
    return max(order[: max(fitting, default=1)]) + 1


def final_options(
    options: Mapping[str, Any], budget: Mapping[str, int]
) -> dict[str, Any]:
    """Return the task's options of the final model: the folds', to the budget."""
    return {
        **options,
        **dict.fromkeys(BUDGET),
        "max_epoch": budget["max_epoch"],
        "keep_nbest_models": budget["keep_nbest_models"],
        "best_model_criterion": LAST,
    }


def keep_training_curves(path: Path) -> None:
    """Take out of ``history.json`` what was measured on utterances that train, too."""
    history = read_json(path)
    write_json(path, {k: v for k, v in history.items() if not k.startswith("valid_")})
