"""What a fold keeps of the trainings among which it chooses.

Each is a training of stage 4 in a folder of its own, ``tune/setting<n>/fold<k>``. The
chosen one is copied to ``fold<k>``, where the later stages look, and nowhere else.
"""

import dataclasses
import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.files import PathLike, atomic_path, read_json, write_json
from espnet_sentiment.core.stamp import (
    DONE,
    need_stamp,
    read_stamp,
    write_stamp,
)
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.model.layout import CHECKPOINT, CONFIG
from espnet_sentiment.recipe.experiment import Experiment
from espnet_sentiment.recipe.stage import Stage, say
from espnet_sentiment.recipe.tune_ranges import (
    Setting,
    setting_options,
    setting_text,
)
from espnet_sentiment.recipe.tuning import (
    KEYS,
    RECORD,
    choose,
    record_of,
    summary,
    worth_of,
)
from espnet_sentiment.tasks.divergence import Diverged
from espnet_sentiment.train.train_fold import task_defaults

HISTORY = "history.json"
LOG = "train.log"
Job = tuple[Experiment, Fold, Stage]
KEPT = (CONFIG, HISTORY)
LOGS = (LOG, "tensorboard", "wandb")


def trial_of(experiment: Experiment, number: int) -> Experiment:
    """Return an experiment as it is tried with a setting, by number from 1."""
    folder = experiment.dir / "tune" / f"setting{number}"
    return dataclasses.replace(experiment, folder=folder)


def tune(
    todo: Sequence[Job],
    settings: Sequence[Setting],
    ranges: PathLike,
    criteria: Mapping[Experiment, Sequence[str]],
    given: Mapping[Experiment, Sequence[str]],
    train: Callable[[list[Job], dict[Experiment, list[str]]], None],
    algorithm: int,
    at_once: int,
) -> None:
    """Train folds with every setting, and keep what each chooses by its validation.

    A killed run goes on where it was. What a fold has tried is thinned once it has
    chosen: of all folds and settings, checkpoints would fill a disk.

    Args:
        todo: Folds of experiments, with the stages that keep what is chosen.
        settings: What is tried.
        ranges: The file that they were drawn from, for messages.
        criteria: By which epochs, and settings, are selected; by experiment.
        given: Options of the task by experiment.
        train: Trains folds as experiments of their own, with options by experiment.
        algorithm: Of a fold's training.
        at_once: How many folds are trained together, before they choose.

    Raises:
        UserError: A training has diverged, or what it takes is not there.
    """
    options: dict[Experiment, list[str]] = {}
    tried: list[list[Job]] = []
    for experiment, fold, stage in todo:
        jobs = []
        for number, setting in enumerate(settings, 1):
            trial = trial_of(experiment, number)
            options[trial] = [*given[experiment], *setting_options(setting)]
            inputs = {k: v for k, v in stage.inputs.items() if k != "tuning"}
            of_trial = Stage(
                f"{stage.name} setting {number}",
                trial.fold_dir(fold.name) / DONE,
                {**inputs, "setting": setting},
                algorithm,
            )
            jobs.append((trial, fold, of_trial))
        tried.append(jobs)

    def train_those(jobs: list[Job]) -> None:
        if jobs:
            try:
                train(jobs, {trial: options[trial] for trial, _, _ in jobs})
            except Diverged as error:
                raise UserError(
                    f"{error}; if that rate was drawn, lower the range in {ranges}"
                ) from None

    for part in itertools.batched(zip(todo, tried, strict=True), at_once):
        train_those([job for _, jobs in part for job in jobs if not job[2].is_done()])
        chosen: list[tuple[Job, list[Path], dict[str, Any]]] = []
        again: list[Job] = []
        for of_fold, jobs in part:
            trials = [stage.stamp.parent for *_, stage in jobs]
            record = choice(trials, criteria[of_fold[0]])
            chosen.append((of_fold, trials, record))
            # One that was not chosen before has been thinned.
            if not holds_model(trials[k := record["chosen"] - 1]):
                again.append(jobs[k])
        train_those(again)
        for (experiment, _, stage), trials, record in chosen:
            k, out = record["chosen"] - 1, stage.stamp.parent
            stage.start(out)
            stage.finish(None, take(trials[k], out, record))
            phase, name, _ = criteria[experiment]
            worth = record["valid"][k]
            say(
                stage.name,
                f"chose setting {k + 1} of {len(settings)} "
                f"({setting_text(settings[k])}) by {phase} {name} "
                f"{worth if worth is None else format(worth, '.4f')}",
            )
            for folder in trials:
                thin(folder)


def keep_record(
    stage: Stage,
    experiment: Experiment,
    folds: Sequence[str],
    settings: Sequence[Setting],
    drawn_by: Mapping[str, Any],
) -> None:
    """Write an experiment's ``tuning.json``, and thin what was tried.

    Args:
        stage: The record's.
        experiment: Trained.
        folds: Names of its folds.
        settings: What was tried.
        drawn_by: How the settings were drawn.
    """
    stage.start()
    # Again, for one that was killed between its choice and that.
    for fold in folds:
        for number in range(1, len(settings) + 1):
            thin(trial_of(experiment, number).fold_dir(fold))
    records = {fold: record_of(experiment.fold_dir(fold)) for fold in folds}
    path = experiment.dir / RECORD
    write_json(path, summary(settings, records, drawn_by))
    stage.finish(f"{path}: what was tried", [path])


def choice(trials: Sequence[Path], criterion: Sequence[str]) -> dict[str, Any]:
    """Return a fold's ``tuning.json``, from the curves of what it tried.

    Args:
        trials: Folders of its trainings, one a setting, in order.
        criterion: By which epochs are selected.
    """
    histories = [read_json(folder / HISTORY) for folder in trials]
    worths = [worth_of(history, criterion) for history in histories]
    return {
        "criterion": list(criterion),
        **dict(zip(KEYS, zip(*worths, strict=True), strict=True)),
        "chosen": choose(worths, criterion[2]) + 1,
        "histories": histories,
    }


def holds_model(trial: Path) -> bool:
    """Tell whether a training that was tried still has its checkpoint."""
    stamp = read_stamp(trial / DONE)
    return stamp is not None and stamp.holds(trial / CHECKPOINT)


def take(trial: Path, out: Path, record: dict[str, Any]) -> list[Path]:
    """Copy a training that was chosen to where later stages look.

    Args:
        trial: Its folder.
        out: The fold's.
        record: What :func:`choice` returned.

    Returns:
        The files and folders that are kept.

    Raises:
        DataError: A file of the training was changed.
    """
    stamp = need_stamp(trial / DONE, "stage 4 (training)")
    stamp.check_all()
    files = [trial / key for key in stamp.sums()]
    for path in [*files, *filter(Path.is_file, [trial / LOG])]:
        target = out / path.relative_to(trial)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
    write_json(out / RECORD, record)
    kept = dict.fromkeys(out / path.relative_to(trial).parts[0] for path in files)
    return [*kept, out / RECORD]


def thin(trial: Path) -> None:
    """Leave of a training that was tried its config, curves and logs."""
    if (stamp := read_stamp(trial / DONE)) is None:
        return  # it was deleted, and nobody needs it any more
    facts = {f.name: getattr(stamp, f.name) for f in dataclasses.fields(stamp)}
    outputs = {key: row for key, row in stamp.outputs.items() if key in KEPT}
    del facts["path"]
    write_stamp(stamp.path, {**facts, "outputs": outputs})
    for path in trial.iterdir():
        if path.name in {*KEPT, *LOGS} or path.name.startswith("."):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def check_settings(
    config: Mapping[str, Any],
    path: Path,
    extra: Sequence[str],
    settings: Sequence[Setting],
    ranges: PathLike,
) -> dict[str, Any]:
    """Check that a sentiment config takes all settings; return its own options.

    Args:
        config: Its contents.
        path: Its file, for messages.
        extra: Options that override it, as on a command line.
        settings: What was drawn.
        ranges: The file that it was drawn from, for messages.

    Raises:
        DataError: It does not, or not even the options.
    """
    options = task_defaults(config, path, extra)
    for setting in settings[1:]:
        name = f"--tune_ranges {ranges} for {path}"
        task_defaults(config, path, [*extra, *setting_options(setting)], name)
    return options
