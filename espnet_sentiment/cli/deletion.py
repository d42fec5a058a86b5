"""espnet-sentiment deletion: does a prediction rest where attention falls?"""

import argparse

from espnet_sentiment.cli.experiment_option import (
    EPILOG,
    add_measuring_arguments,
    measure_named,
)
from espnet_sentiment.core.entry import check_gpus
from espnet_sentiment.report.options import (
    add_deletion_arguments,
    check_deletion_arguments,
)

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "silence frames with high attention, and others, and compare the effects"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_measuring_arguments(parser)
    add_deletion_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, unless that is done, and print a table; return the exit status.

    Raises:
        DataError: An option is wrong, the model has no attention or reads transcripts,
            or a file is missing.
        UserError: There is no such GPU.
    """
    check_deletion_arguments(args)
    check_gpus(args.ngpu)
    from espnet_sentiment.bin.deletion import measure_experiment

    measure_named(args, measure_experiment)
    return 0
