"""A training that diverges ends with one line, and nothing of it becomes a result."""

import json
import shutil
import subprocess
import sys

import lazy
import numpy as np
import pytest
import torch
from recipe_fixtures import Recipe
from safetensors.torch import save_file

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.model.checkpoint import checkpoint_bytes, read_checkpoint
from espnet_sentiment.scoring.predictions import read_predictions

pytestmark = pytest.mark.espnet

WILD = "--sentiment_args=--optim_conf lr=1e30 --grad_clip inf"


@pytest.fixture(scope="module")
def encoded(tmp_path_factory, an4_wavs) -> Recipe:
    recipe = Recipe(tmp_path_factory.mktemp("recipe"), an4_wavs)
    recipe.run(1, 3)
    return recipe


@pytest.fixture
def trained(encoded):
    shutil.rmtree(encoded.root / "exp", ignore_errors=True)
    encoded.run(4, 4, "--nj", "1")
    return encoded


def run_stage(name, *options):
    return subprocess.run(
        [sys.executable, "-m", f"espnet_sentiment.bin.{name}", *options],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("nj", ["1", "2"])
def test_a_fold_that_diverges_ends_the_stage_with_one_line(encoded, nj):
    shutil.rmtree(encoded.root / "exp", ignore_errors=True)
    run = run_stage("sentiment_train", *encoded.experiment, WILD, "--nj", nj)
    (line,) = [line for line in run.stderr.splitlines() if "error" in line]
    fold = encoded.exp / "fold"
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert line.startswith(f"error: {fold}") and ": epoch 1: " in line
    remedy = 'than 1e+30: --sentiment_args "--optim_conf lr=0.001"'
    assert f"has diverged: try a lower learning rate {remedy}; where that" in line
    assert not list(encoded.exp.glob("fold*/sentiment.pth"))
    encoded.run(4, 6, "--nj", "1", "--sentiment_args=--optim_conf lr=0.001")
    assert read_json(encoded.exp / "results.json")["n_utterances"] == 4


def test_an_epoch_without_a_step_is_no_epoch(encoded):
    shutil.rmtree(encoded.root / "exp", ignore_errors=True)
    with pytest.raises(UserError, match="epoch 1 has 1 batches, too few for a step"):
        encoded.run(4, 4, "--nj", "1", "--sentiment_args=--accum_grad 9")


def decode(recipe):
    store = FeatureStore(recipe.store / "clean")
    lazy.decode_fold(recipe.exp / "fold1", store, list(store), {}, 4)


def poison(state, value=float("nan")):
    """Spoil a weight in a state, and return its name."""
    name = max(name for name in state if name.endswith("weight"))
    state[name].view(-1)[0] = value
    return name


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_of_weights_that_are_no_numbers_is_named(trained, value, an4_wavs):
    path = trained.exp / "fold1" / "sentiment.pth"
    checkpoint = torch.load(path, weights_only=True)
    name = poison(checkpoint["state_dict"], value)
    torch.save(checkpoint, path)
    packed = path.with_name("model.safetensors")
    packed.write_bytes(checkpoint_bytes(checkpoint["state_dict"], {"name": "none"}))
    config = path.with_name("config.yaml")
    for load in (
        lambda: Speech2Sentiment(config, path),
        lambda: decode(trained),
        lambda: read_checkpoint(path),
    ):
        with pytest.raises(DataError, match=f"{path} .*not finite \\({name}\\).*lr="):
            load()


def test_a_pack_of_weights_that_are_no_numbers_is_named(tmp_path):
    weights = {"a.weight": torch.tensor([1.0, torch.nan])}
    reference = json.dumps({"name": "none", "sha256": "0" * 64})
    save_file(weights, tmp_path / "model.safetensors", {"encoder": reference})
    with pytest.raises(DataError, match=r"model.safetensors .*not finite \(a.weight\)"):
        read_checkpoint(tmp_path / "model.safetensors")


def test_a_model_that_makes_no_numbers_is_blamed_and_not_the_recording(
    trained, an4_wavs
):
    path = trained.exp / "fold1" / "sentiment.pth"
    checkpoint = torch.load(path, weights_only=True)
    for weight in checkpoint["state_dict"].values():
        if weight.is_floating_point():
            weight.fill_(3e38)
    torch.save(checkpoint, path)
    message = f"^{path} gives posteriors that are not finite"
    model = Speech2Sentiment(path.with_name("config.yaml"), path)
    for answer in (
        lambda: model(an4_wavs[0]),
        lambda: list(model.predict(an4_wavs[:2], on_error="return")),
        lambda: decode(trained),
    ):
        with pytest.raises(UserError, match=message) as error:
            answer()
        assert an4_wavs[0].stem not in str(error.value)
    assert not list(trained.exp.rglob("predictions.jsonl"))


def test_an_encoder_of_weights_that_are_no_numbers_is_blamed(trained, an4_wavs):
    path = trained.exp / "fold1" / "sentiment.pth"
    model = Speech2Sentiment(path.with_name("config.yaml"), path)
    encoder = model._classifier.encoder.encoder
    next(iter(encoder.state_dict().values())).fill_(torch.nan)
    message = f"the encoder {trained.model} holds weights that are not finite"
    with pytest.raises(UserError, match=message):
        list(model.predict(an4_wavs[:1], on_error="return"))


def test_features_that_are_no_numbers_are_named_and_not_the_model(trained):
    classifier = lazy.Classifier.of_features(
        trained.exp / "fold1" / "sentiment.pth",
        read_json(trained.store / "clean" / "index.json")["meta"]["encoder"],
        "",
    )
    store = FeatureStore(trained.store / "clean")
    good, bad = (np.array(store[utt]) for utt in sorted(store)[:2])
    bad[0, 0] = np.inf
    first, second = classifier.from_store([good, bad])
    (alone,) = classifier.from_store([good])
    np.testing.assert_allclose(first.posteriors, alone.posteriors, atol=1e-6)
    assert np.isnan(second.posteriors).all()


def test_predictions_that_are_no_numbers_are_not_read(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"utt": "a", "posteriors": {"bad": NaN, "good": 0.5}}\n')
    with pytest.raises(DataError, match=f"{path} is broken .*NaN.*run stage 5"):
        read_predictions(path)


def test_json_without_numbers_of_its_own_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"wa": float("nan")})
    assert not list(tmp_path.iterdir())
