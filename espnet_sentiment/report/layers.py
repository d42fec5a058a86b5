"""The layers of an encoder: what each knows, and what the models weigh it by."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from espnet_sentiment.core.config import read_config
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.store_layers import layer_numbers
from espnet_sentiment.model.checkpoint import layer_weights
from espnet_sentiment.model.layout import CHECKPOINT, CONFIG, chosen_layer
from espnet_sentiment.recipe.experiment import Experiment


def layers(
    experiment: Experiment,
    folds: Sequence[Fold],
    probed: Sequence[Mapping[str, float]] | None,
) -> list[dict[str, Any]] | None:
    """Say of every layer what the folds weigh it by, and what a probe finds in it.

    Args:
        experiment: Decoded.
        folds: The set's folds.
        probed: ``wa`` and ``ua`` of every layer, where it was probed.

    Returns:
        For every layer its number, ``weight`` and ``weight_std`` over folds, ``wa`` and
        ``ua`` of the probe, None without; None where the encoder gives a single layer.
        A fold that reads the layer that it chose (``layer: best``) weighs that by 1.
    """
    read = read_config(experiment.encoder)["encoder_conf"].get("layer", "last")
    chosen = chosen_layers(experiment, folds)
    if chosen:
        n_layers = len(probed) if probed else max(chosen.values()) + 1
        numbers = layer_numbers(read, n_layers)
        weights = [[float(n == chosen[f.name]) for n in numbers] for f in folds]
    else:
        paths = [experiment.fold_dir(fold.name) / CHECKPOINT for fold in folds]
        weights = [w for path in paths if (w := layer_weights(path)) is not None]
    if not weights:
        return None
    mean, std = np.mean(weights, axis=0), np.std(weights, axis=0)
    scores: Sequence[Mapping[str, float | None]]
    scores = probed or [{"wa": None, "ua": None}] * len(mean)
    return [
        {"layer": number, "weight": float(a), "weight_std": float(b), **of}
        for number, a, b, of in zip(
            layer_numbers(read, len(mean)), mean, std, scores, strict=True
        )
    ]


def chosen_layers(experiment: Experiment, folds: Sequence[Fold]) -> dict[str, int]:
    """Return the layers that the folds chose (``layer: best``); empty without."""
    found = {
        fold.name: chosen_layer(read_config(experiment.fold_dir(fold.name) / CONFIG))
        for fold in folds
    }
    return {name: layer for name, layer in found.items() if layer is not None}
