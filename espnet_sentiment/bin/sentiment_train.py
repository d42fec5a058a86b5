"""Stage 4: train the sentiment decoder, several folds at once."""

import argparse
import functools
import os
import sys

from espnet_sentiment.cluster.config import add_cluster_argument, check_cluster
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import check_gpus, run, split_options
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import Fold, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir, read_kaldi_dir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.model.layout import CHECKPOINT
from espnet_sentiment.recipe.experiment import (
    Experiment,
    add_experiment_arguments,
    experiments,
    read_transcripts,
    view_dirs,
)
from espnet_sentiment.recipe.stage import DONE, Stage


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    parser.add_argument(
        "--sentiment_args",
        default="",
        help="options of SentimentTask that override the config, "
        'for example "--max_epoch 20 --optim_conf lr=0.001"',
    )
    parser.add_argument(
        "--nj",
        type=int,
        default=os.cpu_count(),
        help="folds trained at once on the CPU, one core each (same numbers)",
    )
    add_cluster_argument(parser)
    return parser


def fold_labels(data: KaldiDir, fold: Fold) -> list[str]:
    """Return ``utterance label`` of what a fold trains and validates on.

    Raises:
        DataError: An utterance has no label.
    """
    for utt in fold.train + fold.valid:
        if utt not in data.utt2label:
            raise DataError(
                f"utterance {utt} of fold {fold.name} has no label in "
                f"{data.path / 'utt2label'}: add it, or rerun stage 0"
            )
    return [f"{utt} {data.utt2label[utt]}" for utt in fold.train + fold.valid]


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_cluster(args.cluster)
    check_gpus(0 if args.cluster else args.ngpu)  # a cluster's are elsewhere
    data = read_kaldi_dir(args.data_dir)
    folds = read_folds(args.data_dir)
    extra = split_options("--sentiment_args", args.sentiment_args)
    todo: list[tuple[Experiment, Fold, Stage]] = []
    all_experiments = list(experiments(args))
    for experiment in all_experiments:
        config = read_config(experiment.sentiment)
        stores = [FeatureStore(root).meta for root in view_dirs(experiment)]
        inputs = {
            "config": config,
            "sentiment_args": extra,
            "stores": stores,
            "seed": experiment.seed,
        }
        if experiment.text is not None:
            inputs["text"] = sha256_of(read_transcripts(experiment, data.utts))
        for fold in folds:
            labels = sha256_of(fold_labels(data, fold))
            stage = Stage(
                f"stage 4: {experiment.name} fold {fold.name}",
                experiment.fold_dir(fold.name) / DONE,
                {**inputs, "labels": labels},
            )
            if not stage.is_done():
                todo.append((experiment, fold, stage))
    if todo:
        encoder = load_encoder_config(args.encoder, args.encoder_model)
        _train(todo, data, encoder, extra, args)


def _train(todo, data, encoder: dict, extra: list[str], args) -> None:
    """Train what is left; ESPnet's slow imports are paid once, and only here."""
    from espnet_sentiment.train.parallel_folds import run_jobs, run_jobs_on
    from espnet_sentiment.train.train_fold import task_defaults, train_fold

    options = {
        experiment: task_defaults(
            read_config(experiment.sentiment), experiment.sentiment, extra
        )
        for experiment, _, _ in todo
    }

    def job(experiment: Experiment, fold: Fold, stage: Stage) -> None:
        check_gpus(args.ngpu)
        out = stage.stamp.parent
        stage.start(out)
        train_fold(
            out=out,
            fold=fold,
            data=data,
            store=FeatureStore(experiment.store / "clean"),
            views=list(view_dirs(experiment)),
            encoder=encoder,
            options=options[experiment],
            seed=experiment.seed,
            ngpu=args.ngpu,
            transcripts=experiment.text,
        )
        stage.finish(None, [out / CHECKPOINT, out / "history.json"])

    jobs = [functools.partial(job, *item) for item in todo]
    if args.cluster:
        names = [f"{stage.name}, in {stage.stamp.parent}" for _, _, stage in todo]
        run_jobs_on(args.cluster, jobs, names)
    else:
        epochs = [options[experiment]["max_epoch"] for experiment, _, _ in todo]
        run_jobs(jobs, epochs, 1 if args.ngpu > 0 else args.nj)
    for experiment in options:
        folds = sum(item[0] == experiment for item in todo)
        print(f"[stage 4] {folds} folds trained in {experiment.dir}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
