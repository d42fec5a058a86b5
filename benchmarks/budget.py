"""Learning rate, dropout and updates of small corpora, on validation speakers.

For the rule of ``espnet_sentiment/recipe/by_size.py``: trains a recipe's folds on some
of their training utterances. No tested speaker is looked at.

    cd egs/emodb && ./run.sh
    python ../../benchmarks/budget.py --data_dir data/emodb \\
        --encoder conf/encoder/whisper_base.yaml \\
        --sentiment conf/sentiment/rnn_attention.yaml --folds 2 5 8 --sizes 60 0
"""

import argparse
import contextlib
import dataclasses
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import read_json
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import Fold, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    add_experiment_arguments,
    experiments,
    view_dirs,
)
from espnet_sentiment.scoring.tables import markdown
from espnet_sentiment.train.train_fold import task_defaults, train_fold

POINTS = (1 / 3, 2 / 3, 1.0)  # of the updates, where the curves are read


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_experiment_arguments(parser)
    parser.add_argument("--folds", nargs="*", default=[], help="default: all")
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=[0],
        help="training utterances, drawn from each fold's; 0 is all of them",
    )
    parser.add_argument("--updates", type=int, default=540, help="default 540")
    parser.add_argument(
        "--settings",
        nargs="+",
        default=["0.0001:0", "0.001:0.3", "0.001:0", "0.003:0.3", "0.0003:0.3"],
        help="learning rate:dropout, or learning rate:dropout:weight decay",
    )
    return parser


def main(argv=None) -> None:
    """Print a row of the table for every size and setting."""
    args = get_parser().parse_args(argv)
    torch.set_num_threads(1)
    found = defaultdict(list)
    for setting in args.settings:
        for size in args.sizes:
            for curve in curves(args, setting, size):
                found[size, setting].append(curve)
                print(json.dumps([size, setting, curve]), file=sys.stderr, flush=True)
    rows = [
        [
            size or "all",
            *setting_of(setting),
            *map(format_points, zip(*runs, strict=True)),
        ]
        for (size, setting), runs in sorted(found.items())
    ]
    heads = [f"{round(args.updates * p)} updates: UA, loss" for p in POINTS]
    print(markdown(["utterances", "lr", "dropout", "weight decay", *heads], rows))


def setting_of(text: str) -> list[str]:
    """Return learning rate, dropout and weight decay, which is 0 where none is said."""
    return (text.split(":") + ["0"])[:3]


def format_points(points) -> str:
    """Return the folds' mean of validation UA (%) and loss."""
    ua, loss = np.mean(points, axis=0)
    return f"{100 * ua:.1f}, {loss:.2f}"


def curves(args: argparse.Namespace, setting: str, size: int):
    """Train folds; give validation UA and loss, a quarter's mean, at POINTS."""
    rate, dropout, decay = setting_of(setting)
    for fold in load(args)[1]:
        fold = smaller(fold, size)
        epochs = -(-args.updates // -(-len(fold.train) // 32))
        extra = ["--optim_conf", f"lr={rate}", "--optim_conf", f"weight_decay={decay}"]
        extra += ["--decoder_conf", f"dropout={dropout}"]
        with trained(args, fold, [*extra, "--max_epoch", str(epochs)]) as folder:
            history = read_json(folder / "history.json")
        ends = [round(p * epochs) for p in POINTS]
        yield [
            [
                float(np.mean(history[key][3 * end // 4 : end]))
                for key in ("valid_ua", "valid_loss")
            ]
            for end in ends
        ]


def load(args: argparse.Namespace) -> tuple[KaldiDir, list[Fold]]:
    """Return the set and those of its folds that are asked for."""
    folds = read_folds(args.data_dir)
    chosen = [fold for fold in folds if not args.folds or fold.name in args.folds]
    return read_data(args.data_dir), chosen


@contextlib.contextmanager
def trained(
    args: argparse.Namespace, fold: Fold, extra: Sequence[str]
) -> Iterator[Path]:
    """Train a fold into a folder that is there as long as it is looked at."""
    (experiment,) = experiments(args)
    path = experiment.sentiment
    with tempfile.TemporaryDirectory(dir=args.exp) as folder:
        train_fold(
            Path(folder),
            fold,
            read_data(args.data_dir),
            FeatureStore(experiment.store / CLEAN),
            list(view_dirs(experiment)),
            load_encoder_config(args.encoder, args.encoder_model),
            task_defaults(read_config(path), path, extra),
            experiment.seed,
        )
        yield Path(folder)


def smaller(fold: Fold, size: int) -> Fold:
    """Keep some of a fold's training utterances, drawn by the fold's name."""
    if not size:
        return fold
    rng = np.random.default_rng(list(fold.name.encode()))
    kept = sorted(rng.permutation(len(fold.train))[:size])
    return dataclasses.replace(fold, train=[fold.train[i] for i in kept])


if __name__ == "__main__":
    run(main)
