"""A model of all utterances, trained for as long as the folds say."""

import shutil
from types import SimpleNamespace

import pytest
import yaml
from stage_world import World

from espnet_sentiment.bin.sentiment_train import _make_finals
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.core.stamp import DONE, read_stamp
from espnet_sentiment.data.folds import Fold, everything
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.pack.model_card import model_card
from espnet_sentiment.pack.pack import pack_model
from espnet_sentiment.train.final import final_budget, final_options

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]
OPTIONS = {
    "best_model_criterion": [("valid", "ua", "max")],
    "keep_nbest_models": 2,
    "num_iters_per_epoch": None,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory, an4_wavs):
    """Run all stages on a few utterances, and train the final model."""
    world = World(tmp_path_factory.mktemp("world"), an4_wavs)
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, {**config, "max_epoch": 3})
    world.options["sentiment_train"] = ["--final", "all"]
    world.run()
    return world


@pytest.fixture
def exp(world):
    return next(path for path in (world.root / "exp").iterdir() if path.is_dir())


def test_it_learns_from_all_utterances(world, exp):
    shapes = read_table(exp / "final" / "train_shape")
    assert sorted(shapes) == sorted(world.utterances)
    assert set(read_json(exp / "final" / "history.json")) <= {"train_loss", "train_acc"}


def test_it_is_what_an_experiment_is_used_by(exp):
    files = find_model(exp)
    assert files.model_file == exp / "final" / "sentiment.pth"
    assert files.description["fold"] == "final"
    assert files.description["valid_ua"] is None
    results = read_json(exp / "results.json")
    assert files.description["metrics"]["pooled"] == results["pooled"]
    assert find_model(exp, "final").model_file == files.model_file
    assert find_model(exp, "1").model_file == exp / "fold1" / "sentiment.pth"


def test_a_pack_says_what_it_is(exp, tmp_path):
    packed = pack_model(exp, tmp_path / "model.zip")
    assert "has learned from all of" in model_card(packed.description)
    assert "is that of **fold" not in model_card(packed.description)
    assert find_model(tmp_path / "model.zip").description["fold"] == "final"


def test_it_is_not_trained_twice(world, exp):
    before = read_stamp(exp / "final" / DONE)
    assert world.run() == []
    assert read_stamp(exp / "final" / DONE) == before


def test_a_fold_that_is_gone_refuses_it(exp, tmp_path):
    copy = shutil.copytree(exp, tmp_path / exp.name)
    shutil.rmtree(copy / "fold2")
    with pytest.raises(DataError, match=r"fold 2.*--final all"):
        find_model(copy)


def test_a_fold_of_its_name_is_refused():
    folds = [Fold("1", ["a"], ["b"], ["c"]), Fold("final", ["a"], ["b"], ["c"])]
    with pytest.raises(DataError, match="rename the fold"):
        args = SimpleNamespace(final="all")
        _make_finals([], folds, SimpleNamespace(path="data"), {}, {}, args)


def test_folds_that_changed_refuse_it(exp, tmp_path):
    copy = shutil.copytree(exp, tmp_path / exp.name)
    (copy / "fold1" / DONE).unlink()
    with pytest.raises(DataError, match="--final all"):
        find_model(copy)
    assert find_model(copy, "2").description["fold"] == "2"
    shutil.rmtree(copy / "final")
    assert find_model(copy).description["fold"] != "final"


def test_another_training_of_the_folds_trains_it_anew(world, exp):
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, {**config, "max_epoch": 4})
    try:
        ran = world.run(4, 4)
    finally:
        world.write(world.sentiment, config)
    assert ran == ["4.1", "4.2", "4"]
    assert find_model(exp).description["metrics"] == {}  # those of other folds
    world.run()  # with the config as it was
    assert find_model(exp).description["metrics"]


def test_the_report_and_scores_do_not_see_it(world, exp):
    names = [fold["fold"] for fold in read_json(exp / "results.json")["folds"]]
    assert names == list(world.folds)


def test_budget_is_the_folds_median_in_utterances_seen():
    histories = [
        {"valid_ua": [0.1, 0.5, 0.4, 0.3]},  # 2 and 3 are averaged
        {"valid_ua": [0.9, 0.1, 0.2, 0.8]},  # 1 and 4
        {"valid_ua": [0.1, 0.9, 0.3, 0.9]},  # 2 and 4
    ]
    budget = final_budget(histories, [30, 30, 30], 40, OPTIONS)
    # 4 epochs of 30 are 3 epochs of 40.
    assert budget == {"max_epoch": 3, "keep_nbest_models": 2}
    fewer = final_budget(histories[:1], [10], 100, OPTIONS)
    assert fewer == {"max_epoch": 1, "keep_nbest_models": 1}
    fixed = {**OPTIONS, "num_iters_per_epoch": 5}
    assert final_budget(histories, [30, 30, 30], 40, fixed)["max_epoch"] == 4


def test_an_epoch_that_was_ended_counts_by_what_was_made_of_it():
    histories = [{"valid_ua": [0.1, 0.2, 0.5], "updates": [4, 8, 10]}]
    assert final_budget(histories, [40], 20, OPTIONS)["max_epoch"] == 5


def test_a_criterion_without_a_curve_takes_all_epochs():
    options = {**OPTIONS, "best_model_criterion": [("valid", "loss2", "min")]}
    histories = [{"train_loss": [3.0, 2.0, 1.0]}]
    assert final_budget(histories, [10], 10, options)["max_epoch"] == 3


def test_options_of_the_folds_budget_are_out():
    options = final_options(
        {"patience": 3, "max_updates": 5, "max_epoch": 30, "lr": 1},
        {"max_epoch": 2, "keep_nbest_models": 1},
    )
    assert options["patience"] is None
    assert options["max_updates"] is None
    assert (options["max_epoch"], options["lr"]) == (2, 1)


def test_everything_is_the_union_of_parts():
    folds = [
        Fold("1", ["a"], ["b"], ["c"], ["x"]),
        Fold("2", ["b"], ["c"], ["a"]),
    ]
    assert everything("f", folds) == Fold("f", ["a", "b", "c"], ["b"], [], ["x"])
