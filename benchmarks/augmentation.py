"""How many SpecAugment views, and how often none: a table on validation speakers.

Rows: no SpecAugment; K stored views with the clean one, all equally likely; shares of
the clean one; and as many views as epochs, which is what SpecAugment drawn anew in each
epoch would give a frozen encoder. Views that lack are made first, by stage 3. Choose by
the validation speakers; WA and UA of the tested ones stand beside.

    cd egs/emodb && ./run.sh
    python ../../benchmarks/augmentation.py --data_dir data/emodb \\
        --encoder conf/encoder/whisper_base.yaml \\
        --sentiment conf/sentiment/rnn_attention.yaml \\
        --sentiment_args "--optim_conf lr=0.001 --decoder_conf dropout=0.3"
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml
from budget import load, trained

from espnet_sentiment.bin import encode
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run, split_options
from espnet_sentiment.data.feature_store import INDEX, FeatureStore
from espnet_sentiment.inference.decode_fold import decode_fold
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    add_experiment_arguments,
    experiments,
    view_dirs,
)
from espnet_sentiment.recipe.sentiment_options import add_sentiment_args
from espnet_sentiment.scoring.metrics import unweighted_accuracy, weighted_accuracy
from espnet_sentiment.scoring.predictions import read_predictions
from espnet_sentiment.scoring.tables import markdown

EQUAL = "equal"  # shares of all views, the clean one among them
NONE = {"specaug": None, "specaug_conf": {}}


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_experiment_arguments(parser)
    add_sentiment_args(parser)
    parser.add_argument("--folds", nargs="*", default=[], help="default: all")
    parser.add_argument(
        "--rows",
        nargs="+",
        default=["0:1", "1:equal", "2:equal", "4:0", "4:equal", "4:0.5", "30:0"],
        help="views:clean share; 0 views are no SpecAugment, 'equal' is a view's share",
    )
    return parser


def main(argv=None) -> None:
    """Print the table."""
    args = get_parser().parse_args(argv)
    torch.set_num_threads(1)
    rows = []
    for row in args.rows:
        views, clean = row.split(":")
        found = itertools.chain(*scores(args, int(views), clean))
        rows.append([views, clean, *(f"{100 * share:.1f}" for share in found)])
        print(rows[-1], file=sys.stderr, flush=True)
    heads = ["views", "clean share", "valid WA", "valid UA", "test WA", "test UA"]
    print(markdown(heads, rows))


def scores(args: argparse.Namespace, views: int, clean: str) -> Iterator[list[float]]:
    """Train all folds; return WA and UA of validation, then of tested utterances."""
    extra = split_options("--sentiment_args", args.sentiment_args)
    with tempfile.TemporaryDirectory(dir=args.exp) as folder:
        config = Path(folder) / "sentiment.yaml"
        own = {**read_config(args.sentiment[0]), "views": views}
        if not views:
            own = {k: v for k, v in own.items() if k != "views"} | NONE
        config.write_text(yaml.safe_dump(own))
        named = argparse.Namespace(**{**vars(args), "sentiment": [str(config)]})
        options = ["--data_dir", args.data_dir, "--encoder", args.encoder]
        options += ["--dump", args.dump, "--sentiment", str(config)]
        if args.encoder_model:
            options += ["--encoder_model", args.encoder_model]
        (experiment,) = experiments(named)
        if not all((root / INDEX).exists() for root in view_dirs(experiment)):
            encode.main(options)
        store = FeatureStore(experiment.store / CLEAN)
        share = [] if not views or clean == EQUAL else ["--clean", clean]
        data, folds = load(named)
        rows: dict[str, list[dict]] = {"valid": [], "test": []}
        for fold in folds:
            with trained(named, fold, [*extra, *share]) as out:
                for part, found in rows.items():
                    decode_fold(out, store, getattr(fold, part), data.utt2label, 32)
                    found += read_predictions(out / "decode" / "predictions.jsonl")
    for found in rows.values():
        pairs = [(row["label"], row["prediction"]) for row in found]
        truth, guess = map(list, zip(*pairs, strict=True))
        yield [weighted_accuracy(truth, guess), unweighted_accuracy(truth, guess)]


if __name__ == "__main__":
    run(main)
