"""What each layer of an encoder knows, and what the models weigh it by."""

from types import SimpleNamespace

import numpy as np
import pytest
from seed import SEED

from espnet_sentiment.data.folds import leave_one_speaker_out
from espnet_sentiment.report import layers as report_layers
from espnet_sentiment.scoring.layer_probe import probe_layers

D, FRAMES = 6, 20
LABELS = {f"{s}-{c}{i}": c for s in "abc" for c in ("joy", "rage") for i in range(8)}
FOLDS = leave_one_speaker_out({utt: utt[0] for utt in LABELS})


@pytest.fixture
def store():
    """Features of three layers: the class moves the mean of 1 and the spread of 2."""
    rng = np.random.default_rng(SEED)
    found = {}
    for utt, label in LABELS.items():
        x = rng.standard_normal((FRAMES, 3, D))
        if label == "rage":
            x[:, 1] += 2.0
            x[:, 2] *= 4.0
        found[utt] = x.reshape(FRAMES, 3 * D).astype(np.float16)
    return found


def test_a_probe_finds_classes_in_means_and_in_deviations_of_single_layers(store):
    noise, mean, deviation = probe_layers(store, FOLDS, LABELS, 3)
    assert mean == deviation == {"wa": 1.0, "ua": 1.0}
    assert noise["wa"] < 0.8


def test_a_probe_learns_nothing_of_validating_and_tested_utterances(store):
    swapped = {utt: "rage" if c == "joy" else "joy" for utt, c in LABELS.items()}
    fold = FOLDS[0]
    labels = {**LABELS, **{utt: swapped[utt] for utt in (*fold.test, *fold.valid)}}
    assert probe_layers(store, [fold], labels, 3)[1] == {"wa": 0.0, "ua": 0.0}


def test_a_fold_that_learns_one_class_predicts_it(store):
    labels = {**LABELS, **dict.fromkeys(FOLDS[0].train, "joy")}
    assert probe_layers(store, FOLDS[:1], labels, 3)[1] == {"wa": 0.5, "ua": 0.5}


def test_without_a_store_the_weights_stand_alone_and_it_is_said(tmp_path, monkeypatch):
    weights = iter([[0.5, 0.5], [0.7, 0.3]])
    monkeypatch.setattr(report_layers, "layer_weights", lambda path: next(weights))
    encoder = tmp_path / "encoder.yaml"
    encoder.write_text(
        "encoder: huggingface\nencoder_conf: {model: m, layer: [2, 5]}\n"
    )
    experiment = SimpleNamespace(
        store=tmp_path, encoder=encoder, fold_dir=lambda name: tmp_path / name
    )
    said: list[str] = []
    first, second = report_layers.layers(experiment, None, FOLDS[:2], said.append)
    assert (first["layer"], second["layer"]) == (2, 5)
    assert first["weight"] == pytest.approx(0.6)
    assert second["weight_std"] == pytest.approx(0.1)
    assert first["wa"] is second["ua"] is None
    assert said == [
        f"layers are not probed: {tmp_path / 'clean'} is gone; stage 3 makes it again"
    ]
