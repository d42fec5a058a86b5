"""Curves in TensorBoard and W&B: every fold is a run, and no stage is stale by them."""

import sys

import lazy
import pytest
import torch
from recipe_fixtures import Recipe

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.train import tracking
from espnet_sentiment.train.tracking import of_fold, without_tracking

pytestmark = pytest.mark.espnet

FOLDS = ("fold1", "fold2")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory, an4_wavs) -> Recipe:
    recipe = Recipe(tmp_path_factory.mktemp("recipe"), an4_wavs)
    recipe.run(1, 3)
    return recipe


def train(recipe, *said, nj="1", tag="plain"):
    """Run stage 4 on its own name; return the experiment."""
    args = ["--tag", tag, "--nj", nj, f"--sentiment_args={' '.join(said)}"]
    recipe.run(4, 4, *args)
    return recipe.exp.with_name(recipe.exp.name.replace("_seed", f"_{tag}_seed"))


def scalars(folder, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [event.value for event in events.Scalars(name)]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("--use_tensorboard true --grad_clip 1", "--grad_clip 1"),
        ("--use_tensorboard=true --max_epoch 2", "--max_epoch 2"),
        ("--use_te true --wandb_n a --use_w true --max_epoch 2", "--max_epoch 2"),
        ("--use_tf32 true --warmup 1 --w 1", "--use_tf32 true --warmup 1 --w 1"),
        ("--keep_nbest_models 1 2 --wandb_project p", "--keep_nbest_models 1 2"),
    ],
)
def test_what_says_where_curves_go_is_no_input_of_a_training(said, kept):
    assert without_tracking(said.split()) == kept.split()


def test_tensorboard_has_the_curves_of_every_fold_and_changes_no_number(
    encoded, capsys
):
    plain = train(encoded)
    logged = train(encoded, "--use_tensorboard true", tag="logged")
    assert not list(plain.rglob("tensorboard"))
    for fold in FOLDS:
        history = read_json(logged / fold / "history.json")
        assert history == read_json(plain / fold / "history.json")
        for phase, name in [("train", "loss"), ("valid", "loss"), ("valid", "ua")]:
            found = scalars(logged / fold / "tensorboard" / phase, name)
            told = history[f"{phase}_{name}"]
            assert found[-len(told) :] == pytest.approx(told, rel=1e-6)
        one, other = (
            torch.load(exp / fold / "sentiment.pth", weights_only=True)
            for exp in (plain, logged)
        )
        assert str(one) == str(other)
    capsys.readouterr()
    train(encoded, tag="logged")
    train(encoded, "--use_tensorboard true")
    said = capsys.readouterr().err
    assert "folds trained" not in said
    assert "nothing was left to train, so that no curves are written" in said
    assert not list(plain.rglob("tensorboard"))


@pytest.mark.parametrize("module", ["tensorboard", "wandb"])
def test_what_is_not_installed_is_named_before_anything_is_trained(
    encoded, monkeypatch, module
):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"--use_{module} needs {module}: .*'espnet_sentiment\[{module}\]'"
    with pytest.raises(UserError, match=message):
        train(encoded, f"--use_{module} true", tag="refused")


def test_a_run_of_wandb_is_called_by_experiment_and_fold(tmp_path):
    given = lazy.task_defaults({}, tmp_path / "x.yaml", [])
    assert of_fold(given, tmp_path / "exp" / "fold1") == {}
    named = of_fold(given | {"use_wandb": True}, tmp_path / "exp" / "fold1")
    assert named["wandb_name"] == "exp_fold1" and named["wandb_id"] is None
    asked = {"use_wandb": True, "wandb_name": "mine", "wandb_id": "x"}
    named = of_fold(given | asked, tmp_path / "exp" / "final")
    assert (named["wandb_name"], named["wandb_id"]) == ("mine_final", "x_final")


def test_wandb_has_a_run_for_every_fold(encoded, monkeypatch):
    # No part of the extra test: where it is installed, ESPnet imports it, 2 s.
    pytest.importorskip("wandb", reason="needs the extra wandb")
    tracking._no_login.cache_clear()
    monkeypatch.setenv("WANDB_MODE", "offline")
    exp = train(encoded, "--use_wandb true", "--wandb_project p", nj="2", tag="wandb")
    for fold in FOLDS:
        (run,) = (exp / fold / "wandb").glob("offline-run-*/run-*.wandb")
        content = run.read_bytes()
        assert f"{exp.name}_{fold}".encode() in content
        assert b"valid_ua_epoch" in content


def test_nobody_who_is_logged_in_is_said_with_the_remedy(
    encoded, monkeypatch, tmp_path
):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    tracking._no_login.cache_clear()
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    message = r"no curves \(No API key .*\): run 'wandb login', or set WANDB_MODE=off"
    with pytest.raises(UserError, match=message):
        train(encoded, "--use_wandb true", tag="refused")
