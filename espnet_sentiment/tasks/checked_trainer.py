"""ESPnet's Trainer, whose checkpoints survive a kill, and which ends what diverges."""

import sys
from pathlib import Path
from typing import ClassVar

from espnet2.train.trainer import Trainer
from tqdm import tqdm

from espnet_sentiment.tasks.divergence import check_trained, check_validated
from espnet_sentiment.tasks.resume import is_first, keep_checkpoint


class CheckedTrainer(Trainer):
    """Ends a training whose losses or weights are not finite, before they are kept."""

    # What passes on the task's options, for messages.
    option: ClassVar[str]
    _rate = 0.0

    @classmethod
    def train_one_epoch(
        cls, *args, optimizers, reporter, options, distributed_option, **kwargs
    ) -> bool:
        """Train an epoch while the last checkpoint is safe.

        Raises:
            UserError: The training has diverged.
        """
        folder = Path(options.output_dir)
        keep_checkpoint(folder, distributed_option)
        unchanged = super().train_one_epoch(
            *args,
            optimizers=optimizers,
            reporter=reporter,
            options=options,
            distributed_option=distributed_option,
            **kwargs,
        )
        cls._rate = optimizers[0].defaults["lr"]
        skipped = check_trained(folder, reporter, cls._rate, cls.option)
        # With AMP a few are, until the loss is scaled as it should be.
        if skipped and not options.use_amp and is_first(distributed_option):
            cls.say(
                f"{folder}: epoch {reporter.get_epoch()}: {skipped} steps were "
                "skipped, since their gradients are not finite"
            )
        return unchanged

    @classmethod
    def validate_one_epoch(
        cls, model, iterator, reporter, options, distributed_option
    ) -> None:
        """Validate, and check losses and weights.

        Raises:
            UserError: The training has diverged.
        """
        super().validate_one_epoch(
            model, iterator, reporter, options, distributed_option
        )
        check_validated(
            Path(options.output_dir),
            reporter,
            model.state_dict(),
            cls._rate,
            cls.option,
        )

    @staticmethod
    def say(line: str) -> None:
        """Write a line to the terminal; stderr itself goes to the log."""
        tqdm.write(line, file=sys.__stderr__)
