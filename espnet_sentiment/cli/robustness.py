"""espnet-sentiment robustness: how much do degraded recordings cost?"""

import argparse

from espnet_sentiment.cli.experiment_option import (
    EPILOG,
    add_measuring_arguments,
    measure_named,
)
from espnet_sentiment.core.entry import check_gpus
from espnet_sentiment.report.options import (
    add_robustness_arguments,
    check_robustness_arguments,
)

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "score an experiment on degraded recordings: noise, telephone, codecs, rooms"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_measuring_arguments(parser)
    add_robustness_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, unless that is done, and print a table; return the exit status.

    Raises:
        DataError: The model reads transcripts, or a file is missing.
        UserError: There is no such GPU.
    """
    check_robustness_arguments(args)
    check_gpus(args.ngpu)
    from espnet_sentiment.bin.robustness import measure_experiment

    measure_named(args, measure_experiment)
    return 0
