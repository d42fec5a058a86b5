"""A training that has diverged is an error, not a result.

ESPnet's Trainer skips steps whose gradients are not finite, averages statistics over
those that are, and keeps the weights whatever they are.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from espnet2.train.reporter import SubReporter

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.layers.finite import find_nonfinite
from espnet_sentiment.tasks.resume import load_state

USUAL_RATE = 1e-3  # of Adam; what is to be lowered may be far above


class Diverged(UserError):
    """A training that has diverged."""


def check_trained(folder: Path, reporter: SubReporter, rate: float, option: str) -> int:
    """Check an epoch's losses and steps; to be called when it is trained.

    Single steps may be skipped: where the weights have gone wrong, all later ones are,
    and the validation of the same epoch fails.

    Args:
        folder: Where is trained.
        reporter: What the epoch reported.
        rate: The learning rate that was asked for.
        option: What passes on the task's options.

    Returns:
        How many steps were skipped.

    Raises:
        UserError: No loss is finite, or no step changed the weights.
    """
    losses, steps = _finite(reporter, "loss"), _finite(reporter, "optim0_lr0")
    if reporter.count and not any(losses):
        raise _diverged(folder, reporter, "no training loss is finite", rate, option)
    if not any(steps):
        raise UserError(
            f"{folder}: epoch {reporter.get_epoch()} has {reporter.count} batches, too "
            "few for a step: lower accum_grad or the batch size, or leave out "
            "drop_last_iter"
        )
    taken = sum(_finite(reporter, "grad_norm"))
    if not taken:
        what = "no step was taken, since no gradient is finite"
        raise _diverged(folder, reporter, what, rate, option)
    return sum(steps) - taken


def check_validated(
    folder: Path,
    reporter: SubReporter,
    state: Mapping[str, torch.Tensor],
    rate: float,
    option: str,
) -> None:
    """Check an epoch's losses and weights; to be called when it is validated.

    Args:
        folder: Where is trained.
        reporter: What the validation reported.
        state: The weights.
        rate: The learning rate that was asked for.
        option: What passes on the task's options.

    Raises:
        UserError: One is not finite.
    """
    name = find_nonfinite(state.items())
    if name is not None:
        what = f"the weights are not finite ({name})"
        raise _diverged(folder, reporter, what, rate, option)
    if not all(_finite(reporter, "loss")):
        what = "the validation loss is not finite"
        raise _diverged(folder, reporter, what, rate, option)


def check_kept(path: Path, state: Mapping[str, torch.Tensor], option: str) -> None:
    """Check the weights that a training keeps.

    Raises:
        UserError: One is not finite.
    """
    name = find_nonfinite(state.items())
    if name is not None:
        raise Diverged(
            f"{path}: the weights that were to be kept are not finite ({name}): try "
            f'a lower learning rate: {option} "--optim_conf lr=..."'
        )


def check_initial(path: Path) -> None:
    """Check the weights that a training begins with.

    Raises:
        UserError: One is not finite.
    """
    name = find_nonfinite(load_state(path).items())
    if name is not None:
        raise UserError(
            f"{path} holds weights that are not finite ({name}): begin with another "
            "model, or train it again with a lower learning rate"
        )


def _finite(reporter: SubReporter, key: str) -> Sequence[bool]:
    """Tell for every step whether it reported a finite value."""
    return [math.isfinite(step.value) for step in reporter.stats.get(key, ())]


def _diverged(
    folder: Path, reporter: SubReporter, what: str, rate: float, option: str
) -> Diverged:
    lower = min(rate / 10, USUAL_RATE)
    return Diverged(
        f"{folder}: epoch {reporter.get_epoch()}: {what}: the training has diverged: "
        f'try a lower learning rate than {rate:g}: {option} "--optim_conf lr={lower:g}"'
        "; where that is not enough, a lower one still, a smaller --grad_clip, or a "
        "warm-up (--scheduler warmuplr --scheduler_conf warmup_steps=1000)"
    )
