"""espnet-sentiment report: write report.html of an experiment again."""

import argparse
import contextlib
from pathlib import Path

from espnet_sentiment.cli.experiment_option import (
    EPILOG,
    add_experiment_arguments,
    open_experiment,
)
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.report.options import add_report_arguments, check_report_arguments

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "write report.html of a decoded experiment again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_experiment_arguments(parser)
    add_report_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report; return the exit status.

    Raises:
        DataError: Something that the report is made of is missing.
    """
    check_report_arguments(args)
    from espnet_sentiment.bin import report
    from espnet_sentiment.core.lock import reading, writing

    with contextlib.ExitStack() as stack:
        experiment, data = stack.enter_context(open_experiment(args))
        stack.enter_context(reading(data.path))
        stack.enter_context(writing(experiment.dir))
        # As stage 6 does, which then finds it up to date.
        paths = report.report(experiment, data, args)
    for path in paths:
        print(one_line(Path(args.experiment) / path.name))
    return 0
