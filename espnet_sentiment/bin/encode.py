"""Stage 3: what the frozen encoder says, clean and in K SpecAugment views."""

import argparse
import json
from pathlib import Path

from espnet_sentiment.cluster.config import add_cluster_argument, check_cluster
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import check_gpus, device_of, run, split_options
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.stamp import read_stamp
from espnet_sentiment.data.dump import features_dir
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.store_dtype import named_dtypes
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.kinds import input_kind
from espnet_sentiment.encoder.reference import describe_encoder
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    Experiment,
    add_experiment_arguments,
    experiments,
    view_dirs,
)
from espnet_sentiment.recipe.features import Features, find_features
from espnet_sentiment.recipe.sentiment_options import add_sentiment_args
from espnet_sentiment.recipe.stage import Stage

ALGORITHM = 2


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    parser.add_argument(
        "--encode_batch_size", type=int, default=4, help="utterances encoded together"
    )
    add_sentiment_args(parser)
    add_cluster_argument(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_cluster(args.cluster)
    if not args.cluster:  # its GPUs are elsewhere
        check_gpus(args.ngpu)
    config = load_encoder_config(args.encoder, args.encoder_model)
    kind = input_kind(config["encoder"])
    all_experiments = list(experiments(args))
    corpus = all_experiments[0].corpus
    with reading(args.data_dir, features_dir(args.dump, kind, corpus)):
        write_stores(all_experiments, config, args)


def write_stores(
    all_experiments: list[Experiment], config: dict, args: argparse.Namespace
) -> None:
    """Write the stores of all experiments, unless that is done."""
    data = read_data(args.data_dir)
    kind = input_kind(config["encoder"])
    features = find_features(args.dump, kind, data)
    wanted: dict[Path, dict] = {}
    for experiment in all_experiments:
        wanted.update(view_dirs(experiment))
    meta = {
        "encoder": describe_encoder(config),
        **named_dtypes(config),
        "input": features.inputs,
        "batch_size": args.encode_batch_size,
        "algorithm": ALGORITHM,
    }
    stage = Stage(
        "stage 3: encode",
        all_experiments[0].store
        / f"encode-{sha256_of(sorted(map(str, wanted)))[:8]}.json",
        {**meta, "views": {str(root): view for root, view in wanted.items()}},
        ALGORITHM,
    )
    if stage.is_done():
        return
    # Encoding is long: a mistake in a sentiment config has to show before it.
    extra = split_options("--sentiment_args", args.sentiment_args)
    from espnet_sentiment.train.train_fold import task_defaults

    for experiment in all_experiments:
        task_defaults(read_config(experiment.sentiment), experiment.sentiment, extra)
    with writing(all_experiments[0].store / CLEAN):
        if stage.is_done():
            return
        stage.start()
        drop_replaced(all_experiments[0], stage)
        counts = view_counts(all_experiments)
        _encode(stage, config, features, data, wanted, counts, meta, args)
        drop_outdated(all_experiments[0], stage)


def view_counts(all_experiments: list[Experiment]) -> dict[Path, int]:
    """Return the SpecAugment views of every sentiment config that has some."""
    counts = {e.sentiment: len(view_dirs(e)) - 1 for e in all_experiments}
    return {path: n for path, n in counts.items() if n}


def drop_replaced(experiment: Experiment, stage: Stage) -> None:
    """Remove the stamps of other runs whose stores are about to be replaced.

    All runs share the clean store, so that those that were made from something else
    are no longer complete.
    """
    views = {"views": stage.inputs["views"]}
    for path in experiment.encode_stamps:
        stamp = read_stamp(path)
        if stamp is None or {**stamp.inputs, **views} != stage.inputs:
            path.unlink()


def drop_outdated(experiment: Experiment, stage: Stage) -> None:
    """Remove the stamps of other runs that know a shared file as it was before.

    Who reads it would ask for stage 3 again and again: it is theirs that has to run.
    """
    written = read_stamp(stage.stamp)
    ours = {} if written is None else written.sums()
    for path in experiment.encode_stamps:
        other = read_stamp(path)
        theirs = {} if other is None else other.sums()
        if any(ours.get(name, known) != known for name, known in theirs.items()):
            path.unlink()


def _encode(
    stage: Stage,
    config: dict,
    features: Features,
    data: KaldiDir,
    views: dict[Path, dict],
    counts: dict[Path, int],
    meta: dict,
    args: argparse.Namespace,
) -> None:
    """Write the stores; the heavy imports wait until there is work to do."""
    from espnet_sentiment.encoder.encode import Source, encode
    from espnet_sentiment.encoder.store_size import Configs, Corpus, Stores, check_room

    source = Source(
        json.dumps(config), features.kind, features.dir, device_of(args.ngpu)
    )
    units = features.sizes(data)
    configs = Configs(Path(args.encoder), counts)

    def check(size, shards, metas) -> None:
        corpus = Corpus.of(units, size, next(iter(metas.values())), len(shards))
        check_room(stage.say, corpus, Stores.find(metas, shards), configs)

    stage.say("loading the encoder")
    files = encode(source, units, views, meta, check, stage.say, args.cluster)
    stage.finish(f"{len(views)} views of {len(units)} utterances", *files)


if __name__ == "__main__":
    run(main)
