"""espnet-sentiment deletion: does a prediction rest where attention falls?"""

import argparse

from espnet_sentiment.cli.experiment_option import (
    EPILOG,
    add_experiment_arguments,
    open_experiment,
)
from espnet_sentiment.cli.model_option import keep_place
from espnet_sentiment.core.entry import add_gpu_argument, check_gpus
from espnet_sentiment.report.options import (
    add_deletion_arguments,
    check_deletion_arguments,
)

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "silence frames with high attention, and others, and compare the effects"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_experiment_arguments(parser)
    parser.add_argument("--encoder_model", help="the encoder, where it has moved")
    add_deletion_arguments(parser)
    add_gpu_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, unless that is done, and print a table; return the exit status.

    Raises:
        DataError: An option is wrong, the model has no attention, or a file is missing.
        UserError: There is no such GPU.
    """
    check_deletion_arguments(args)
    check_gpus(args.ngpu)
    from espnet_sentiment.bin.deletion import measure_experiment

    model = keep_place(args.encoder_model)
    with open_experiment(args) as (experiment, data):
        encoder = dict(experiment.encoder_config or {})
        if model is not None:
            encoder["encoder_conf"] = {**encoder["encoder_conf"], "model": model}
        measure_experiment(experiment, data, encoder, args)
    return 0
