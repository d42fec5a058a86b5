"""Stage 4: train the sentiment decoder, several folds at once."""

import argparse
import functools
import math
import os
import sys
from pathlib import Path
from typing import Any

from espnet_sentiment.cluster.config import add_cluster_argument, check_cluster
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.entry import check_gpus, run, split_options
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, sha256_of
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import Fold, everything, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.speed import read_copies
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.reference import describe_encoder
from espnet_sentiment.model.layout import FINAL, FINALS
from espnet_sentiment.recipe.by_size import (
    by_size,
    by_size_message,
    training_utterances,
)
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    Experiment,
    add_experiment_arguments,
    check_encoder,
    experiments,
    model_inputs,
    read_transcripts,
    store_inputs,
    trained,
    used_folders,
    view_dirs,
)
from espnet_sentiment.recipe.fold_inputs import training_inputs
from espnet_sentiment.recipe.init_param import init_inputs
from espnet_sentiment.recipe.sentiment_options import (
    add_sentiment_args,
    check_final,
    chooses_layer,
)
from espnet_sentiment.recipe.speakers import check_speakers, speaker_inputs
from espnet_sentiment.recipe.stage import DONE, Stage, say
from espnet_sentiment.recipe.still_learning import learning_message, still_learning
from espnet_sentiment.recipe.target import check_target, training_fold
from espnet_sentiment.recipe.tune_ranges import (
    Setting,
    add_tune_arguments,
    check_ensemble,
    setting_options,
    tuning_inputs,
)
from espnet_sentiment.recipe.tuning import (
    RECORD,
    drawn_by,
    record_of,
    record_stage,
    settings_of,
)
from espnet_sentiment.train.tracking import without_tracking

ALGORITHM = 2
FINAL_ALGORITHM = 2  # of how the final model is made and calibrated

Job = tuple[Experiment, Fold, Stage]


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    add_sentiment_args(parser)
    add_tune_arguments(parser)
    parser.add_argument(
        "--by_size",
        action="store_true",
        help="choose learning rate, dropout and budget by the number of training "
        "utterances, where neither the config nor --sentiment_args does",
    )
    parser.add_argument(
        "--final",
        choices=FINALS,
        default="none",
        help="once the folds are trained, also the model that pack and predict take: "
        "'all' trains one on all utterances, 'ensemble' averages the folds' posteriors "
        "(default: none)",
    )
    parser.add_argument(
        "--nj",
        type=int,
        default=os.cpu_count(),
        help="folds trained at once on the CPU, one core each (same numbers)",
    )
    add_cluster_argument(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_cluster(args.cluster)
    if not args.cluster:  # its GPUs are elsewhere
        check_gpus(args.ngpu)
    all_experiments = list(experiments(args))
    args.settings = settings_of(args, Path(args.exp))
    check_ensemble(args.tune_ranges, args.settings, args.final)
    with reading(args.data_dir, *used_folders(all_experiments)):
        train(all_experiments, args)


def train(all_experiments: list[Experiment], args: argparse.Namespace) -> None:
    """Train the folds of all experiments that are not trained."""
    data = read_data(args.data_dir)
    folds = read_folds(args.data_dir)
    asked = split_options("--sentiment_args", args.sentiment_args)
    extra = without_tracking(asked)
    encoder = load_encoder_config(args.encoder, args.encoder_model)
    todo: list[Job] = []
    finals: list[tuple[Experiment, dict[str, Any]]] = []
    copies = read_copies(data.path)  # tell nothing of how many there are
    n_utts = training_utterances(
        [utt for utt in fold.train if utt not in copies] for fold in folds
    )
    chosen: dict[Experiment, list[str]] = {}
    for experiment in all_experiments:
        check_final(experiment.sentiment, extra, args.final)
        model = model_inputs(experiment, encoder, data.classes)
        config = model["config"]
        chosen[experiment] = by_size(n_utts, config, extra) if args.by_size else []
        texts = read_transcripts(experiment, data.utts)
        inputs: dict[str, Any] = {
            **model,
            "sentiment_args": extra,
            "stores": store_inputs(experiment),
            **init_inputs(config, extra),
            **speaker_inputs(config, extra, data),
            **({"by_size": chosen[experiment]} if chosen[experiment] else {}),
            **tuning_inputs(args.settings),
        }
        finals.append((experiment, inputs))
        for fold in folds:
            stage = Stage(
                f"stage 4: {experiment.name} fold {fold.name}",
                experiment.fold_dir(fold.name) / DONE,
                {
                    **inputs,
                    **training_inputs(data, fold, texts, config),
                    **_layer_inputs(experiment, extra, data, fold),
                },
                ALGORITHM,
            )
            if not stage.is_done():
                todo.append((experiment, fold, stage))
    if todo:
        with writing(*(experiment.dir for experiment, _, _ in todo)):
            # Another run may have trained some of them while this one waited.
            todo = [item for item in todo if not item[2].is_done()]
            for path in dict.fromkeys(item[0].sentiment for item in todo):
                for line in check_target(path, data, folds):
                    say("stage 4", line)
            options = {e: [*chosen[e], *asked] for e, _, _ in todo}
            if args.by_size:
                for experiment in options:
                    message = by_size_message(n_utts, chosen[experiment])
                    say(f"stage 4: {experiment.name}", message)
            if args.settings:
                _tune(todo, folds, data, encoder, options, args)
            else:
                _train(todo, folds, data, encoder, options, args)
            _say_trained(todo, folds, options)
    if args.settings:
        for experiment in all_experiments:
            _record_tuning(experiment, folds, args)
    if args.final != "none":
        given = {
            e: [*chosen[e], *asked, *_best_on_average(e, args.settings)]
            for e in all_experiments
        }
        todo += _make_finals(finals, folds, data, encoder, given, args)
    if extra != asked and not todo:
        say("stage 4", "nothing was left to train, so that no curves are written")


def _tune(todo: list[Job], folds: list[Fold], data, encoder: dict, given, args) -> None:
    """Train every fold with every setting; each keeps what its validation chooses."""
    from espnet_sentiment.train.tuning import check_settings, tune

    criteria = {}
    for experiment, extra in given.items():
        options = check_settings(
            read_config(experiment.sentiment),
            experiment.sentiment,
            extra,
            args.settings,
            args.tune_ranges,
        )
        (criteria[experiment],) = options["best_model_criterion"]

    def train(jobs: list[Job], options: dict[Experiment, list[str]]) -> None:
        _train(jobs, folds, data, encoder, options, args)

    ranges = args.tune_ranges
    # On this machine, enough that no process waits for long where folds choose.
    n_trials = 4 * (1 if args.ngpu > 0 else args.nj)
    at_once = len(todo) if args.cluster else math.ceil(n_trials / len(args.settings))
    tune(todo, args.settings, ranges, criteria, given, train, ALGORITHM, at_once)


def _record_tuning(experiment: Experiment, folds: list[Fold], args) -> None:
    """Write down what was tried, where that is not done."""
    by = drawn_by(args)

    def stage() -> Stage:
        trainings = {fold.name: trained(experiment, fold.name) for fold in folds}
        return record_stage(experiment, trainings, args.settings, by)

    if stage().is_done():
        return
    from espnet_sentiment.train.tuning import keep_record

    with writing(experiment.dir):
        if not (found := stage()).is_done():
            names = [fold.name for fold in folds]
            keep_record(found, experiment, names, args.settings, by)


def _best_on_average(experiment: Experiment, settings: list[Setting]) -> list[str]:
    """Return the setting of a model of all utterances, as options of the task."""
    if not settings:
        return []
    record = read_json(experiment.dir / RECORD)
    return setting_options(settings[record["best_on_average"] - 1])


def _make_finals(finals, folds: list[Fold], data, encoder, given, args) -> list[Job]:
    """Make the models to deploy that are not made.

    Those of all utterances train for as long as the folds' curves say.

    Returns:
        What was trained.
    """
    if FINAL in {fold.name for fold in folds}:
        raise DataError(
            f"{data.path} has a fold {FINAL!r}, which is what the model to deploy is "
            f"called: rename the fold, or leave out --final {args.final}"
        )
    every = everything(FINAL, folds)
    todo: list[Job] = []
    for experiment, inputs in finals:
        texts = read_transcripts(experiment, data.utts)
        trainings = {fold.name: trained(experiment, fold.name) for fold in folds}
        stage = Stage(
            f"stage 4: {experiment.name} final",
            experiment.dir / FINAL / DONE,
            {
                **inputs,
                **training_inputs(data, every, texts, inputs["config"]),
                **_layer_inputs(experiment, given[experiment], data, every),
                "folds": {name: stamp.sums() for name, stamp in trainings.items()},
                "final": [args.final, FINAL_ALGORITHM],
            },
            ALGORITHM,
        )
        if not stage.is_done():
            todo.append((experiment, every, stage))
    if todo:
        with writing(*(experiment.dir for experiment, _, _ in todo)):
            todo = [item for item in todo if not item[2].is_done()]
            if args.final == "ensemble":
                for job in todo:
                    _join(job, folds, data)
                return []
            options = {e: given[e] for e, _, _ in todo}
            _train(todo, folds, data, encoder, options, args)
            for experiment in options:
                print(f"[stage 4] trained: {experiment.dir / FINAL}", file=sys.stderr)
    return todo


def _join(job: Job, folds: list[Fold], data: KaldiDir) -> None:
    """Make an ensemble of an experiment's folds."""
    from espnet_sentiment.inference.deploy import join_folds

    experiment, _, stage = job
    out = stage.stamp.parent
    stage.start(out)
    folders = {fold.name: experiment.fold_dir(fold.name) for fold in folds}
    outputs = join_folds(out, folders)
    outputs += _calibrate(experiment, out, folds, data)
    stage.finish(f"an ensemble of {counted(len(folds), 'fold')}", outputs)


def _calibrate(
    experiment: Experiment, out: Path, folds: list[Fold], data: KaldiDir
) -> list[Path]:
    """Calibrate a model to deploy by the folds' validation utterances."""
    from espnet_sentiment.inference.deploy import calibrate_by_folds

    return calibrate_by_folds(
        out,
        {fold.name: experiment.fold_dir(fold.name) for fold in folds},
        folds,
        FeatureStore(experiment.store / CLEAN),
        data.utt2label,
        read_transcripts(experiment, data.utts),
    )


def _is_final(stage: Stage) -> bool:
    """Tell a model of all utterances from a fold, which may have any name."""
    return stage.stamp.parent.name == FINAL


def histories_of(experiment: Experiment, folds: list[Fold]) -> dict[str, Any]:
    """Read the learning curves of all folds, by name."""
    return {
        fold.name: read_json(experiment.fold_dir(fold.name) / "history.json")
        for fold in folds
    }


def _curves_of(experiment: Experiment, folds: list[Fold]) -> list[dict[str, Any]]:
    """Read the folds' curves with the options that a model of all utterances takes."""
    if not (experiment.dir / RECORD).is_file():
        return [*histories_of(experiment, folds).values()]
    best = read_json(experiment.dir / RECORD)["best_on_average"] - 1
    records = (record_of(experiment.fold_dir(fold.name)) for fold in folds)
    return [record["histories"][best] for record in records]


def _layer_inputs(
    experiment: Experiment, extra: list[str], data: KaldiDir, fold: Fold
) -> dict[str, Any]:
    """Return what a fold's choice of a layer is made from, besides its training."""
    if not chooses_layer(experiment.sentiment, extra):
        return {}
    # It brings scikit-learn along.
    from espnet_sentiment.scoring.layer_probe import ALGORITHM as PROBE

    speakers = [data.utt2spk[utt] for utt in (*fold.train, *fold.valid)]
    return {"layer": {"probe": PROBE, "speakers": sha256_of(speakers)}}


def _train(
    todo: list[Job], all_folds: list[Fold], data, encoder: dict, given, args
) -> None:
    """Train what is left; ESPnet's slow imports are paid once, and only here."""
    from espnet_sentiment.scoring.pooled import pool
    from espnet_sentiment.train.final import (
        final_budget,
        final_options,
        keep_training_curves,
    )
    from espnet_sentiment.train.parallel_folds import run_jobs, run_jobs_on
    from espnet_sentiment.train.train_fold import (
        expected_epochs,
        task_defaults,
        train_fold,
    )

    described = describe_encoder(encoder)
    # Once, before workers are forked.
    for root in dict.fromkeys(r for e, _, _ in todo for r in view_dirs(e)):
        store = FeatureStore(root)
        check_encoder(store, described)
        store.check()
    # Kept for the folds, which choose their layers by it.
    for experiment in [
        e for e, extra in given.items() if chooses_layer(e.sentiment, extra)
    ]:
        from espnet_sentiment.scoring.layer_probe import PARTS, check_probe

        store = FeatureStore(experiment.store / CLEAN)
        check_probe(store, f"{experiment.sentiment}: layer: best")
        pool(store, functools.partial(print, file=sys.stderr))
        say(
            f"stage 4: {experiment.name}",
            f"chooses a layer of {store.n_layers} by {PARTS * store.n_layers} "
            "regressions a fold",
        )
    options = {
        experiment: task_defaults(
            read_config(experiment.sentiment), experiment.sentiment, extra
        )
        for experiment, extra in given.items()
    }
    for experiment, of_task in options.items():
        of_it = [fold for other, fold, _ in todo if other is experiment]
        check_speakers(of_task, experiment.sentiment, data, of_it)

    def options_of(experiment: Experiment, fold: Fold, stage: Stage) -> dict[str, Any]:
        of_task = options[experiment]
        if not _is_final(stage):
            return of_task
        sizes = [len(training_fold(one, of_task).train) for one in all_folds]
        n_utts = len(training_fold(fold, of_task).train)
        found = _curves_of(experiment, all_folds)
        budget = final_budget(found, sizes, n_utts, of_task)
        say(
            f"stage 4: {experiment.name} final",
            f"{n_utts} utterances, {counted(budget['max_epoch'], 'epoch')}: as long as "
            "the folds, in the median",
        )
        return final_options(of_task, budget)

    of_jobs = [options_of(*item) for item in todo]

    def job(item: Job, of_task: dict[str, Any]) -> None:
        experiment, fold, stage = item
        check_gpus(args.ngpu)
        out = stage.stamp.parent
        stage.start(out)
        outputs = train_fold(
            out=out,
            fold=training_fold(fold, of_task),
            data=data,
            store=FeatureStore(experiment.store / CLEAN),
            views=list(view_dirs(experiment)),
            encoder=encoder,
            options=of_task,
            seed=experiment.seed,
            ngpu=args.ngpu,
            transcripts=experiment.text,
        )
        if _is_final(stage):
            keep_training_curves(out / "history.json")
            outputs += _calibrate(experiment, out, all_folds, data)
        stage.finish(None, outputs)

    jobs = [functools.partial(job, *pair) for pair in zip(todo, of_jobs, strict=True)]
    if args.cluster:
        names = [f"{stage.name}, in {stage.stamp.parent}" for _, _, stage in todo]
        run_jobs_on(args.cluster, jobs, names)
    else:
        epochs = [
            expected_epochs(of_task, len(fold.train))
            for (_, fold, _), of_task in zip(todo, of_jobs, strict=True)
        ]
        run_jobs(jobs, epochs, 1 if args.ngpu > 0 else args.nj)


def _say_trained(todo: list[Job], all_folds: list[Fold], given) -> None:
    """Say what was trained, and where the folds would have learned more."""
    from espnet_sentiment.train.train_fold import task_defaults

    for experiment, extra in given.items():
        path = experiment.sentiment
        n_folds = counted(sum(other == experiment for other, _, _ in todo), "fold")
        print(f"[stage 4] {n_folds} trained in {experiment.dir}", file=sys.stderr)
        histories = histories_of(experiment, all_folds)
        # What is tuned has no part in how long was trained.
        options = task_defaults(read_config(path), path, extra)
        if found := still_learning(histories, options):
            say(f"stage 4: {experiment.name}", f"WARNING: {learning_message(found)}")


if __name__ == "__main__":
    run(main)
