"""The model to deploy, once the folds are trained: joined of them, and calibrated."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import (
    read_table,
    write_json,
    write_table,
    write_text,
)
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.inference.decode_fold import open_fold, score_stored
from espnet_sentiment.model.checkpoint import read_checkpoint, save_checkpoint
from espnet_sentiment.model.layout import (
    CALIBRATION,
    CHECKPOINT,
    CONFIG,
    chosen_layer,
    read_training_config,
    stats_name,
)
from espnet_sentiment.scoring.calibration import calibrate

BATCH_SIZE = 32


def join_folds(out: Path, folds: Mapping[str, Path]) -> list[Path]:
    """Make one model of all folds' models, whose posteriors it averages.

    Args:
        out: Its folder.
        folds: Folders of trained folds, by name.

    Returns:
        The files.

    Raises:
        DataError: The folds read different layers, or have a text branch, whose tokens
            are each fold's own.
    """
    configs = {name: read_training_config(f / CONFIG) for name, f in folds.items()}
    first, config = next(iter(configs.items()))
    layers = {name: chosen_layer(found) for name, found in configs.items()}
    if other := [name for name in layers if layers[name] != layers[first]]:
        raise DataError(
            f"{out.parent}: fold {first} reads layer {layers[first]} and fold "
            f"{other[0]} layer {layers[other[0]]} (layer: best), and an ensemble's "
            "encoder runs once for all: take --final all"
        )
    if config.get("text_encoder") is not None:
        raise DataError(
            f"{out.parent}: every fold has tokens of its own (text_encoder): take "
            "--final all"
        )
    weights: dict[str, Any] = {}
    for number, folder in enumerate(folds.values()):
        checkpoint = read_checkpoint(folder / CHECKPOINT)
        for key, value in checkpoint["state_dict"].items():
            weights[f"members.{number}.{key}"] = value
    out.mkdir(parents=True, exist_ok=True)
    files = [out / CHECKPOINT, out / CONFIG]
    save_checkpoint(files[0], weights, checkpoint["encoder"])
    write_config(files[1], {**config, "ensemble": list(folds)})
    if (stats := stats_name(config)) is not None:
        # Of the right size; the members' own are among the weights.
        shutil.copyfile(folds[first] / stats, out / stats)
        files.append(out / stats)
    # Who evaluates it is warned of what its members have heard.
    heard: dict[str, str] = {}
    for folder in folds.values():
        for name in ("train_shape", "valid_shape"):
            heard |= read_table(folder / name)
    write_table(out / "train_shape", heard)
    return [*files, out / "train_shape"]


def calibrate_by_folds(
    out: Path,
    folders: Mapping[str, Path],
    folds: Sequence[Fold],
    store: FeatureStore,
    utt2label: Mapping[str, str],
    texts: Mapping[str, str] | None = None,
) -> list[Path]:
    """Give a model the temperature that suits the folds' validation utterances.

    Args:
        out: The model's folder, whose ``config.yaml`` is changed.
        folders: Folders of the trained folds, by name.
        folds: The folds.
        store: Clean features.
        utt2label: Classes.
        texts: Transcripts, for models with a text branch.

    Returns:
        ``calibration.json``.
    """
    parts = {}
    for fold in folds:
        classifier = open_fold(folders[fold.name], store)
        utts = [utt for utt in fold.valid if utt in utt2label]
        if not utts:
            continue
        found = dict(
            score_stored(classifier, folders[fold.name], store, utts, BATCH_SIZE, texts)
        )
        truth = [classifier.classes.index(utt2label[utt]) for utt in utts]
        posteriors = np.stack([found[utt].posteriors for utt in utts])
        parts[fold.name] = posteriors, np.array(truth)
    if not parts:
        return []
    calibration = calibrate(parts)
    config = read_training_config(out / CONFIG)
    conf = {**config["model_conf"], "temperature": calibration["temperature"]}
    write_config(out / CONFIG, {**config, "model_conf": conf})
    write_json(out / CALIBRATION, calibration)
    return [out / CALIBRATION]


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a model's config, as ESPnet's training does."""
    write_text(path, yaml.safe_dump(dict(config), indent=4, sort_keys=False))
