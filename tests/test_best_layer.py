"""``layer: best``: from training to decoding, in use, and in packs."""

import shutil

import pytest
from stage_world import World

from espnet_sentiment.bin import probe
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.dump import DumpReader
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.inference.fold_classifiers import load_classifiers
from espnet_sentiment.scoring.layer_probe import best_layer
from espnet_sentiment.scoring.pooled import pool
from espnet_sentiment.scoring.predictions import read_predictions

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def world(tmp_path_factory, an4_wavs):
    """A corpus whose folds have chosen their layers."""
    world = World(tmp_path_factory.mktemp("best"), an4_wavs[:10])
    world.edit(world.sentiment, "layer", "best")
    world.run()
    return world


@pytest.fixture
def experiment(world):
    return next(world.root.glob("exp/an4_*_seed*"))


@pytest.fixture
def data(world):
    return world.root / "data" / "an4"


@pytest.fixture
def clean(world):
    return next(world.root.glob("dump/*/an4/clean"))


def decoded(fold_dir):
    rows = read_predictions(fold_dir / "decode" / "predictions.jsonl")
    return {row["utt"]: list(row["posteriors"].values()) for row in rows}


def test_folds_read_the_layer_alone_that_was_best_and_results_say_so(
    experiment, data, clean
):
    pooled = pool(FeatureStore(clean))
    labels, speakers = (read_table(data / n) for n in ("utt2label", "utt2spk"))
    results = read_json(experiment / "results.json")
    for fold, row in zip(read_folds(data), results["folds"], strict=True):
        config = read_config(experiment / f"fold{fold.name}" / "config.yaml")
        layer = config["encoder_conf"]["layer"]
        assert layer == row["layer"] == best_layer(pooled, fold, labels, speakers)
        assert config["input_size"] == FeatureStore(clean).dim // 4
        assert config["model_conf"]["n_layers"] == 1
    assert sum(of["weight"] for of in results["layers"]) == pytest.approx(1)
    assert "| layer |" in (experiment / "RESULTS.md").read_text()


def test_in_use_and_out_of_a_pack_a_chosen_layer_answers_as_it_was_decoded(
    world, experiment, tmp_path
):
    fold = experiment / "fold1"
    import espnet_sentiment

    espnet_sentiment.pack_model(fold, tmp_path / "model.zip")
    for model in (
        espnet_sentiment.Speech2Sentiment(fold / "config.yaml", fold / "sentiment.pth"),
        espnet_sentiment.Speech2Sentiment.from_pretrained(tmp_path / "model.zip"),
    ):
        for utt, posteriors in decoded(fold).items():
            (found,) = model.predict([world.root / f"{utt}.wav"])
            assert list(found.posteriors.values()) == pytest.approx(
                posteriors, abs=1e-3
            )


def test_folds_that_chose_several_layers_share_an_encoder_that_gives_all(
    world, experiment
):
    folders = {n: experiment / f"fold{n}" for n in "12"}
    found = load_classifiers(load_encoder_config(world.encoder), folders, "cpu")
    reader = DumpReader(world.root / "dump" / "audio" / "an4", "audio", 16000)
    for name, folder in folders.items():
        for utt, posteriors in decoded(folder).items():
            (scores,) = found[name]([reader(utt).numpy()])
            assert list(scores.posteriors) == pytest.approx(posteriors, abs=1e-3)


def test_who_speaks_decides_on_the_layer_and_is_noticed(world):
    assert world.run(4) == []
    utt = world.folds["2"]["train"][0]
    speaker = world.utterances[utt]["speaker"]
    world.utterances[utt]["speaker"] = "other"
    ran = set(world.run())
    world.utterances[utt]["speaker"] = speaker
    world.run()
    assert {"0", "4.2", "5.2", "6"} <= ran


def test_a_command_prints_what_the_tables_say(world, data, experiment, capsys):
    options = ["--data_dir", str(data), "--encoder", str(world.encoder)]
    probe.main([*options, "--dump", str(world.root / "dump")])
    found = read_json(experiment / "results.json")["regression"]
    printed = capsys.readouterr().out
    assert f"over time | {100 * found['plain']['wa']:.2f} |" in printed
    assert "layer 3" in printed and "unlabelled test speakers" in printed


def test_another_choice_than_best_is_refused(world):
    config = read_config(world.sentiment)
    world.write(world.sentiment, {**config, "layer": 3})
    try:
        with pytest.raises(Exception, match="layer is 3: choose best"):
            world.run(4, 4)
    finally:
        world.write(world.sentiment, config)


def test_a_large_store_is_refused_with_what_to_do(world, monkeypatch):
    monkeypatch.setattr("espnet_sentiment.scoring.layer_probe.MAX_UTTS", 3)
    monkeypatch.setattr(world, "seed", "99")  # or nothing is left to train
    try:
        with pytest.raises(DataError, match=r"at most 3 .*layer: 3"):
            world.run(4, 4)
    finally:
        for folder in world.root.glob("exp/an4_*_seed99"):
            shutil.rmtree(folder)
