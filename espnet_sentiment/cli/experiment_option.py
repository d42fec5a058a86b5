"""Naming a scored experiment of a recipe on the command line, and measuring it."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.cli.model_option import keep_place
from espnet_sentiment.core.entry import add_gpu_argument

if TYPE_CHECKING:
    from espnet_sentiment.data.kaldi_dir import KaldiDir
    from espnet_sentiment.recipe.experiment import Experiment
    from espnet_sentiment.report.measuring import Measure

EPILOG = """\
EXPERIMENT is a folder exp/<set>_<name> of a recipe, scored by its stage 6. The folder
above exp/ is the recipe, whose data/<set> and dump/ are read; where they are elsewhere,
name them.
"""


def add_experiment_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the experiment, and the options that say where its data are."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="exp/<set>_<name>")
    parser.add_argument(
        "--data_dir", help="Kaldi data directory (default: the recipe's data/<set>)"
    )
    parser.add_argument("--dump", help="features (default: the recipe's dump)")


@contextlib.contextmanager
def open_experiment(
    args: argparse.Namespace,
) -> Iterator[tuple["Experiment", "KaldiDir"]]:
    """Give the experiment and its data directory, from within its recipe.

    The recipe is the current folder until the end, because its tables may name
    recordings from there: make other paths absolute first.

    Args:
        args: The options of ``add_experiment_arguments``.

    Raises:
        DataError: It is no scored experiment, or its data directory is not there.
    """
    from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
    from espnet_sentiment.recipe.experiment import Experiment

    experiment = Experiment.from_folder(args.experiment, args.data_dir, args.dump)
    with contextlib.chdir(Path(args.experiment).absolute().parent.parent):
        yield experiment, read_kaldi_dir(experiment.data_dir)


def add_measuring_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the experiment, and what it takes to encode its recordings anew."""
    add_experiment_arguments(parser)
    parser.add_argument("--encoder_model", help="the encoder, where it has moved")
    add_gpu_argument(parser)


def measure_named(args: argparse.Namespace, measure: "Measure") -> None:
    """Measure an experiment, see :mod:`espnet_sentiment.report.measuring`.

    Args:
        args: The options of ``add_measuring_arguments``.
        measure: Measures it.

    Raises:
        DataError: See ``open_experiment``.
    """
    model = keep_place(args.encoder_model)
    with open_experiment(args) as (experiment, data):
        encoder = dict(experiment.encoder_config or {})
        if model is not None:
            encoder["encoder_conf"] = {**encoder["encoder_conf"], "model": model}
        measure(experiment, data, encoder, args)
