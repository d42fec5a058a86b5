"""A fold's training step, and a fold's decoding, on another device than the CPU.

``meta`` is one that every machine has: it refuses what mixes devices as CUDA does.
"""

import numpy as np
import pytest
import torch
from espnet2.layers.global_mvn import GlobalMVN

from espnet_sentiment.decoder.choices import DECODERS
from espnet_sentiment.layers.speaker_mvn import SpeakerMVN
from espnet_sentiment.model.sentiment_model import SentimentModel
from espnet_sentiment.model.text_encoder import LSTMTextEncoder
from espnet_sentiment.tasks.sentiment import decoder_choices

pytestmark = pytest.mark.espnet
DIM, CLASSES = 8, ["anger", "neutral"]


def _stats(folder, n_layers):
    size = n_layers * DIM
    path = folder / "feats_stats.npz"
    np.savez(path, count=4, sum=np.ones(size), sum_square=np.full(size, 4.0))
    return str(path)


def _model(decoder, normalize, n_layers, **branch):
    return SentimentModel(
        token_list=CLASSES,
        frontend=None,
        specaug=None,
        encoder=None,
        normalize=normalize,
        decoder=decoder_choices.get_class(decoder)(
            len(CLASSES), encoder_output_size=DIM
        ),
        n_layers=n_layers,
        class_weights=[1.0, 2.0],
        **branch,
    ).to("meta")


def _batch(n_layers):
    lengths = [30, 21, 9]
    return {
        "speech": [torch.ones(n, n_layers * DIM, device="meta") for n in lengths],
        "speech_lengths": torch.tensor(lengths, device="meta"),
        "label": torch.tensor([[0], [1], [0]], device="meta"),
    }


def _step(model, **batch):
    loss, stats, _ = model(**batch)
    loss.backward()
    assert {x.device.type for x in (loss, *stats.values())} == {"meta"}
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("decoder", sorted(DECODERS))
def test_a_training_step_computes_on_the_models_device(tmp_path, decoder, n_layers):
    model = _model(decoder, GlobalMVN(_stats(tmp_path, n_layers)), n_layers)
    _step(model, **_batch(n_layers))


@pytest.mark.parametrize("n_layers", [1, 3])
def test_speakers_and_votes_are_learned_on_the_models_device(tmp_path, n_layers):
    model = _model("stats_pooling", SpeakerMVN(_stats(tmp_path, n_layers)), n_layers)
    speaker = torch.ones(3, 2, n_layers * DIM, device="meta")
    votes = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]], device="meta")
    batch = _batch(n_layers) | {"speaker": speaker, "votes": votes}
    _step(model, **batch)
    _step(model, **{k: v for k, v in batch.items() if k != "label"})


def test_transcripts_are_read_on_the_models_device(tmp_path):
    branch = {"text_encoder": LSTMTextEncoder(5), "fusion_size": len(CLASSES)}
    model = _model("cnn_pooling", GlobalMVN(_stats(tmp_path, 1)), 1, **branch)
    text = torch.tensor([[1, 2, 3], [4, -1, -1], [2, 2, -1]], device="meta")
    lengths = torch.tensor([3, 1, 2], device="meta")
    # The branch alone: the model cuts batches by a length, a number that meta lacks.
    model.text_encoder(text, lengths).sum().backward()
    assert {p.grad.device.type for p in model.text_encoder.parameters()} == {"meta"}


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("decoder", sorted(DECODERS))
def test_decoding_computes_on_the_models_device(tmp_path, decoder, n_layers):
    model = _model(decoder, GlobalMVN(_stats(tmp_path, n_layers)), n_layers).eval()
    batch = _batch(n_layers)
    del batch["label"]
    logits, attention = model.classify(**batch, with_attention=model.has_attention)
    assert logits.device.type == "meta" and logits.shape == (3, len(CLASSES))
    assert attention is None or attention.device.type == "meta"
