"""The Trainer of RNN-Ts, with a progress bar."""

import sys
from typing import ClassVar

from espnet2.train.reporter import aggregate
from tqdm import tqdm

from espnet_sentiment.tasks.checked_trainer import CheckedTrainer
from espnet_sentiment.tasks.resume import is_first
from espnet_sentiment.tasks.shared_gradients import SharedGradients

# What an epoch's line says, where the model reports it.
SHOWN = ("loss", "loss_ctc", "cer_transducer", "wer_transducer")


def _is_terminal() -> bool:
    # A process without a console has no stderr.
    return sys.__stderr__ is not None and sys.__stderr__.isatty()


class RNNTTrainer(CheckedTrainer):
    """Shows a bar over the batches of an epoch, and a line at its end."""

    option = "--asr_args"
    # Of the processes of one machine, where there are several on its CPU.
    shared_gradients: ClassVar[SharedGradients | None] = None

    @classmethod
    def train_one_epoch(
        cls,
        *args,
        optimizers,
        reporter,
        options,
        distributed_option,
        **kwargs,
    ) -> bool:
        """Train an epoch under a bar."""
        if cls.shared_gradients is not None:
            cls.shared_gradients.join(kwargs["model"], distributed_option.dist_rank)
        epoch = f"epoch {reporter.get_epoch()}/{options.max_epoch}"
        # stderr itself goes to the log.
        bar = tqdm(
            kwargs.pop("iterator"),
            desc=epoch,
            unit="batch",
            leave=False,
            disable=not is_first(distributed_option),
            file=sys.__stderr__,
            mininterval=0.5 if _is_terminal() else 30,
        )
        return super().train_one_epoch(
            *args,
            iterator=bar,
            optimizers=optimizers,
            reporter=reporter,
            options=options,
            distributed_option=distributed_option,
            **kwargs,
        )

    @classmethod
    def validate_one_epoch(
        cls, model, iterator, reporter, options, distributed_option
    ) -> None:
        """Validate, then say how the epoch went."""
        super().validate_one_epoch(
            model, iterator, reporter, options, distributed_option
        )
        if is_first(distributed_option):
            said = [
                f"{key} {aggregate(reporter.stats[key]):.3f}"
                for key in SHOWN
                if key in reporter.stats
            ]
            cls.say(f"epoch {reporter.get_epoch()}, validation: {', '.join(said)}")
