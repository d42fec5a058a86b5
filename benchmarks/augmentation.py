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

Rows are trained by stage 4 into exp/augmentation; the same command goes on where it was
stopped.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from espnet_sentiment.bin import encode, sentiment_train
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import write_text
from espnet_sentiment.core.lock import reading
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.inference.decode_fold import decode_fold
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    Experiment,
    experiments,
    used_folders,
)
from espnet_sentiment.scoring.metrics import unweighted_accuracy, weighted_accuracy
from espnet_sentiment.scoring.predictions import read_predictions
from espnet_sentiment.scoring.tables import markdown

EQUAL = "equal"  # shares of all views, the clean one among them
SPECAUG = ("specaug", "specaug_conf")
OWN = (*SPECAUG, "views", "clean")  # what a row says


def get_parser() -> argparse.ArgumentParser:
    """Build the parser, which has the options of stage 4."""
    parser = sentiment_train.get_parser()
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(exp="exp/augmentation")
    parser.add_argument(
        "--rows",
        nargs="+",
        default=["0:1", "1:equal", "2:equal", "4:0", "4:equal", "4:0.5", "30:0"],
        help="views:clean share; 0 views are no SpecAugment, 'equal' is a view's share",
    )
    return parser


def main(argv=None) -> None:
    """Print the table."""
    parser = get_parser()
    args = parser.parse_args(argv)
    if args.tune:
        parser.error("rows differ in their views alone: leave out --tune")
    args.settings = []
    base = args.sentiment[0]
    configs = [write_config(base, Path(args.exp, "conf"), row) for row in args.rows]
    args.sentiment = list(map(str, configs))
    trained = list(experiments(args))
    encode_views(args)
    with reading(args.data_dir, *used_folders(trained)):
        sentiment_train.train(trained, args)
    rows = []
    for row, experiment in zip(args.rows, trained, strict=True):
        found = [f"{100 * share:.1f}" for share in scores(experiment)]
        rows.append([*row.split(":"), *found])
        print(*rows[-1], file=sys.stderr, flush=True)
    heads = ["views", "clean share", "valid WA", "valid UA", "test WA", "test UA"]
    print(markdown(heads, rows))


def write_config(base: str, folder: Path, row: str) -> Path:
    """Write the sentiment config of a row; return its file."""
    views, clean = row.split(":")
    given = read_config(base)
    config = {k: v for k, v in given.items() if k not in OWN}
    if int(views):
        config |= {k: v for k, v in given.items() if k in SPECAUG}
        config["views"] = int(views)
        if clean != EQUAL:
            config["clean"] = float(clean)
    path = folder / f"{Path(base).stem}_{views}_{clean}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, yaml.safe_dump(config))
    return path


def encode_views(args: argparse.Namespace) -> None:
    """Make the views that lack, by stage 3."""
    options = ["--data_dir", args.data_dir, "--encoder", args.encoder]
    options += ["--dump", args.dump, "--sentiment", *args.sentiment]
    if args.encoder_model:
        options += ["--encoder_model", args.encoder_model]
    encode.main(options)


def scores(experiment: Experiment) -> Iterator[float]:
    """Give WA and UA of all validation utterances, then of all tested ones."""
    data, store = read_data(experiment.data_dir), FeatureStore(experiment.store / CLEAN)
    folds = read_folds(experiment.data_dir)
    for part in ("valid", "test"):
        rows = []
        for fold in folds:
            folder = experiment.fold_dir(fold.name)
            decode_fold(folder, store, getattr(fold, part), data.utt2label, 32)
            rows += read_predictions(folder / "decode" / "predictions.jsonl")
        truth = [row["label"] for row in rows]
        guess = [row["prediction"] for row in rows]
        yield weighted_accuracy(truth, guess)
        yield unweighted_accuracy(truth, guess)


if __name__ == "__main__":
    run(main)
