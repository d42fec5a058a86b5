"""Curves of a fold in TensorBoard and Weights & Biases, by ESPnet's own options.

They are ``use_tensorboard``, ``use_wandb`` and ``wandb_*`` of ``AbsTask``, in
``--sentiment_args`` alone: they change no number, and so no stage is stale by them.
"""

import contextlib
import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.extras import check_extra

TENSORBOARD, WANDB = "use_tensorboard", "use_wandb"
OF_WANDB = ("wandb_project", "wandb_id", "wandb_entity", "wandb_name")
OPTIONS = (TENSORBOARD, WANDB, *OF_WANDB, "wandb_allow_val_change")
# Shorter ones could be of another option, or are of several, which argparse refuses.
SHORTEST = len("--wa")
WRITERS = tuple[Any, Any] | tuple[None, None]


def without_tracking(extra: Sequence[str]) -> list[str]:
    """Leave out of a command line what tells where curves are written.

    Args:
        extra: Options of the task; each of these has one value.
    """
    kept: list[str] = []
    inside = False
    for text in extra:
        if text.startswith("--"):
            name, equals, _ = text.partition("=")
            found = len(name) >= SHORTEST and any(
                f"--{option}".startswith(name) for option in OPTIONS
            )
            inside = found and not equals
            if not found:
                kept.append(text)
        elif not inside:
            kept.append(text)
        else:
            inside = False
    return kept


def check_tracking(options: Mapping[str, Any]) -> None:
    """Check that what is asked for can be written, before a training begins.

    Args:
        options: SentimentTask options, complete.

    Raises:
        UserError: TensorBoard or W&B is not installed, or nobody is logged in to W&B.
    """
    if options[TENSORBOARD]:
        check_extra("tensorboard", f"--{TENSORBOARD}")
    if options[WANDB]:
        check_extra("wandb", f"--{WANDB}")
        # ESPnet would say so in its log alone, and train without.
        if why := _no_login():
            raise UserError(
                f"--{WANDB}: Weights & Biases takes no curves ({why}): run 'wandb "
                "login', or set WANDB_MODE=offline and send them later by 'wandb sync'"
            )


@functools.cache
def _no_login() -> str:
    """Return why W&B takes nothing from this user; nothing if it does.

    It is asked in a process of its own: it starts threads, and folds are forked.
    """
    command = [sys.executable, "-P", "-c", "import wandb; wandb.login()"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
    if not done.returncode:
        return ""
    last = done.stderr.strip().splitlines()[-1:]
    return last[0].rpartition("Error: ")[2] if last else f"status {done.returncode}"


def of_fold(options: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Return a fold's own options of W&B: every fold is a run.

    Args:
        options: SentimentTask options, complete.
        out: Folder of the fold, in the experiment's.
    """
    if not options[WANDB]:
        return {}
    name = options["wandb_name"] or out.absolute().parent.name
    run = options["wandb_id"]
    return {
        "wandb_project": options["wandb_project"] or "ESPnet_SentimentTask",
        "wandb_name": f"{name}_{out.name}",
        "wandb_id": None if run is None else f"{run}_{out.name}",
    }


@contextlib.contextmanager
def summary_writers(folder: Path, use: bool, batches: int) -> Iterator[WRITERS]:
    """Open TensorBoard's logs of training and validation, where ESPnet has them.

    Args:
        folder: The fold's; they are ``tensorboard/train`` and ``tensorboard/valid``.
        use: Whether they are wanted; nothing is imported if not.
        batches: How many were trained on before: what was logged beyond, by a training
            that was killed, is dropped.
    """
    if not use:
        yield None, None
        return
    from torch.utils.tensorboard import SummaryWriter

    with contextlib.ExitStack() as stack:
        train, valid = (
            stack.enter_context(
                SummaryWriter(
                    str(folder / "tensorboard" / phase),
                    purge_step=batches + 1 if batches else None,
                )
            )
            for phase in ("train", "valid")
        )
        yield train, valid
