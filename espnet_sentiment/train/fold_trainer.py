"""ESPnet's training loop for short folds, which keeps its state in memory.

ESPnet's Trainer writes the weights of every epoch, twice, beside a checkpoint. A fold's
epochs take less than a second, and so does reading features again: here a checkpoint
that holds all comes once a minute. Epochs, batches, random numbers and what is averaged
in the end are the Trainer's, to the bit.
"""

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

from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.tasks.resume import BROKEN, load_state
from espnet_sentiment.tasks.sentiment_trainer import SentimentTrainer

STATE = "training.pth"  # of a training that is not over
INTERVAL = 60.0  # seconds of training that a kill may cost
KEPT = "kept.pth"  # what it was all for: the averaged weights and the curves


class FoldTrainer(SentimentTrainer):
    """Trains one fold in one process."""

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
        for epoch in range(reporter.get_epoch() + 1, options.max_epoch + 1):
            if _stops_early(reporter, options):
                break
            set_all_random_seed(options.seed + epoch)
            reporter.set_epoch(epoch)
            with reporter.observe("train") as observed:
                cls.train_one_epoch(
                    model=model,
                    optimizers=optimizers,
                    schedulers=schedulers,
                    iterator=train_iter_factory.build_iter(epoch),
                    reporter=observed,
                    scaler=None,
                    summary_writer=None,
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
            best[epoch] = _copy(model.state_dict())
            for worse in best.keys() - _best_epochs(reporter, options):
                del best[worse]
            if time.monotonic() - saved >= INTERVAL:
                _save(folder / STATE, parts, best)
                saved = time.monotonic()
        _keep(folder, reporter, best, options)


def _stops_early(reporter: Reporter, options) -> bool:
    criterion = options.early_stopping_criterion
    return (
        options.patience is not None
        and reporter.get_epoch() > 0
        and reporter.has(*criterion[:2])
        and reporter.check_early_stopping(options.patience, *criterion)
    )


def _step(scheduler, reporter: Reporter, options) -> None:
    if isinstance(scheduler, AbsValEpochStepScheduler):
        scheduler.step(reporter.get_value(*options.val_scheduler_criterion))
    elif isinstance(scheduler, AbsEpochStepScheduler):
        scheduler.step()


def _copy(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.to("cpu", copy=True) for key, value in state.items()}


def _best_epochs(reporter: Reporter, options) -> set[int]:
    n_best = max(_n_best(options))
    return {
        epoch
        for criterion in options.best_model_criterion
        for epoch in reporter.sort_epochs(*criterion)[:n_best]
    }


def _n_best(options) -> list[int]:
    """Return the numbers of best epochs, which may be one number, or none."""
    numbers = options.keep_nbest_models
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
    n_best = max([n for n in _n_best(options) if n <= len(epochs)] or [1])
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
