"""References from a sentiment checkpoint to its encoder."""

import hashlib
import os

import numpy as np
import pytest
import transformers
import yaml

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder import reference
from espnet_sentiment.encoder.reference import (
    EncoderMismatchError,
    encoder_reference,
    verify_reference,
)


@pytest.fixture
def model(tmp_path):
    """Save a small HuBERT, and a file that does not define it."""
    folder = tmp_path / "hubert"
    config = transformers.HubertConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        conv_dim=(4,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=1,
        vocab_size=5,
    )
    transformers.HubertModel(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    (folder / "README.md").write_text("A model.")
    return folder


def refer(model):
    return encoder_reference("huggingface", {"model": str(model), "layer": 1})


def test_hash_is_that_of_sha256sum_over_weights_and_configurations(model):
    names = ["config.json", "model.safetensors", "preprocessor_config.json"]
    lines = [
        f"{hashlib.sha256((model / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
    ]
    assert refer(model) == {
        "name": "huggingface",
        "path": str(model),
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }


def test_an_unchanged_encoder_is_accepted_wherever_it_lies(model):
    made = refer(model)
    verify_reference(made)
    (model / "README.md").write_text("Another text.")
    moved = model.rename(model.with_name("moved"))
    verify_reference(made, moved)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_changed_file_is_refused_with_both_hashes(model, name):
    made = refer(model)
    data = bytearray((model / name).read_bytes())
    data[-2] ^= 1
    (model / name).write_bytes(data)
    # Of the same size, and as if at the same moment a second later.
    stat = (model / name).stat()
    os.utime(model / name, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    with pytest.raises(EncoderMismatchError) as error:
        verify_reference(made)
    message = str(error.value)
    assert str(model) in message
    assert made["sha256"] in message
    assert refer(model)["sha256"] in message
    assert "Point --encoder_model to the original, or train again" in message
    assert isinstance(error.value, RuntimeError)


def test_a_missing_encoder_is_named(model):
    made = refer(model)
    model.rename(model.with_name("moved"))
    with pytest.raises(DataError, match=f"{model} is missing.*--encoder_model"):
        verify_reference(made)


def test_missing_weights_are_named(model):
    made = refer(model)
    (model / "model.safetensors").unlink()
    with pytest.raises(DataError, match="model.safetensors is missing"):
        verify_reference(made)


def test_a_file_is_read_once_a_process(model, monkeypatch):
    made = refer(model)
    monkeypatch.setattr(reference.hashlib, "file_digest", None)
    assert refer(model) == made


def test_none_is_referred_to_by_its_parameters(monkeypatch):
    made = encoder_reference(None, {})
    assert made == encoder_reference("none", {"subsample": 4})
    assert made["path"] is None
    verify_reference(made)
    monkeypatch.setitem(reference.FBANK_OPTIONS, "num_mel_bins", 40)
    with pytest.raises(EncoderMismatchError, match="fbank is not the encoder"):
        verify_reference(made)


@pytest.fixture
def experiment(tmp_path):
    """Lay out files as ESPnet does; a reference does not load them."""
    folder = tmp_path / "exp/asr"
    folder.mkdir(parents=True)
    stats = {"stats_file": "exp/stats.npz"}
    config = {"normalize": "global_mvn", "normalize_conf": stats}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "valid.acc.ave.pth").write_bytes(b"weights")
    (folder / "1epoch.pth").write_bytes(b"others")
    np.savez(tmp_path / "exp/stats.npz", count=1)
    return folder


def test_espnet_experiment_is_its_config_checkpoint_and_statistics(experiment):
    def sha256():
        return encoder_reference("espnet", {"model": str(experiment)})["sha256"]

    made = sha256()
    (experiment / "1epoch.pth").write_bytes(b"changed")
    assert sha256() == made
    (experiment / "valid.acc.ave.pth").write_bytes(b"new weights")
    changed = sha256()
    assert changed != made
    np.savez(experiment.parent / "stats.npz", count=2, sum=3)
    assert sha256() not in (made, changed)


def test_packed_model_is_referred_to_by_its_own_hash(tmp_path):
    archive = tmp_path / "model.zip"
    archive.write_bytes(b"packed")
    made = encoder_reference("espnet", {"model": str(archive)})
    assert made["sha256"] == hashlib.sha256(b"packed").hexdigest()
    assert made["path"] == str(archive)
