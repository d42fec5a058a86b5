"""The stages from a data directory to results, on real AN4 speech."""

import json
import shutil

import kaldiio
import numpy as np
import pytest
import torch
import yaml
from recipe_fixtures import Recipe
from seed import SEED

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.model.checkpoint import load_sentiment_model, read_checkpoint
from espnet_sentiment.scoring.layer_probe import probe_layers
from espnet_sentiment.scoring.pooled import pool
from espnet_sentiment.scoring.tables import SPEAKER

pytestmark = pytest.mark.recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs) -> Recipe:
    """Return a recipe whose stages 1 to 6 have run."""
    recipe = Recipe(tmp_path_factory.mktemp("recipe"), an4_wavs)
    recipe.run(1, 6, "--nj", "2")
    return recipe


@pytest.fixture
def fresh(tmp_path, an4_wavs) -> Recipe:
    """Return a recipe that has not run."""
    return Recipe(tmp_path, an4_wavs)


def predictions(recipe, fold="1"):
    path = recipe.exp / f"fold{fold}" / "decode" / "predictions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_results_hold_what_the_design_promises(finished, an4_wavs):
    results = read_json(finished.exp / "results.json")
    assert results["corpus"] == "an4" and results["classes"] == ["an", "cen"]
    assert results["n_utterances"] == 4 and len(results["folds"]) == 2
    assert set(results["pooled"]) == {"wa", "ua", "macro_f1", "wa_ci95", "ua_ci95"}
    assert set(results["mean"]) == {"wa", "wa_std", "ua", "ua_std"}
    assert np.sum(results["confusion"]) == 4
    assert results["human"] is None and results["majority"]["ua"] <= 0.5 + 0.5
    assert results["seconds"]["stage1"] >= 0 and results["seconds"]["stage4"] > 0
    assert {"espnet", "torch", "transformers"} <= set(results["versions"])
    assert results["config"]["resolved"]["optim_conf"]["lr"] == 1e-4
    for name in ("RESULTS.md", "confusion.png", "learning_curves.png", "layers.png"):
        assert (finished.exp / name).stat().st_size > 0
    table = (finished.root / "exp" / "RESULTS_an4.md").read_text()
    assert f"| small | small | {SEED} |" in table


def test_results_say_of_every_layer_its_weight_and_what_a_probe_finds(finished):
    layers = read_json(finished.exp / "results.json")["layers"]
    assert [layer["layer"] for layer in layers] == [0, 1, 2, 3]
    assert sum(layer["weight"] for layer in layers) == pytest.approx(1)
    assert any(layer["weight_std"] for layer in layers)
    labels = read_table(finished.data_dir / "utt2label")
    store = FeatureStore(finished.store / "clean")
    for layer, scores in zip(
        layers,
        probe_layers(pool(store), read_folds(finished.data_dir), labels),
        strict=True,
    ):
        assert {key: layer[key] for key in ("wa", "ua")} == scores
    report = (finished.exp / "RESULTS.md").read_text()
    assert "## Layers of the encoder" in report and "layers.png" in report
    # Other decoders and seeds need not probe it again.
    kept = read_json(finished.store / "probed.json")["probed"]
    assert kept["layers"][0].keys() == {"wa", "ua"}
    assert kept["regression"]["speaker"] is not None
    table = (finished.exp.parent / f"RESULTS_{finished.data_dir.name}.md").read_text()
    assert SPEAKER in table and SPEAKER in report


def test_predictions_and_attention_stand_in_one_line_an_utterance(finished):
    rows = predictions(finished)
    assert len(rows) == 2
    store = FeatureStore(finished.store / "clean")
    scp = finished.exp / "fold1" / "decode" / "attention.scp"
    attention = kaldiio.load_scp(str(scp))
    for row in rows:
        assert sum(row["posteriors"].values()) == pytest.approx(1)
        best = max(row["posteriors"], key=row["posteriors"].get)
        assert row["prediction"] == best and row["label"] in ("an", "cen")
        weights = attention[row["utt"]]
        assert weights.shape == (2, store.n_frames(row["utt"]))
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_a_second_run_does_nothing(finished, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.root.rglob("*") if p.is_file()}
    finished.run(1, 6)
    after = {p: p.stat().st_mtime_ns for p in finished.root.rglob("*") if p.is_file()}
    changed = {p.name for p in after if after[p] != before.get(p)}
    changed -= {name for name in changed if name.endswith(".lock")}
    assert changed <= {"RESULTS_an4.md"}
    assert capsys.readouterr().err.count("up to date") == 3 + 2 + 2 + 1


def test_the_checkpoint_holds_the_decoder_and_a_reference_to_the_encoder(finished):
    checkpoint = read_checkpoint(finished.exp / "fold1" / "sentiment.pth")
    assert not any("encoder" in key for key in checkpoint["state_dict"])
    assert checkpoint["encoder"]["path"] == str(finished.model)
    assert len(checkpoint["encoder"]["sha256"]) == 64
    leftovers = {p.name for p in (finished.exp / "fold1").glob("*.pth")}
    assert leftovers == {"sentiment.pth"}


def test_audio_gives_the_posteriors_of_the_stored_features(finished, an4_wavs):
    import soundfile

    model = load_sentiment_model(finished.exp / "fold1" / "sentiment.pth")
    by_utt = {f"{w.parent.name}-{w.stem}": w for w in an4_wavs}
    for row in predictions(finished):
        audio, _ = soundfile.read(by_utt[row["utt"]], dtype="float32")
        speech = torch.from_numpy(audio)[None]
        with torch.no_grad():
            logits, _ = model.classify(speech, torch.tensor([len(audio)]))
        expected = torch.tensor(list(row["posteriors"].values()))
        torch.testing.assert_close(
            logits.softmax(-1)[0], expected.float(), atol=2e-3, rtol=0
        )


def test_the_same_seed_gives_the_same_numbers_however_many_processes(finished, fresh):
    fresh.run(1, 5, "--nj", "1")
    for fold in ("1", "2"):
        assert predictions(fresh, fold) == predictions(finished, fold)


def test_a_training_killed_between_epochs_ends_with_the_same_numbers(
    finished, fresh, monkeypatch
):
    from espnet_sentiment.tasks.sentiment_trainer import SentimentTrainer
    from espnet_sentiment.train import fold_trainer

    fresh.run(1, 3)
    monkeypatch.setattr(fold_trainer, "INTERVAL", 0.0)
    validate = SentimentTrainer.validate_one_epoch.__func__
    calls = []

    def die_in_the_second_epoch(cls, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return validate(cls, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(
            SentimentTrainer, "validate_one_epoch", classmethod(die_in_the_second_epoch)
        )
        with pytest.raises(KeyboardInterrupt):
            fresh.run(4, 4, "--nj", "1")
    assert (fresh.exp / "fold1" / fold_trainer.STATE).exists()
    fresh.run(4, 5, "--nj", "1")
    assert "goes on after epoch 1" in (fresh.exp / "fold1" / "train.log").read_text()
    assert predictions(fresh) == predictions(finished)


def test_a_half_written_training_state_starts_the_fold_again(finished, fresh):
    fresh.run(1, 3)
    fold = fresh.exp / "fold1"
    fold.mkdir(parents=True)
    (fold / "training.pth").write_bytes(b"PK half a file")
    fresh.run(4, 5)
    assert predictions(fresh) == predictions(finished)


def test_encoding_killed_between_shards_ends_with_the_same_store(
    finished, fresh, monkeypatch
):
    from espnet_sentiment.data.feature_store import StoreWriter
    from espnet_sentiment.encoder import encode

    monkeypatch.setattr(encode, "UTTS_PER_SHARD", 3)
    write = StoreWriter.write
    written = []

    def die_at_the_fifth_shard(self, number, features):
        written.append(self.root)
        if len(written) == 5:
            raise KeyboardInterrupt
        write(self, number, features)

    fresh.run(1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "write", die_at_the_fifth_shard)
        with pytest.raises(KeyboardInterrupt):
            fresh.run(3, 3)
    fresh.run(3, 3)
    interrupted = {
        root: FeatureStore(root) for root in sorted(fresh.store.rglob("view*"))
    }
    for plan in fresh.store.glob("encode-*.json"):
        plan.unlink()
    kept = {root: {u: store[u] for u in store} for root, store in interrupted.items()}
    for root in kept:
        for shard in root.iterdir():
            shard.unlink()
    fresh.run(3, 3)
    for root, features in kept.items():
        again = FeatureStore(root)
        for utt, array in features.items():
            np.testing.assert_array_equal(again[utt], array)


def test_a_changed_option_trains_again_and_the_store_stays(
    finished, an4_wavs, tmp_path
):
    recipe = Recipe(tmp_path, an4_wavs)
    recipe.run(1, 4)
    shards = {p: p.stat().st_mtime_ns for p in recipe.store.rglob("shard.*")}
    config = yaml.safe_load(recipe.sentiment.read_text())
    recipe.sentiment.write_text(yaml.safe_dump({**config, "max_epoch": 1}))
    recipe.run(1, 6)
    assert len(read_json(recipe.exp / "fold1" / "history.json")["valid_ua"]) == 1
    assert shards == {p: p.stat().st_mtime_ns for p in recipe.store.rglob("shard.*")}


def test_a_changed_encoder_is_refused_and_named(fresh):
    fresh.run(1, 4)
    weights = fresh.model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DataError, match=f"{fresh.model} is not the encoder.*SHA-256"):
        load_sentiment_model(fresh.exp / "fold1" / "sentiment.pth")


def test_the_fbank_baseline_runs_through_the_same_stages(fresh):
    fresh.encoder.write_text("encoder: none\nencoder_conf: {subsample: 8}\n")
    fresh.run(1, 6)
    assert FeatureStore(fresh.store / "clean").dim == 80
    assert read_json(fresh.exp / "results.json")["n_utterances"] == 4


def test_class_weights_and_label_smoothing_reach_the_loss(fresh):
    config = yaml.safe_load(fresh.sentiment.read_text())
    config["model_conf"] = {"class_weights": "balanced", "label_smoothing": 0.1}
    fresh.sentiment.write_text(yaml.safe_dump({**config, "specaug": None}))
    fresh.run(1, 4)
    resolved = yaml.safe_load((fresh.exp / "fold1" / "config.yaml").read_text())
    weights = resolved["model_conf"]["class_weights"]
    assert len(weights) == 2 and weights[0] != weights[1]
    assert not list(fresh.store.rglob("view*"))


def test_stage_6_probes_a_store_that_is_there_again_and_keeps_what_one_told(
    fresh, capsys
):
    fresh.run(1, 6)
    first = read_json(fresh.exp / "results.json")["regression"]
    shutil.rmtree(fresh.store)
    capsys.readouterr()
    fresh.run(6, 6)  # the store is not needed any more
    assert "up to date" in capsys.readouterr().err
    assert read_json(fresh.exp / "results.json")["regression"] == first
    (fresh.exp / "results.json").unlink()
    fresh.run(6, 6)
    assert "run stages 3 and 6 for it" in capsys.readouterr().err
    assert read_json(fresh.exp / "results.json")["regression"] is None
    assert not (fresh.exp / "regression.jsonl").exists()
    fresh.run(3, 3)
    fresh.run(6, 6)
    assert read_json(fresh.exp / "results.json")["regression"] == first
