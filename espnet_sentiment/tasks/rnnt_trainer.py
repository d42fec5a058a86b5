"""ESPnet's Trainer with a progress bar and checkpoints that survive a kill."""

import sys
from pathlib import Path

from espnet2.train.reporter import aggregate
from espnet2.train.trainer import Trainer
from tqdm import tqdm

from espnet_sentiment.tasks.resume import is_first, keep_checkpoint

# What an epoch's line says, where the model reports it.
SHOWN = ("loss", "loss_ctc", "cer_transducer", "wer_transducer")


def _is_terminal() -> bool:
    # A process without a console has no stderr.
    return sys.__stderr__ is not None and sys.__stderr__.isatty()


class RNNTTrainer(Trainer):
    """Shows a bar over the batches of an epoch, and a line at its end."""

    @classmethod
    def train_one_epoch(
        cls, *args, iterator, reporter, options, distributed_option, **kwargs
    ) -> bool:
        """Train an epoch while the last checkpoint is safe."""
        keep_checkpoint(Path(options.output_dir), distributed_option)
        epoch = f"epoch {reporter.get_epoch()}/{options.max_epoch}"
        # stderr itself goes to the log.
        bar = tqdm(
            iterator,
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
            reporter=reporter,
            options=options,
            distributed_option=distributed_option,
            **kwargs,
        )

    @classmethod
    def validate_one_epoch(cls, *args, reporter, distributed_option, **kwargs) -> None:
        """Validate, then say how the epoch went."""
        super().validate_one_epoch(
            *args, reporter=reporter, distributed_option=distributed_option, **kwargs
        )
        if is_first(distributed_option):
            said = [
                f"{key} {aggregate(reporter.stats[key]):.3f}"
                for key in SHOWN
                if key in reporter.stats
            ]
            line = f"epoch {reporter.get_epoch()}, validation: {', '.join(said)}"
            tqdm.write(line, file=sys.__stderr__)
