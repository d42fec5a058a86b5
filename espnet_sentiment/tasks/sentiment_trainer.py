"""ESPnet's Trainer, validated by WA and UA over the whole validation set."""

import argparse
from collections.abc import Callable

import torch
from espnet2.train.trainer import TrainerOptions

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.tasks.checked_trainer import CheckedTrainer

# What ESPnet's loop over epochs does not know, and the recipes' own does.
BUDGET = {
    "max_updates": "The most updates of weights; it ends a training within an epoch",
    "min_updates": "Updates that are made in any case, past max_epoch and patience",
    "patience_updates": "Updates without an improvement after which training ends; "
    "patience counts epochs",
}
OF_STAGE = (*BUDGET, "clean")


def recalls_to_accuracy(confusion: torch.Tensor):
    """Return WA and UA of a confusion matrix (truth, prediction).

    UA averages the recalls of the classes that occur, as scikit-learn's
    ``balanced_accuracy_score`` does.
    """
    confusion = confusion.double()
    per_class = confusion.sum(dim=1)
    recalls = (confusion.diagonal() / per_class)[per_class > 0]
    return confusion.trace() / confusion.sum(), recalls.mean()


class SentimentTrainer(CheckedTrainer):
    """Adds ``wa`` and ``ua`` to the validation statistics.

    UA is no mean over batches, so ESPnet's batch statistics cannot give it: the model
    sums up a confusion matrix instead.
    """

    option = "--sentiment_args"
    on_epoch: Callable[[], object] | None = None

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> TrainerOptions:
        """Return what ESPnet's loop reads of the options.

        Raises:
            UserError: One is for the recipes' loop alone.
        """
        given = [key for key in OF_STAGE if getattr(args, key, None) is not None]
        if given:
            raise UserError(
                f"{' and '.join(given)}: stage 4 of the recipes alone follows this. "
                "ESPnet's Trainer counts epochs, by max_epoch, patience and "
                "num_iters_per_epoch, and its SpecAugment is drawn anew at every "
                "batch: leave it out"
            )
        return super().build_options(args)

    @classmethod
    @torch.no_grad()
    def validate_one_epoch(
        cls, model, iterator, reporter, options, distributed_option
    ) -> None:
        """Validate, then register WA and UA of the epoch."""
        module = getattr(model, "module", model)
        module.pop_confusion()
        super().validate_one_epoch(
            model, iterator, reporter, options, distributed_option
        )
        confusion = module.pop_confusion()
        if distributed_option.distributed:
            torch.distributed.all_reduce(confusion)
        wa, ua = recalls_to_accuracy(confusion)
        reporter.register({"wa": wa, "ua": ua})
        reporter.next()
        if cls.on_epoch is not None:
            cls.on_epoch()
