"""Audio towers of transformers' models beyond those of test_encoder_huggingface.py."""

import pytest
import torch
import transformers
from seed import SEED

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.huggingface import HuggingFaceEncoder, load_pretrained
from espnet_sentiment.encoder.output_size import measure_output_size

pytestmark = pytest.mark.slow

WAVE = transformers.Wav2Vec2FeatureExtractor
SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
LARGE = SMALL | {"intermediate_size": 24, "vocab_size": 20}
SEW = LARGE | {
    "squeeze_factor": 2,
    "conv_dim": (8,) * 13,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
TEXT = {
    "model_type": "qwen2",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 20,
}
TOWER = {
    "d_model": 16,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "max_source_positions": 100,
    "num_mel_bins": 80,
}

# name: model class, configuration, feature extractor
MODELS = {
    "moonshine": (
        "MoonshineForConditionalGeneration",
        lambda: transformers.MoonshineConfig(
            hidden_size=16,
            intermediate_size=24,
            encoder_num_hidden_layers=3,
            decoder_num_hidden_layers=1,
            encoder_num_attention_heads=2,
            decoder_num_attention_heads=2,
            encoder_num_key_value_heads=2,
            decoder_num_key_value_heads=2,
            vocab_size=20,
        ),
        WAVE,
    ),
    "sew": ("SEWForCTC", lambda: transformers.SEWConfig(**SEW), WAVE),
    "speecht5": (
        "SpeechT5ForSpeechToText",
        lambda: transformers.SpeechT5Config(
            hidden_size=16,
            encoder_layers=3,
            encoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_layers=1,
            decoder_attention_heads=2,
            decoder_ffn_dim=16,
            vocab_size=20,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        ),
        transformers.SpeechT5FeatureExtractor,
    ),
    "seamless": (
        "SeamlessM4TForSpeechToText",
        lambda: transformers.SeamlessM4TConfig(
            hidden_size=16,
            vocab_size=20,
            speech_encoder_layers=3,
            speech_encoder_attention_heads=2,
            speech_encoder_intermediate_size=24,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
        ),
        transformers.SeamlessM4TFeatureExtractor,
    ),
    "qwen2-audio": (
        "Qwen2AudioForConditionalGeneration",
        lambda: transformers.Qwen2AudioConfig(
            audio_config=TOWER | {"model_type": "qwen2_audio_encoder"},
            text_config=TEXT,
        ),
        transformers.WhisperFeatureExtractor,
    ),
}
# Their output has another frame rate than their layers.
APART = {"sew", "seamless", "qwen2-audio"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function that saves a model by its name and gives its folder."""
    folders = {}

    def save(name):
        if name not in folders:
            cls, config, extractor = MODELS[name]
            folder = tmp_path_factory.mktemp(name)
            torch.manual_seed(SEED)
            getattr(transformers, cls)(config()).save_pretrained(folder)
            extractor().save_pretrained(folder)
            folders[name] = folder
        return folders[name]

    return save


def load(folder, layer="weighted_sum", **conf):
    return HuggingFaceEncoder(model=str(folder), layer=layer, **conf)


@torch.no_grad()
def encode(encoder, waves, lengths):
    return encoder(*encoder.frontend(waves, lengths))[:2]


@pytest.mark.parametrize("layer", ["weighted_sum", "last", 2])
@pytest.mark.parametrize("name", MODELS)
def test_batch_gives_what_each_utterance_gives_alone(name, layer, saved, speech):
    encoder = load(saved(name), layer, subsample=3).double()
    waves, lengths = speech
    out, out_lengths = encode(encoder, waves, lengths)
    assert out.shape == (3, int(out_lengths.max()), encoder.output_size())
    for i, n in enumerate(lengths):
        alone, [m] = encode(encoder, waves[i : i + 1, :n], lengths[i : i + 1])
        assert m == out_lengths[i]
        torch.testing.assert_close(out[i, :m], alone[0], atol=1e-6, rtol=1e-5)
        assert (out[i, m:] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_layers_and_output_are_those_of_the_library(name, saved, speech):
    folder, wave = saved(name), speech[0][0]
    cls = getattr(transformers, MODELS[name][0])
    whole = cls.from_pretrained(folder, dtype=torch.float32).eval()
    audio = {
        "moonshine": lambda m: m.model.encoder,
        "sew": lambda m: m.sew,
        "speecht5": lambda m: m.speecht5.encoder,
        "seamless": lambda m: m.speech_encoder,
        "qwen2-audio": lambda m: m.get_encoder("audio"),
    }[name](whole)
    if name == "qwen2-audio":
        # All that transformers' own forward takes: as many frames as positions.
        wave = torch.cat([wave, wave, wave])[:32000]
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(
        wave.numpy(), sampling_rate=16000, return_tensors="pt", padding="longest"
    )
    with torch.no_grad():
        theirs = audio(**inputs, output_hidden_states=True)
    last, _ = encode(load(folder, "last"), wave[None], torch.tensor([len(wave)]))
    torch.testing.assert_close(last, theirs.last_hidden_state, atol=1e-5, rtol=1e-4)
    encoder = load(folder)
    ours, _ = encode(encoder, wave[None], torch.tensor([len(wave)]))
    ours = ours.unflatten(2, (encoder.n_layers, -1)).unbind(2)
    assert encoder.n_layers == (5 if name in ("moonshine",) else 4)
    for state, expected in zip(ours[:3], theirs.hidden_states[:3], strict=True):
        torch.testing.assert_close(state, expected, atol=1e-5, rtol=1e-4)
    same = ours[-1].shape == last.shape and torch.allclose(ours[-1], last, atol=1e-5)
    assert same == (name not in APART)


@pytest.mark.parametrize("name", MODELS)
def test_one_layer_is_its_slice_of_all_layers(name, saved, speech):
    every = load(saved(name))
    stacked, _ = encode(every, *speech)
    stacked = stacked.unflatten(2, (every.n_layers, every.dim))
    for layer in range(every.n_layers):
        encoder = load(saved(name), layer)
        out, _ = encode(encoder, *speech)
        torch.testing.assert_close(out, stacked[:, :, layer])


@pytest.mark.parametrize("name", MODELS)
def test_frames_are_known_without_encoding(name, saved, speech):
    waves, lengths = speech
    encoder = load(saved(name), "last", subsample=3)
    _, frames = encode(encoder, waves, lengths)
    size = measure_output_size(encoder)
    assert size.frames(lengths.numpy()).tolist() == frames.tolist()


@pytest.mark.parametrize("name", ["moonshine", "seamless", "qwen2-audio"])
def test_decoders_are_not_loaded(name, saved):
    model, _ = load_pretrained(saved(name))
    names = [key for key, _ in model.named_parameters() if "decoder" in key]
    assert not [key for key in names if not key.startswith(model.tower_path)]
    assert all(key.startswith(model.tower_path) for key in model.state_dict())
    assert not any(p.is_meta for p in model.parameters())


REFUSED = {
    "dac": (
        "DacModel",
        lambda: transformers.DacConfig(encoder_hidden_size=8, decoder_hidden_size=32),
        transformers.DacFeatureExtractor,
        "dac model.*no sequence of hidden states",
    ),
    "ast": (
        "ASTModel",
        lambda: transformers.ASTConfig(**SMALL, intermediate_size=24),
        transformers.ASTFeatureExtractor,
        "same 1024 x 128 numbers of utterances of 1 and of 3 s",
    ),
    "speecht5 without prenet": (
        "SpeechT5Model",
        MODELS["speecht5"][1],
        transformers.SpeechT5FeatureExtractor,
        "is a speecht5 model.*SpeechT5EncoderWithoutPrenet fails on plain noise",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_what_to_name_instead(name, tmp_path):
    cls, config, extractor, why = REFUSED[name]
    getattr(transformers, cls)(config()).save_pretrained(tmp_path)
    extractor().save_pretrained(tmp_path)
    with pytest.raises(DataError, match=f"{why}.*such as openai/whisper-base"):
        load(tmp_path)
