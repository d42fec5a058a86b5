"""The layers of an encoder: what each knows, and what the models weigh it by."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.files import find_json, sha256_of, write_json
from espnet_sentiment.core.lock import reading
from espnet_sentiment.data.feature_store import INDEX
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.model.checkpoint import layer_weights
from espnet_sentiment.model.layout import CHECKPOINT
from espnet_sentiment.recipe.experiment import CLEAN, Experiment, open_store
from espnet_sentiment.scoring.layer_probe import (
    ALGORITHM,
    MAX_UTTERANCES,
    probe_layers,
)


def layers(
    experiment: Experiment,
    data: KaldiDir,
    folds: Sequence[Fold],
    say: Callable[[str], None],
) -> list[dict[str, Any]] | None:
    """Say of every layer what the folds weigh it by, and what a probe finds in it.

    Args:
        experiment: Decoded.
        data: Its labels.
        folds: The set's folds.
        say: Takes a line, where there is no probe.

    Returns:
        For every layer its number, ``weight`` and ``weight_std`` over folds, ``wa`` and
        ``ua`` of the probe, None without; None where the models read a single layer.
    """
    paths = [experiment.fold_dir(fold.name) / CHECKPOINT for fold in folds]
    weights = [found for path in paths if (found := layer_weights(path)) is not None]
    if not weights:
        return None
    mean, std = np.mean(weights, axis=0), np.std(weights, axis=0)
    chosen = read_config(experiment.encoder)["encoder_conf"].get("layer")
    numbers = chosen if isinstance(chosen, list) else range(len(mean))
    probed = _probe(experiment, data, folds, len(mean), say)
    return [
        {"layer": number, "weight": float(a), "weight_std": float(b), **scores}
        for number, a, b, scores in zip(numbers, mean, std, probed, strict=True)
    ]


def _probe(
    experiment: Experiment,
    data: KaldiDir,
    folds: Sequence[Fold],
    n_layers: int,
    say: Callable[[str], None],
) -> Sequence[Mapping[str, float | None]]:
    """Probe the layers of the store, unless that is done: decoders and seeds share it.

    Returns:
        ``wa`` and ``ua`` of every layer; None each where there is no store any more, or
        it is too large.
    """
    root = experiment.store / CLEAN
    unknown: list[Mapping[str, float | None]] = [{"wa": None, "ua": None}] * n_layers
    if not (root / INDEX).is_file():
        say(f"layers are not probed: {root} is gone; stage 3 makes it again")
        return unknown
    if len(data.utts) > MAX_UTTERANCES:
        say(f"layers are not probed: more than {MAX_UTTERANCES} utterances")
        return unknown
    with reading(experiment.store, root):
        store = open_store(experiment, root)
        of = [store.meta, [dataclasses.asdict(fold) for fold in folds], data.utt2label]
        path, key = experiment.store / "layers.json", sha256_of([*of, ALGORITHM])
        if (probed := _kept(path, key)) is None:
            probed = probe_layers(store, folds, data.utt2label, n_layers)
            write_json(path, {"sha256": sha256_of([key, probed]), "layers": probed})
    return probed


def _kept(path: Path, key: str) -> list[dict[str, float]] | None:
    """Return what was found before, if it is as it was written, from the same data."""
    kept = find_json(path)
    probed = kept.get("layers") if isinstance(kept, dict) else None
    if probed and kept.get("sha256") == sha256_of([key, probed]):
        return probed
    return None
