"""load_model: a trained model as a torch module."""

import pytest
import soundfile
import torch
from pack_fixtures import write_fold

from espnet_sentiment import load_model
from espnet_sentiment.core.errors import DataError

FBANK = {"encoder": None, "encoder_conf": {}}


@pytest.fixture(name="experiment", scope="module")
def trained_experiment(tmp_path_factory):
    exp = tmp_path_factory.mktemp("recipe") / "exp" / "an4_fbank_rnn_attention_seed0"
    write_fold(exp / "fold1", FBANK, 80)
    return exp


def test_audio_becomes_logits_attention_and_frames(experiment, an4_wavs):
    model = load_model(experiment)
    assert not model.training
    samples, rate = soundfile.read(an4_wavs[0], dtype="float32")
    assert model.encoder.encoder.sample_rate == rate
    speech = torch.from_numpy(samples).expand(2, -1)
    lengths = torch.tensor([len(samples), len(samples) // 2])
    logits, attention = model.classify(speech, lengths, with_attention=True)
    feats, feat_lengths = model.encode(speech, lengths)
    assert logits.shape == (2, len(model.token_list))
    assert attention.shape[0] == 2 and attention.shape[2] == feats.shape[1]
    assert feat_lengths.tolist() == (attention.sum(dim=1) > 0).sum(dim=1).tolist()
    assert feats.shape == (2, int(feat_lengths.max()), 80)


def test_the_encoder_stays_frozen(experiment):
    model = load_model(experiment / "fold1").train()
    assert model.training and not model.encoder.encoder.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_wrong_name_or_fold_is_an_error(experiment, tmp_path):
    with pytest.raises(DataError, match="does not exist: a model is"):
        load_model(tmp_path / "gone")
    with pytest.raises(DataError, match="9"):
        load_model(experiment, fold="9")
