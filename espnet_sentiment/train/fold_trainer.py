"""ESPnet's training loop for short folds, which keeps its state in memory.

ESPnet's Trainer writes the weights of every epoch, twice, beside a checkpoint. A fold's
epochs take less than a second, and so does reading features again: here a checkpoint
that holds all comes once a minute. Epochs, batches, random numbers and what is averaged
in the end are the Trainer's, to the bit. What it adds is a budget in updates.
"""

import argparse
import dataclasses
import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from espnet2.schedulers.abs_scheduler import (
    AbsEpochStepScheduler,
    AbsValEpochStepScheduler,
)
from espnet2.torch_utils.set_all_random_seed import set_all_random_seed
from espnet2.train.reporter import Reporter
from espnet2.train.trainer import TrainerOptions
from espnet2.utils.build_dataclass import build_dataclass

from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.tasks.resume import BROKEN, load_state
from espnet_sentiment.tasks.sentiment_trainer import SentimentTrainer
from espnet_sentiment.train.tracking import summary_writers

STATE = "training.pth"  # of a training that is not over
INTERVAL = 60.0  # seconds of training that a kill may cost
KEPT = "kept.pth"  # what it was all for: the averaged weights and the curves


@dataclasses.dataclass
class FoldOptions(TrainerOptions):
    """ESPnet's options, and a budget in updates; None is no bound."""

    max_updates: int | None
    min_updates: int | None
    patience_updates: int | None


class FoldTrainer(SentimentTrainer):
    """Trains one fold in one process."""

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> FoldOptions:
        """Return what the loop reads of the options."""
        return build_dataclass(FoldOptions, args)

    @classmethod
    def run(
        cls,
        model,
        optimizers,
        schedulers,
        train_iter_factory,
        valid_iter_factory,
        plot_attention_iter_factory,
        trainer_options,
        distributed_option,
    ) -> None:
        """Train, from the last checkpoint on, and average the best epochs."""
        options, folder = trainer_options, Path(trainer_options.output_dir)
        (optimizer,), (scheduler,) = optimizers, schedulers
        reporter = Reporter()
        parts = {"model": model, "reporter": reporter, "optimizer": optimizer}
        if scheduler is not None:
            parts["scheduler"] = scheduler
        best = _resume(folder, parts)
        saved = time.monotonic()
        shared = {"options": options, "distributed_option": distributed_option}
        with summary_writers(folder, options.use_tensorboard, _batches(reporter)) as (
            train_log,
            valid_log,
        ):
            while not _is_over(reporter, options):
                epoch = reporter.get_epoch() + 1
                set_all_random_seed(options.seed + epoch)
                reporter.set_epoch(epoch)
                with reporter.observe("train") as observed:
                    cls.train_one_epoch(
                        model=model,
                        optimizers=optimizers,
                        schedulers=schedulers,
                        iterator=_within(
                            train_iter_factory.build_iter(epoch), reporter, options
                        ),
                        reporter=observed,
                        scaler=None,
                        summary_writer=train_log,
                        **shared,
                    )
                with reporter.observe("valid") as observed:
                    cls.validate_one_epoch(
                        model=model,
                        iterator=valid_iter_factory.build_iter(epoch),
                        reporter=observed,
                        **shared,
                    )
                _step(scheduler, reporter, options)
                logging.info(reporter.log_message())
                if train_log is not None:
                    reporter.tensorboard_add_scalar(train_log, key1="train")
                    reporter.tensorboard_add_scalar(valid_log, key1="valid")
                if options.use_wandb:
                    reporter.wandb_log()
                best[epoch] = _copy(model.state_dict())
                for worse in best.keys() - _best_epochs(reporter, options):
                    del best[worse]
                if time.monotonic() - saved >= INTERVAL:
                    _save(folder / STATE, parts, best)
                    saved = time.monotonic()
        _keep(folder, reporter, best, options)


def updates_by_epoch(stats: Mapping[int, Mapping], accum_grad: int) -> list[int]:
    """Return how many updates were made up to the end of every epoch.

    Skipped ones count, whose gradients were not finite.

    Args:
        stats: Those of ESPnet's reporter, by epoch.
        accum_grad: Batches of an update.
    """
    batches = [stats[epoch]["train"]["total_count"] for epoch in sorted(stats)]
    pairs = itertools.pairwise([0, *batches])
    return list(itertools.accumulate((b - a) // accum_grad for a, b in pairs))


def _batches(reporter: Reporter) -> int:
    epoch = reporter.get_epoch()
    return reporter.stats[epoch]["train"]["total_count"] if epoch else 0


def _updates(reporter: Reporter, options: FoldOptions) -> list[int]:
    return updates_by_epoch(reporter.stats, options.accum_grad)


def _is_over(reporter: Reporter, options: FoldOptions) -> bool:
    """Tell whether the epochs until now are enough."""
    epoch = reporter.get_epoch()
    if not epoch:
        return False
    made = _updates(reporter, options)[-1]
    if options.max_updates is not None and made >= options.max_updates:
        return True
    if made < (options.min_updates or 0):
        return False
    return epoch >= options.max_epoch or _stops_early(reporter, options)


def _within(iterator, reporter: Reporter, options: FoldOptions):
    """Give the batches of an epoch as far as ``max_updates`` allows."""
    if options.max_updates is None:
        return iterator
    made = _updates(reporter, options)
    left = options.max_updates - (made[-1] if made else 0)
    return itertools.islice(iterator, left * options.accum_grad)


def _stops_early(reporter: Reporter, options: FoldOptions) -> bool:
    criterion = options.early_stopping_criterion
    if not reporter.has(*criterion[:2]):
        return False
    if options.patience is not None and reporter.check_early_stopping(
        options.patience, *criterion
    ):
        return True
    if options.patience_updates is None:
        return False
    made = _updates(reporter, options)
    best = reporter.get_best_epoch(*criterion)
    return made[-1] - made[best - 1] > options.patience_updates


def _step(scheduler, reporter: Reporter, options) -> None:
    if isinstance(scheduler, AbsValEpochStepScheduler):
        scheduler.step(reporter.get_value(*options.val_scheduler_criterion))
    elif isinstance(scheduler, AbsEpochStepScheduler):
        scheduler.step()


def _copy(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.to("cpu", copy=True) for key, value in state.items()}


def _best_epochs(reporter: Reporter, options) -> set[int]:
    n_best = max(numbers_of_best(vars(options)))
    return {
        epoch
        for criterion in options.best_model_criterion
        for epoch in reporter.sort_epochs(*criterion)[:n_best]
    }


def numbers_of_best(options: Mapping) -> list[int]:
    """Return the numbers of best epochs, which may be one number, or none."""
    numbers = options["keep_nbest_models"]
    return [numbers] if isinstance(numbers, int) else list(numbers) or [1]


def _save(path: Path, parts: dict, best: dict) -> None:
    states = {name: part.state_dict() for name, part in parts.items()}
    with atomic_path(path) as temporary:
        torch.save({**states, "best": best}, temporary)


def _resume(folder: Path, parts: dict) -> dict[int, dict[str, torch.Tensor]]:
    """Set parts to the last checkpoint; return the weights of the best epochs."""
    try:
        states = load_state(folder / STATE)
    except FileNotFoundError:
        return {}
    except BROKEN:
        (folder / STATE).unlink()
        return {}
    for name, part in parts.items():
        part.load_state_dict(states[name])
    logging.info(f"goes on after epoch {parts['reporter'].get_epoch()}")
    return states["best"]


def _keep(folder: Path, reporter: Reporter, best: dict, options) -> None:
    ((phase, name, mode),) = options.best_model_criterion
    epochs = reporter.sort_epochs(phase, name, mode)
    # As ESPnet does: of several numbers the largest that there are epochs for.
    numbers = numbers_of_best(vars(options))
    n_best = max([n for n in numbers if n <= len(epochs)] or [1])
    state = average([best[epoch] for epoch in epochs[:n_best]])
    with atomic_path(folder / KEPT) as path:
        torch.save({"model": state, "reporter": reporter.state_dict()}, path)


def average(states: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Average weights; whole numbers, which count batches, are summed up.

    ESPnet's ``average_nbest_models`` gives the same of files.
    """
    total = dict(states[0])
    for state in states[1:]:
        total = {key: value + state[key] for key, value in total.items()}
    return {
        key: value / len(states) if value.is_floating_point() else value
        for key, value in total.items()
    }
