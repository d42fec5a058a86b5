"""One product for queries, keys and values gives what three gave."""

import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from espnet_sentiment.encoder.fused_attention import FusedAttention, fuse_attention

SEED, FRAMES, CHANNELS = 0, 9, 64
SMALL = {
    "hidden_size": CHANNELS,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
    "num_attention_heads": 4,
}


def whisper():
    config = WhisperConfig(
        d_model=CHANNELS,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=32,
        attn_implementation="sdpa",
    )
    return WhisperEncoder(config)


def wav2vec2(model, config, **kwargs):
    config = config(**SMALL, num_conv_pos_embeddings=16, **kwargs)
    config._attn_implementation = "sdpa"
    return model(config).encoder


ENCODERS = {
    "whisper": whisper,
    "wav2vec2": lambda: wav2vec2(Wav2Vec2Model, Wav2Vec2Config),
    "wav2vec2, norm first": lambda: wav2vec2(
        Wav2Vec2Model, Wav2Vec2Config, do_stable_layer_norm=True
    ),
    "hubert": lambda: wav2vec2(HubertModel, HubertConfig),
}


def with_random_biases(encoder):
    """Biases begin as zeros, which would hide that one is lost."""
    for name, parameter in encoder.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return encoder.eval().requires_grad_(False)


@pytest.mark.parametrize("name", list(ENCODERS))
@pytest.mark.parametrize("masked", [False, True])
def test_layers_give_the_same(name, masked):
    torch.manual_seed(SEED)
    encoder = with_random_biases(ENCODERS[name]())
    x = torch.randn(3, FRAMES, CHANNELS)
    mask = None
    if masked:
        lengths = torch.tensor([FRAMES, 5, 1])
        mask = (torch.arange(FRAMES) < lengths[:, None])[:, None, None]
        mask = mask.expand(3, 1, FRAMES, FRAMES)

    def run():
        out = x
        for layer in encoder.layers:
            out = layer(out, attention_mask=mask)
            out = out[0] if isinstance(out, tuple) else out
        return out

    expected = run()
    fuse_attention(encoder)
    n_fused = sum(isinstance(m, FusedAttention) for m in encoder.modules())
    assert n_fused == len(encoder.layers)
    torch.testing.assert_close(run(), expected, rtol=1e-5, atol=1e-6)


def test_other_attention_stays_as_it_is():
    encoder = WavLMModel(WavLMConfig(**SMALL, num_conv_pos_embeddings=16))
    before = list(map(type, encoder.modules()))
    fuse_attention(encoder)
    assert list(map(type, encoder.modules())) == before


def test_attention_that_shows_its_weights_stays_as_it_is():
    encoder = whisper()
    encoder.set_attn_implementation("eager")
    fuse_attention(encoder)
    assert not any(isinstance(m, FusedAttention) for m in encoder.modules())
