"""What a trained fold says of itself, ``config.json``, and which fold to take."""

import re
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.core.stamp import DONE, SCORED, Stamp, read_stamp
from espnet_sentiment.encoder.kinds import check_reference
from espnet_sentiment.model.layout import (
    CALIBRATION,
    CHECKPOINT,
    CONFIG,
    FINAL,
    ensemble_of,
    read_training_config,
)
from espnet_sentiment.pack.layout import FORMAT_VERSION, MODEL_TYPE

# What results.json says that stands for the whole experiment.
RESULTS = (
    *("normalisation", "n_utterances", "pooled", "folds", "mean", "majority", "human"),
)

HOW = {
    "all": "trained on all utterances; {} folds estimate it",
    "ensemble": "the mean of {} folds' posteriors; their scores estimate it",
}


def fold_dirs(experiment: Path) -> list[Path]:
    """Return an experiment's trained folds, in the natural order of their names."""
    found = [path.parent for path in experiment.glob(f"fold*/{CHECKPOINT}")]
    return sorted(found, key=lambda path: _natural(path.name))


def _natural(name: str) -> list:
    # Numbers of any length, by their digits without zeros before them.
    parts = re.split(r"([0-9]+)", name)
    digits = [part.lstrip("0") for part in parts]
    return [
        (i % 2, len(digits[i]) if i % 2 else 0, digits[i] if i % 2 else part)
        for i, part in enumerate(parts)
    ]


def final_dir(experiment: Path) -> Path | None:
    """Return the model of an experiment that is to be deployed; None without.

    Raises:
        DataError: It is there, but the folds are others by now.
    """
    folder = experiment / FINAL
    if not (folder / CHECKPOINT).is_file():
        return None
    stamp = read_stamp(folder / DONE)
    known = {} if stamp is None else stamp.inputs.get("folds", {})
    found = {_name(fold): read_stamp(fold / DONE) for fold in fold_dirs(experiment)}
    sums = {name: stamp and stamp.sums() for name, stamp in found.items()}
    if sums != known:
        other = min({*sums, *known}, key=lambda name: sums.get(name) == known.get(name))
        raise DataError(
            f"{folder} was made from other folds than there are now (fold {other}): "
            f"run stage 4 again with --final {_trained_on(folder)}, name a fold by "
            f"--fold, or delete {folder}"
        )
    return folder


def choose_fold(experiment: Path, fold: str | None = None) -> tuple[Path, str]:
    """Choose a fold of an experiment, or its model to deploy.

    Args:
        experiment: Folder ``exp/<set>_<name>``.
        fold: The fold's name, or ``final``; None is the final model, where there is
            one, else the fold with the best validation UA, the first of equals.

    Returns:
        The fold's folder, and why it was chosen.

    Raises:
        DataError: There is no such fold.
    """
    folders = fold_dirs(experiment)
    names = [_name(folder) for folder in folders]
    final = fold in (None, FINAL) and FINAL not in names and final_dir(experiment)
    if final:
        how = HOW[_trained_on(final)]
        return final, how.format(len(folders))
    if fold is not None:
        wanted = fold.removeprefix("fold")
        if wanted not in names:
            raise DataError(
                f"{experiment} has no fold {fold}: choose one of {', '.join(names)}"
            )
        return folders[names.index(wanted)], "as asked for"
    if len(folders) == 1:
        return folders[0], "the only one"
    scores = [valid_ua(folder) for folder in folders]
    best = max(range(len(folders)), key=lambda i: (scores[i] or 0.0, -i))
    score = scores[best]
    if score is None:
        return folders[best], "the first: no fold has a history.json"
    why = f"the best validation UA of {len(folders)} folds ({100 * score:.2f} %)"
    without = sorted(
        {p.parent for p in experiment.glob(f"fold*/{CONFIG}")} - {*folders}
    )
    if without:
        why += f"; {', '.join(folder.name for folder in without)} has no model"
    return folders[best], why


def _name(folder: Path) -> str:
    return folder.name.removeprefix("fold")


def valid_ua(folder: Path) -> float | None:
    """Return the best validation UA of a fold's epochs; None if none was kept."""
    path = folder / "history.json"
    values = read_json(path).get("valid_ua") if path.exists() else None
    return max(values) if values else None


def describe_fold(folder: Path) -> dict[str, Any]:
    """Describe a trained fold.

    Args:
        folder: Fold of an experiment; ``results.json`` lies above it.

    Returns:
        The description, as in a pack, but for ``files``.

    Raises:
        DataError: A file is missing or broken.
    """
    config = read_training_config(folder / CONFIG)
    results_file = folder.absolute().parent / "results.json"
    results = read_json(results_file) if results_file.is_file() else {}
    encoder = dict(config.get("encoder_reference") or {})
    check_reference(encoder, folder / CONFIG)
    conf_model = (config.get("encoder_conf") or {}).get("model")
    # A path tells nobody anything elsewhere, the last part of it may.
    model = None if conf_model is None else _short(str(conf_model))
    metrics = {key: results[key] for key in RESULTS if results.get(key) is not None}
    if isinstance(overlap := results.get("overlap"), dict) and "all" in overlap:
        metrics["overlap"] = {"all": overlap["all"]}
    training = read_stamp(folder / DONE)
    if training is not None and not _is_scored(training, results_file):
        metrics = {}  # those of an earlier training
    return {
        "model_type": MODEL_TYPE,
        "format_version": FORMAT_VERSION,
        "name": folder.absolute().parent.name,
        "corpus": results.get("corpus"),
        "fold": _name(folder.absolute()),
        **_deployed(folder.absolute()),
        "valid_ua": valid_ua(folder),
        "classes": config["token_list"],
        "decoder": config.get("decoder"),
        "text_branch": config.get("text_encoder") is not None,
        "encoder": encoder | {"model": model},
        "seed": config.get("seed"),
        "metrics": metrics,
        "versions": (training and training.versions) or results.get("versions", {}),
    }


def _trained_on(final: Path) -> str:
    """Return ``all`` or ``ensemble``, as ``--final`` asked for it."""
    return "ensemble" if ensemble_of(read_training_config(final / CONFIG)) else "all"


def _deployed(folder: Path) -> dict[str, Any]:
    """Return what a model to deploy says besides: of what it is, how calibrated."""
    if folder.name != FINAL:
        return {}
    path = folder / CALIBRATION
    calibration = {"calibration": read_json(path)} if path.is_file() else {}
    return {"trained_on": _trained_on(folder), **calibration}


def _is_scored(training: Stamp, results_file: Path) -> bool:
    """Tell whether the results, if any, are those of this training."""
    scored = read_stamp(results_file.with_name(SCORED))
    trainings = {} if scored is None else scored.inputs.get("trainings", {})
    if training.path.absolute().parent.name == FINAL:
        return bool(trainings) and trainings == training.inputs["folds"]
    fold = _name(training.path.absolute().parent)
    # What 0.1.0 scored does not say what it scored.
    return fold not in trainings or trainings[fold] == training.sums()


def _short(model: str) -> str:
    return Path(model).name if Path(model).is_absolute() else model
