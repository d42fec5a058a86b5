"""Folds choose settings by their own validation utterances; the test is not read."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from stage_world import World

from espnet_sentiment.bin import sentiment_train
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.core.stamp import DONE, read_stamp
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.recipe import tuning as recipe_tuning
from espnet_sentiment.recipe.tune_ranges import (
    check_ensemble,
    draw_settings,
    setting_options,
)
from espnet_sentiment.recipe.tuning import Worth, choose, worth_of
from espnet_sentiment.train import train_fold
from espnet_sentiment.train import tuning as train_tuning

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]
SHIPPED = Path(__file__).parents[1] / "conf" / "tune" / "decoder.yaml"
RANGES = {
    "optim_conf": {"lr": {"log_uniform": [0.0001, 0.1]}},
    "decoder_conf": {"dropout": {"uniform": [0, 0.5]}},
}
STAGES = ("sentiment_train", "sentiment_inference", "score", "report")


def tuned(world, n_settings, *more):
    """Let all stages tune."""
    tune = ["--tune", str(n_settings)]
    world.options = dict.fromkeys(STAGES, tune)
    ranges = ["--tune_ranges", str(world.root / "ranges.yaml")]
    world.options["sentiment_train"] = [*tune, *ranges, *more]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Tune on a few utterances; return the world and a copy of its files."""
    root = tmp_path_factory.mktemp("tuning")
    (root / "world").mkdir()
    world = World(root / "world", an4_wavs[:10])
    world.write(root / "world" / "ranges.yaml", RANGES)
    tuned(world, 3, "--final", "all")
    world.run()
    return world, Path(shutil.copytree(world.root, root / "kept"))


@pytest.fixture
def world(finished):
    """Return the finished world, as it was."""
    world, kept = finished
    shutil.rmtree(world.root)
    shutil.copytree(kept, world.root)
    tuned(world, 3, "--final", "all")
    return world


@pytest.fixture
def exp(world):
    """Return the experiment's folder."""
    (folder,) = world.root.glob("exp/an4_*_tune3_seed*")
    return folder


def trials(exp, fold):
    """Return where a fold was trained, by setting."""
    return [exp / "tune" / f"setting{n}" / f"fold{fold}" for n in (1, 2, 3)]


def test_every_fold_keeps_what_its_validation_prefers(exp):
    record = read_json(exp / "tuning.json")
    assert record["criterion"] == ["valid", "ua", "max"]
    for fold in "12":
        curves = [read_json(t / "history.json") for t in trials(exp, fold)]
        worth = []
        for curve in curves:
            most = max(curve["valid_ua"])
            pairs = zip(curve["valid_ua"], curve["valid_loss"], strict=True)
            worth.append((most, min(loss for ua, loss in pairs if ua == most)))
        rows = record["settings"]
        assert [(r["valid"][fold], r["valid_loss"][fold]) for r in rows] == worth
        best = min(range(3), key=lambda n: (-worth[n][0], worth[n][1]))
        chosen = [r["setting"] for r in record["settings"] if fold in r["chosen_by"]]
        assert chosen == [best + 1]
        kept = read_json(exp / f"fold{fold}" / "history.json")
        assert kept == read_json(trials(exp, fold)[best] / "history.json")


def test_the_recipes_own_setting_is_the_first(world, exp):
    config = yaml.safe_load((trials(exp, 1)[0] / "config.yaml").read_text())
    assert config["optim_conf"]["lr"] == 0.001
    assert config["decoder_conf"]["dropout"] == 0.1
    drawn = draw_settings(world.root / "ranges.yaml", 3, 0)
    for setting, trial in zip(drawn[1:], trials(exp, 1)[1:], strict=True):
        config = yaml.safe_load((trial / "config.yaml").read_text())
        assert config["optim_conf"]["lr"] == setting["optim_conf"]["lr"]
        assert config["decoder_conf"]["dropout"] == setting["decoder_conf"]["dropout"]


def test_what_was_tried_keeps_no_checkpoint(exp):
    kept = {"config.yaml", "history.json", "train.log"}
    for trial in [*trials(exp, 1), *trials(exp, 2)]:
        assert {p.name for p in trial.iterdir() if p.name[0] != "."} == kept
    assert not list(exp.glob("tune/**/decode"))


def test_results_name_what_was_tried(exp):
    results = read_json(exp / "results.json")
    record = read_json(exp / "tuning.json")
    assert results["tuning"] == {"file": "tuning.json", **record}
    said = (exp / "RESULTS.md").read_text()
    assert "## Tuning" in said
    assert "\n| 1 (the recipe" in said.replace("\\", "")
    assert results["sentiment"] == "small_tune3"


def test_a_tuned_run_is_up_to_date(world, capsys, monkeypatch):
    # Nor are settings drawn anew, for which scikit-learn would be imported.
    monkeypatch.setattr(recipe_tuning, "draw_settings", None)
    assert world.run() == []
    assert "fold 1 setting" not in capsys.readouterr().err


def test_the_final_model_takes_the_setting_that_is_best_on_average(exp):
    record = read_json(exp / "tuning.json")
    means = [row["valid_mean"] for row in record["settings"]]
    losses = [row["valid_loss_mean"] for row in record["settings"]]
    best = min(range(3), key=lambda n: (-means[n], losses[n]))
    assert record["best_on_average"] == best + 1
    final = yaml.safe_load((exp / "final" / "config.yaml").read_text())
    tried = yaml.safe_load((trials(exp, 1)[best] / "config.yaml").read_text())
    assert final["optim_conf"] == tried["optim_conf"]
    assert final["decoder_conf"] == tried["decoder_conf"]
    assert find_model(exp).description["fold"] == "final"


def test_folds_that_chose_different_settings_make_an_ensemble(world, exp):
    tuned(world, 3, "--final", "ensemble")
    assert world.run(4, 4) == ["4"]
    assert find_model(exp).description["fold"] == "final"


def test_other_ranges_train_what_differs_alone(world, exp):
    first = [read_stamp(trials(exp, fold)[0] / DONE).begin for fold in "12"]
    other = {**RANGES, "optim_conf": {"lr": {"log_uniform": [0.00001, 0.0001]}}}
    world.write(world.root / "ranges.yaml", other)
    tuned(world, 3)
    ran = world.run(4, 4)
    assert {"4.1 setting 2", "4.2 setting 3", "4.1", "4.2"} <= set(ran)
    record = read_json(exp / "tuning.json")
    for fold, begin in zip("12", first, strict=True):
        again = f"4.{fold} setting 1" in ran
        assert again == (fold in record["settings"][0]["chosen_by"])
        if not again:
            assert read_stamp(trials(exp, fold)[0] / DONE).begin == begin
    assert set(world.run(5)) == {"5.1", "5.2", "6", "report"}


def test_another_seed_of_the_drawing_is_seen(world):
    tuned(world, 3, "--tune_seed", "1")
    assert {"4.1 setting 2", "4.2 setting 2", "4.1", "4.2"} <= set(world.run(4, 4))


def test_a_killed_run_trains_what_is_missing_alone(world, exp, monkeypatch):
    world.write(world.root / "ranges.yaml", {"optim_conf": RANGES["optim_conf"]})
    tuned(world, 3)
    calls = []
    train = train_fold.train_fold

    def killed_at_the_third(**options):
        calls.append(options["out"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(**options)

    with monkeypatch.context() as patch:
        patch.setattr(train_fold, "train_fold", killed_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            world.run(4, 4)
    ran = world.run(4, 4)
    assert "4.1 setting 2" not in ran
    assert "4.2 setting 3" in ran
    assert read_json(exp / "tuning.json")["settings"][1]["options"].keys() == {
        "optim_conf"
    }


def test_a_fold_that_has_chosen_keeps_no_checkpoint_of_what_it_tried(
    world, exp, monkeypatch
):
    world.write(world.root / "ranges.yaml", {"optim_conf": RANGES["optim_conf"]})
    tuned(world, 3)
    train, tune = train_fold.train_fold, train_tuning.tune

    def killed_in_the_second_fold(**options):
        if options["out"].name == "fold2":
            raise KeyboardInterrupt
        return train(**options)

    with monkeypatch.context() as patch:
        patch.setattr(train_tuning, "tune", lambda *args: tune(*args[:-1], 1))
        patch.setattr(train_fold, "train_fold", killed_in_the_second_fold)
        with pytest.raises(KeyboardInterrupt):
            world.run(4, 4)
    assert (exp / "fold1" / "sentiment.pth").exists()
    assert not [p for trial in trials(exp, 1) for p in trial.glob("*.pth")]
    begin = read_stamp(exp / "fold1" / DONE).begin
    ran = world.run(4, 4)
    assert "4.1" not in ran and "4.2 setting 3" in ran
    assert read_stamp(exp / "fold1" / DONE).begin == begin
    chosen = read_json(exp / "tuning.json")["settings"]
    assert sorted(f for row in chosen for f in row["chosen_by"]) == ["1", "2"]


def test_the_report_shows_what_was_tried(exp):
    html = (exp / "report.html").read_text(encoding="utf-8")
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)
    page = json.loads(text[1].replace("<\\/", "</"))
    assert page["tuning"] == read_json(exp / "results.json")["tuning"]


def test_the_tested_utterances_are_not_read_while_folds_choose(world, exp, monkeypatch):
    world.folds = {"1": world.folds["1"]}
    world.run(0, 3)
    shutil.rmtree(exp)
    tuned(world, 3)
    read = set()
    load = FeatureStore.__getitem__
    monkeypatch.setattr(
        FeatureStore,
        "__getitem__",
        lambda store, utt: (read.add(utt), load(store, utt))[1],
    )
    world.run(4, 4)
    parts = world.folds["1"]
    assert read == {*parts["train"], *parts["valid"]}
    assert not read & set(parts["test"])


def test_a_tuned_experiment_does_not_touch_the_plain_one(world, exp):
    before = read_stamp(exp / "fold1" / DONE)
    world.options = {}
    world.run(4)
    plain = Path(str(exp).replace("_tune3", ""))
    assert "tuning" not in read_json(plain / "results.json")
    assert read_stamp(exp / "fold1" / DONE) == before
    assert read_json(plain / "fold1" / "history.json") == read_json(
        trials(exp, 1)[0] / "history.json"
    )


def test_a_record_that_was_changed_is_made_again(world, exp):
    record = (exp / "tuning.json").read_text()
    (exp / "tuning.json").write_text("{}")
    with pytest.raises(DataError, match="stage 4"):
        world.run(6)
    world.run(4)
    assert (exp / "tuning.json").read_text() == record


def test_all_rows_are_tried_with_the_same_settings():
    settings = draw_settings(SHIPPED, 5, 0)
    assert settings == draw_settings(SHIPPED, 5, 0)
    assert settings != draw_settings(SHIPPED, 5, 1)
    assert settings[:4] == draw_settings(SHIPPED, 4, 0)
    assert settings[0] == {}
    for setting in settings[1:]:
        assert 0.0001 <= setting["optim_conf"]["lr"] <= 0.003
        assert 0 <= setting["decoder_conf"]["dropout"] <= 0.6


def test_the_shipped_ranges_fit_every_shipped_config():
    settings = draw_settings(SHIPPED, 2, 0)
    for path in sorted(SHIPPED.parents[1].glob("sentiment/*.yaml")):
        config = yaml.safe_load(path.read_text())
        train_tuning.check_settings(config, path, [], settings, SHIPPED)


def test_equal_scores_take_the_setting_of_the_lower_loss():
    nothing = Worth(None, None)
    scored = [Worth(0.5, 0.1), Worth(0.7, 0.4), Worth(0.7, 0.3), nothing]
    assert choose(scored, "max") == 2
    assert choose([Worth(0.3, None), Worth(0.3, 2.0), Worth(0.5, 0.1)], "min") == 1
    # The recipe's own is the first, and wins where nothing else tells.
    assert choose([nothing, nothing], "max") == 0
    assert choose([Worth(0.7, 0.3), Worth(0.7, 0.3)], "max") == 0


def test_a_training_is_worth_its_best_epoch():
    curve = {"valid_ua": [0.5, 0.7, 0.7, None], "valid_loss": [0.1, 0.4, 0.3, 0.2]}
    assert worth_of(curve, ("valid", "ua", "max")) == (0.7, 0.3)
    assert worth_of(curve, ("valid", "loss", "min")) == (0.1, 0.1)
    empty = {"valid_ua": [], "valid_loss": []}
    assert worth_of(empty, ("valid", "ua", "max")) == (None, None)


def test_a_choice_by_another_rule_is_made_again_without_trying_again(
    world, exp, monkeypatch
):
    tries = [read_stamp(t / DONE).begin for n in "12" for t in trials(exp, n)]
    by_order = {"tuning": {"settings": draw_settings(world.root / "ranges.yaml", 3, 0)}}
    with monkeypatch.context() as patch:
        patch.setattr(sentiment_train, "tuning_inputs", lambda settings: by_order)
        tuned(world, 3)
        assert {"4.1", "4.2"} <= set(world.run(4, 4))
    ran = [stage for stage in world.run(4, 4) if "setting" in stage]
    chosen = read_json(exp / "tuning.json")["settings"]
    assert sorted(ran) == sorted(
        f"4.{fold} setting {row['setting']}"
        for row in chosen
        for fold in row["chosen_by"]
    )
    after = [read_stamp(t / DONE).begin for n in "12" for t in trials(exp, n)]
    assert sum(a != b for a, b in zip(tries, after, strict=True)) == 2


def test_choices_are_drawn_without_repetition(tmp_path):
    path = tmp_path / "ranges.yaml"
    path.write_text("decoder_conf: {dropout: {choice: [0.1, 0.2]}}")
    drawn = draw_settings(path, 3, 0)[1:]
    assert sorted(s["decoder_conf"]["dropout"] for s in drawn) == [0.1, 0.2]
    with pytest.raises(DataError, match="take --tune 3"):
        draw_settings(path, 4, 0)
    assert setting_options(drawn[0])[0] == "--decoder_conf"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("views: {uniform: [1, 4]}", "unknown key 'views'.*sentiment_args"),
        ("optim_conf: {lr: {normal: [0, 1]}}", "unknown key 'normal'.*log_uniform"),
        ("optim_conf: {lr: 0.1}", "optim_conf.lr is 0.1: name one of"),
        ("optim_conf: {lr: {uniform: [1]}}", r"two numbers, \[low, high\]"),
        ("optim_conf: {lr: {uniform: [true, 2]}}", "two numbers"),
        ("optim_conf: {lr: {log_uniform: [0, 1]}}", "lower number above 0"),
        ("optim_conf: {lr: {choice: []}}", "give a list"),
        ("optim_conf: {lr: {choice: [[1]]}}", "neither a number"),
        ("optim_conf: {}", "names no range"),
        ("{}", "names no range"),
    ],
)
def test_ranges_that_cannot_be_followed_are_refused(tmp_path, text, message):
    path = tmp_path / "ranges.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        draw_settings(path, 2, 0)
    assert str(path) in str(error.value)


def test_an_option_that_a_decoder_lacks_is_refused_by_the_file(world):
    ranges = {"decoder_conf": {"no_such": {"uniform": [0, 1]}}}
    world.write(world.root / "ranges.yaml", ranges)
    with pytest.raises(DataError, match=r"--tune_ranges .*ranges.yaml.*no_such"):
        world.run(4, 4)


def test_a_rate_that_diverges_names_the_ranges(world):
    ranges = {"optim_conf": {"lr": {"log_uniform": [1e30, 1e35]}}}
    world.write(world.root / "ranges.yaml", ranges)
    with pytest.raises(UserError, match=r"diverged.*lower the range in .*ranges.yaml"):
        world.run(4, 4)


def test_shapes_are_no_choice_of_an_ensembles_members(tmp_path):
    path = tmp_path / "ranges.yaml"
    path.write_text("decoder_conf: {hidden_size: {choice: [4, 8]}}")
    settings = draw_settings(path, 3, 0)
    check_ensemble(path, settings, "all")
    with pytest.raises(DataError, match=r"decoder_conf.hidden_size.*--final all"):
        check_ensemble(path, settings, "ensemble")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tune", "1"], "2 or more"),
        (["--tune", "-2"], "2 or more"),
        (["--tune", "3", "--tag", "a_tune3"], "another tag"),
        (["--tag", "tune8"], "give --tune 8"),
        (["--tune", "3", "--tune_seed", "-1"], "--tune_seed -1"),
    ],
)
def test_options_that_contradict_tuning_are_refused(world, options, message):
    world.options = {"sentiment_train": options}
    with pytest.raises(UserError, match=message):
        world.run(4, 4)
    assert sentiment_train.get_parser().get_default("tune") == 0
