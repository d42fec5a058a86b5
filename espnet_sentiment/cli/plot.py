"""espnet-sentiment plot: utterances as heat maps of their words, in one figure."""

import argparse
from pathlib import Path

from espnet_sentiment.cli.experiment_option import (
    EPILOG,
    add_experiment_arguments,
    open_experiment,
)
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.report.options import add_plot_arguments

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "draw utterances as heat maps of words (the paper's Figure 2)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_experiment_arguments(parser)
    add_plot_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the figure, and print its path; return the exit status.

    Raises:
        DataError: An utterance, its attention or its words' times are not there.
    """
    from espnet_sentiment.bin.plot_attention import draw

    named = args.out
    args.out = None if named is None else named.absolute()
    with open_experiment(args) as (experiment, data):
        path = draw(experiment, data, args)
    print(one_line(named or Path(args.experiment) / path.name))
    return 0
