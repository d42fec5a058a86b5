"""Stage 5: decode every fold's test utterances: posteriors and attention."""

import argparse

from tqdm import tqdm

from espnet_sentiment.cluster.client import run_on
from espnet_sentiment.cluster.config import add_cluster_argument, check_cluster
from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import Fold, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    Experiment,
    add_experiment_arguments,
    experiments,
    model_inputs,
    open_store,
    read_transcripts,
    store_inputs,
    trained,
    used_folders,
)
from espnet_sentiment.recipe.fold_inputs import decoding_inputs, training_inputs
from espnet_sentiment.recipe.speakers import expected_speakers
from espnet_sentiment.recipe.stage import DONE, Stage

ALGORITHM = 2


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    parser.add_argument(
        "--decode_batch_size",
        type=int,
        default=64,
        help="utterances decoded together, at most",
    )
    add_cluster_argument(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    parser = get_parser()
    args = parser.parse_args(argv)
    if args.decode_batch_size < 1:
        parser.error("--decode_batch_size must be 1 or more")
    check_cluster(args.cluster)
    if not args.cluster:  # its GPUs are elsewhere
        check_gpus(args.ngpu)
    all_experiments = list(experiments(args))
    with reading(args.data_dir, *used_folders(all_experiments)):
        decode_all(all_experiments, args)


def decode_all(all_experiments: list[Experiment], args: argparse.Namespace) -> None:
    """Decode the folds of all experiments that are not decoded."""
    data = read_data(args.data_dir)
    folds = read_folds(args.data_dir)
    encoder = load_encoder_config(args.encoder, args.encoder_model)
    todo = []
    for experiment in all_experiments:
        store = open_store(experiment, experiment.store / CLEAN)
        texts = read_transcripts(experiment, data.utts)
        model = {
            **model_inputs(experiment, encoder, data.classes),
            "stores": store_inputs(experiment),
        }
        for fold in folds:
            folder = experiment.fold_dir(fold.name)
            training = trained(experiment, fold.name)
            training.expect(
                {
                    **model,
                    **training_inputs(data, fold, texts, model["config"]),
                    **expected_speakers(training, data),
                }
            )
            inputs = {
                "training": training.sums(),
                "store": store.meta,
                **decoding_inputs(data, fold, texts),
                "batch_size": args.decode_batch_size,
            }
            needed = texts and {utt: texts[utt] for utt in fold.test}
            stage = Stage(
                f"stage 5: {experiment.name} fold {fold.name}",
                folder / "decode" / DONE,
                inputs,
                ALGORITHM,
            )
            if not stage.is_done():
                todo.append((experiment, fold, stage, needed))
    if todo:
        with writing(*(experiment.dir for experiment, *_ in todo)):
            # Another run may have decoded some of them while this one waited.
            todo = [item for item in todo if not item[2].is_done()]
            _decode_all(todo, data, args)


def _decode_all(todo, data: KaldiDir, args) -> None:
    def decode(experiment: Experiment, fold: Fold, stage: Stage, texts) -> int:
        # Heavy imports wait until there is work to do.
        from espnet_sentiment.inference.decode_fold import decode_fold

        check_gpus(args.ngpu)
        stage.start(stage.stamp.parent)
        outputs = decode_fold(
            folder=experiment.fold_dir(fold.name),
            store=FeatureStore(experiment.store / CLEAN),
            utts=fold.test,
            utt2label=data.utt2label,
            batch_size=args.decode_batch_size,
            device=device_of(args.ngpu),
            texts=texts,
        )
        stage.finish(None, outputs)
        return len(fold.test)

    named = ((item[2].name, item) for item in todo)
    total = sum(len(fold.test) for _, fold, _, _ in todo)
    with tqdm(total=total, desc="decode", unit="utt") as bar:
        for decoded in run_on(args.cluster, decode, named):
            bar.update(decoded)


if __name__ == "__main__":
    run(main)
