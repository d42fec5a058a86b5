"""Encoders of the transformers library, saved and loaded by its own code."""

import json
import os
import shutil
import subprocess
import sys

import huggingface_hub
import pytest
import safetensors.torch
import soundfile
import torch
import transformers
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from seed import SEED
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.huggingface import HuggingFaceEncoder, load_pretrained
from espnet_sentiment.encoder.output_size import measure_output_size

# WavLM gives torch's attention two kinds of masks.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Support for mismatched key_padding"),
]

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
WAV2VEC2 = SMALL | {
    "intermediate_size": 24,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 20,
    "mask_time_prob": 0.5,
}
PARAKEET = SMALL | {
    "intermediate_size": 24,
    "subsampling_conv_channels": 4,
    "num_mel_bins": 80,
    "scale_input": False,
}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_source_positions": 50,
    "max_target_positions": 8,
    "vocab_size": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "dropout": 0.1,
}
WAVE = transformers.Wav2Vec2FeatureExtractor
STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}

# name: model class (a name, since its module takes seconds to import), configuration,
# feature extractor
MODELS = {
    "whisper": (
        "WhisperForConditionalGeneration",
        transformers.WhisperConfig(**WHISPER),
        transformers.WhisperFeatureExtractor(),
    ),
    "wav2vec2-group": (
        "Wav2Vec2ForCTC",
        transformers.Wav2Vec2Config(**WAV2VEC2),
        WAVE(),
    ),
    "wav2vec2-layer": (
        "Wav2Vec2Model",
        transformers.Wav2Vec2Config(**WAV2VEC2, **STABLE),
        WAVE(do_normalize=True, return_attention_mask=True),
    ),
    "hubert": (
        "HubertModel",
        transformers.HubertConfig(**WAV2VEC2),
        WAVE(do_normalize=False),
    ),
    "hubert-batch-norm": (
        "HubertModel",
        transformers.HubertConfig(**WAV2VEC2, conv_pos_batch_norm=True),
        WAVE(),
    ),
    "wavlm": (
        "WavLMModel",
        transformers.WavLMConfig(**WAV2VEC2),
        WAVE(),
    ),
    "wavlm-layer": (
        "WavLMModel",
        transformers.WavLMConfig(**WAV2VEC2, **STABLE),
        WAVE(),
    ),
    "unispeech-sat": (
        "UniSpeechSatModel",
        transformers.UniSpeechSatConfig(**WAV2VEC2),
        WAVE(),
    ),
    "data2vec": (
        "Data2VecAudioModel",
        transformers.Data2VecAudioConfig(**WAV2VEC2),
        WAVE(),
    ),
    "speech2text": (
        "Speech2TextForConditionalGeneration",
        transformers.Speech2TextConfig(
            **{k: v for k, v in WHISPER.items() if k != "max_source_positions"},
            conv_channels=16,
        ),
        transformers.Speech2TextFeatureExtractor(),
    ),
    "parakeet-encoder": (
        "ParakeetEncoder",
        transformers.ParakeetEncoderConfig(**PARAKEET),
        transformers.ParakeetFeatureExtractor(),
    ),
    "parakeet-ctc": (
        "ParakeetForCTC",
        transformers.ParakeetCTCConfig(
            encoder_config=PARAKEET, vocab_size=20, pad_token_id=0
        ),
        transformers.ParakeetFeatureExtractor(),
    ),
    "parakeet-rnnt": (
        "ParakeetForRNNT",
        transformers.ParakeetRNNTConfig(
            encoder_config=PARAKEET,
            vocab_size=20,
            pad_token_id=0,
            blank_token_id=19,
            decoder_hidden_size=8,
        ),
        transformers.ParakeetFeatureExtractor(),
    ),
    "wav2vec2-bert": (
        "Wav2Vec2BertModel",
        transformers.Wav2Vec2BertConfig(
            **SMALL,
            intermediate_size=24,
            feature_projection_input_dim=160,
            conv_depthwise_kernel_size=5,
        ),
        transformers.SeamlessM4TFeatureExtractor(),
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function that saves a model by its name and gives its folder."""
    folders = {}

    def save(name):
        if name not in folders:
            cls, config, extractor = MODELS[name]
            folder = tmp_path_factory.mktemp(name)
            torch.manual_seed(SEED)
            model = getattr(transformers, cls)(config)
            for buffer in model.buffers():
                # Batch norms that have seen data: padding of zeros does not stay zero.
                if buffer.is_floating_point() and buffer.ndim == 1:
                    buffer.add_(0.3)
            model.save_pretrained(folder)
            extractor.save_pretrained(folder)
            folders[name] = folder
        return folders[name]

    return save


def load(folder, layer="weighted_sum", **conf):
    return HuggingFaceEncoder(model=str(folder), layer=layer, **conf)


@torch.no_grad()
def encode(encoder, waves, lengths):
    return encoder(*encoder.frontend(waves, lengths))[:2]


@pytest.mark.parametrize("name", MODELS)
def test_batch_gives_what_each_utterance_gives_alone(name, saved, speech):
    encoder = load(saved(name), subsample=3).double()
    waves, lengths = speech
    with torch.no_grad():
        feats, feat_lengths = encoder.frontend(waves, lengths)
        # Whatever lies on padding, SpecAugment's mean value for one, is not read.
        dirty = torch.nn.functional.pad(feats, (0, 0, 0, 5))
        for x, n in zip(dirty, feat_lengths.tolist(), strict=True):
            x[n:] = 7.0
        out, out_lengths, _ = encoder(dirty, feat_lengths)
    assert out.shape == (3, int(out_lengths.max()), encoder.output_size())
    for i, n in enumerate(lengths):
        alone, [m] = encode(encoder, waves[i : i + 1, :n], lengths[i : i + 1])
        assert m == out_lengths[i]
        torch.testing.assert_close(out[i, :m], alone[0], atol=1e-6, rtol=1e-5)
        assert (out[i, m:] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_utterances_are_encoded_together_where_padding_is_masked(name, saved):
    leaks = ("hubert-batch-norm", "data2vec", "speech2text")
    assert load(saved(name)).masks_padding == (name not in leaks)


@pytest.mark.parametrize("name", MODELS)
def test_layers_are_those_of_the_library(name, saved, speech):
    folder = saved(name)
    wave = speech[0][0]
    encoder = load(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    if name.startswith(("whisper", "parakeet", "speech2text")):
        model = model.get_encoder()
    if name == "whisper":
        # All that transformers' own forward takes: as many frames as positions.
        wave = torch.cat([wave, wave])[:16000]
    inputs = extractor(
        wave.numpy(), sampling_rate=16000, return_tensors="pt", padding="longest"
    )
    with torch.no_grad():
        theirs = model(**inputs, output_hidden_states=True)
    ours, _ = encode(encoder, wave[None], torch.tensor([len(wave)]))
    ours = ours.unflatten(2, (encoder.n_layers, -1)).unbind(2)
    # transformers may have put the final layer norm in the place of the last layer.
    for state, expected in zip(ours[:3], theirs.hidden_states[:3], strict=True):
        torch.testing.assert_close(state, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours[-1], theirs.last_hidden_state, atol=1e-5, rtol=1e-4)
    normed = ("whisper", "speech2text", "wav2vec2-layer", "wavlm-layer")
    assert encoder.n_layers == (5 if name in normed else 4)


@pytest.mark.parametrize("name", ["whisper", "wav2vec2-layer", "parakeet-ctc"])
def test_one_layer_is_its_slice_of_all_layers(name, saved, speech):
    every = load(saved(name))
    stacked, _ = encode(every, *speech)
    stacked = stacked.unflatten(2, (every.n_layers, every.dim))
    for layer in [*range(every.n_layers), "last"]:
        encoder = load(saved(name), layer)
        assert encoder.n_layers == 1
        assert encoder.output_size() == encoder.dim == 16
        out, _ = encode(encoder, *speech)
        index = -1 if layer == "last" else layer
        torch.testing.assert_close(out, stacked[:, :, index])


@pytest.mark.parametrize("name", ["whisper", "wav2vec2-layer", "parakeet-ctc"])
@pytest.mark.parametrize("layers", [[1], [0, 2], [1, 2, 3]])
def test_chosen_layers_stand_side_by_side(name, layers, saved, speech):
    every = load(saved(name))
    stacked, _ = encode(every, *speech)
    stacked = stacked.unflatten(2, (every.n_layers, every.dim))
    encoder = load(saved(name), layers)
    assert encoder.n_layers == len(layers)
    out, _ = encode(encoder, *speech)
    torch.testing.assert_close(out, stacked[:, :, layers].flatten(2))


def test_layers_above_those_read_are_not_kept(saved):
    n_weights = [
        sum(p.numel() for p in load(saved("wavlm"), layer).parameters())
        for layer in (1, [0, 1], 2, [0, 2], "last")
    ]
    assert n_weights == sorted(n_weights) and n_weights[0] == n_weights[1]
    assert n_weights[1] < n_weights[2] == n_weights[3] < n_weights[4]


@pytest.mark.parametrize("layer", [-1, 5, "first", True, [], [1, 5], [1, "last"]])
def test_layer_out_of_range_says_how_many_there_are(saved, layer):
    with pytest.raises(ValueError, match=r"has 5 layers.* 0 .* to 4"):
        load(saved("whisper"), layer)


@pytest.mark.parametrize("layers", [[2, 1], [1, 1]])
def test_layers_are_named_once_and_from_below(saved, layers):
    remedy = r"once, the lowest first: \[1(, 2)?\]$"
    with pytest.raises(ValueError, match=remedy):
        load(saved("whisper"), layers)


PROGRAM = """
import sys
from espnet_sentiment.core.entry import prepare_imports
prepare_imports()
import torch
from espnet_sentiment.encoder.huggingface import HuggingFaceEncoder
waves, lengths = torch.load("speech.pt")
states = []
unused = "torch._dynamo torch.distributed.tensor torch.distributed.fsdp sympy scipy"
torch.set_num_threads(int(sys.argv[1]))  # on which the last bits depend
for folder in sys.argv[2:]:
    encoder = HuggingFaceEncoder(folder, layer="weighted_sum")
    with torch.no_grad():
        states.append(encoder(*encoder.frontend(waves, lengths))[0])
    print([name for name in unused.split() if name in sys.modules])
torch.save(states, "states.pt")
"""


def test_programs_encode_the_same_without_what_no_encoder_uses(saved, speech, tmp_path):
    """Should it fail behind an update, see tests/test_lazy_imports.py."""
    torch.save(speech, tmp_path / "speech.pt")
    threads = str(torch.get_num_threads())
    folders = (str(saved(name)) for name in MODELS)
    argv = [sys.executable, "-c", PROGRAM, threads, *folders]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    first, *others = ran.stdout.splitlines()
    # PyTorch normalises the weights of convolutions on its device meta by SymPy.
    assert next(iter(MODELS)) == "whisper" and first == "[]"
    assert {*others} == {"['sympy']"}
    for name, states in zip(MODELS, torch.load(tmp_path / "states.pt"), strict=True):
        here = encode(load(saved(name)), *speech)[0]
        # Where in memory weights lie may decide on last bits.
        torch.testing.assert_close(states, here, rtol=1e-5, atol=1e-5, msg=name)


def test_decoder_of_a_whisper_is_neither_built_nor_read(saved, tmp_path):
    shutil.copytree(saved("whisper"), tmp_path, dirs_exist_ok=True)
    model, _ = load_pretrained(tmp_path)
    assert {name.split(".")[0] for name in model.state_dict()} == {"encoder"}
    file = tmp_path / "model.safetensors"
    weights = safetensors.torch.load_file(file)
    kept = {name: w for name, w in weights.items() if ".encoder." in f".{name}"}
    assert len(kept) < len(weights)
    safetensors.torch.save_file(kept, file, {"format": "pt"})
    again, _ = load_pretrained(tmp_path)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("subsample", [1, 3])
def test_frames_are_known_without_encoding(name, subsample, saved, speech):
    waves, lengths = speech
    encoder = load(saved(name), "last", subsample=subsample)
    _, frames = encode(encoder, waves, lengths)
    size = measure_output_size(encoder)
    assert size.frames(lengths.numpy()).tolist() == frames.tolist()
    assert (size.n_layers, size.dim) == (1, encoder.output_size())


@pytest.mark.parametrize("name", MODELS)
def test_front_end_is_described(name, saved, speech):
    encoder = load(saved(name), "last")
    waves, lengths = speech
    feats, feat_lengths = encoder.frontend(waves, lengths)
    assert feats.size(2) == encoder.input_size == encoder.frontend.output_size()
    seconds = feat_lengths * encoder.frame_shift
    assert (seconds - lengths / encoder.sample_rate).abs().max() <= 0.035
    assert encoder.input_kind == "audio"


@pytest.mark.parametrize("name", MODELS)
def test_shortest_utterance_is_encoded_and_a_shorter_one_named(name, saved, speech):
    encoder = load(saved(name), "last")
    waves, n = speech[0][:2], encoder.min_samples
    out, lengths = encode(encoder, waves, torch.tensor([n + 1000, n]))
    assert out.isfinite().all()
    assert lengths[1] >= 1
    with pytest.raises(TooShortUttError, match=rf"utterance 1 .* {n - 1} samples"):
        encoder.frontend(waves, torch.tensor([n, n - 1]))


def test_no_frames_are_too_few(saved):
    encoder = load(saved("whisper"), "last")
    with pytest.raises(TooShortUttError, match="utterance 1 .* 0 frames") as error:
        encoder(torch.zeros(2, 4, 80), torch.tensor([4, 0]))
    assert (error.value.actual_size, error.value.limit) == (0, 1)


def test_whisper_encodes_long_speech_in_windows(saved):
    # This model has positions for 1 s; the utterances are of 2.3, 0.7 and 2 s.
    encoder = load(saved("whisper"), "last").double()
    torch.manual_seed(SEED)
    lengths = torch.tensor([230, 70, 200])
    feats = torch.randn(3, 230, 80, dtype=torch.double)
    with torch.no_grad():
        out, out_lengths, _ = encoder(feats, lengths)
        assert out_lengths.tolist() == [115, 35, 100]
        for i, start, end in [(0, 0, 100), (0, 200, 230), (1, 0, 70), (2, 100, 200)]:
            size = torch.tensor([end - start])
            window, n, _ = encoder(feats[i : i + 1, start:end], size)
            at = start // 2
            torch.testing.assert_close(out[i, at : at + int(n)], window[0])


def test_whisper_is_not_padded_to_30_seconds(saved, speech):
    encoder = load(saved("whisper"), "last")
    feats, lengths = encoder.frontend(*speech)
    assert feats.size(1) == 90
    assert lengths.tolist() == [90, 40, 65]


def test_whisper_leaves_its_decoder_behind(saved):
    encoder = load(saved("whisper"), "last")
    assert not [name for name, _ in encoder.named_parameters() if "decoder" in name]


def test_half_precision_files_are_loaded_as_float32(saved, tmp_path):
    source = saved("whisper")
    model = transformers.WhisperForConditionalGeneration.from_pretrained(source)
    model.half().save_pretrained(tmp_path)
    MODELS["whisper"][2].save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    assert {p.dtype for p in load(tmp_path).parameters()} == {torch.float32}


def test_pickled_weights_are_read_where_there_is_nothing_safer(saved, speech, tmp_path):
    source = saved("hubert")
    for file in source.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = safetensors.torch.load_file(source / "model.safetensors")
    torch.save(weights, tmp_path / "pytorch_model.bin")
    expected, _ = encode(load(source), *speech)
    out, _ = encode(load(tmp_path), *speech)
    torch.testing.assert_close(out, expected)


def copy_without(source, target, name):
    for file in source.iterdir():
        if file.name != name:
            (target / file.name).write_bytes(file.read_bytes())


@pytest.mark.parametrize(
    "name", ["config.json", "preprocessor_config.json", "model.safetensors"]
)
def test_a_missing_file_is_named(saved, tmp_path, name):
    copy_without(saved("whisper"), tmp_path, name)
    with pytest.raises(DataError, match=f"{tmp_path / name} is missing.*encoder_model"):
        load(tmp_path)


def test_a_missing_weight_is_named(saved, tmp_path):
    copy_without(saved("whisper"), tmp_path, "model.safetensors")
    file = saved("whisper") / "model.safetensors"
    weights = safetensors.torch.load_file(file)
    del weights["model.encoder.layers.1.fc1.weight"]
    safetensors.torch.save_file(weights, tmp_path / file.name, {"format": "pt"})
    with pytest.raises(DataError, match=r"lacks 1 .*encoder\.layers\.1\.fc1\.weight"):
        load(tmp_path)


def test_truncated_weights_are_named(saved, tmp_path):
    copy_without(saved("whisper"), tmp_path, "model.safetensors")
    data = (saved("whisper") / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=f"{tmp_path} cannot be loaded"):
        load(tmp_path)


def test_a_file_is_no_model(saved):
    with pytest.raises(DataError, match="is not a directory"):
        load(saved("whisper") / "config.json")


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_of_the_hub_is_read_from_its_cache(
    saved, speech, monkeypatch, tmp_path, weights
):
    # The layout of the Hub's own cache, after a download.
    cache = tmp_path / "models--acme--ears"
    snapshot = cache / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text(snapshot.name)
    copy_without(saved("hubert"), snapshot, "model.safetensors")
    tensors = safetensors.torch.load_file(saved("hubert") / "model.safetensors")
    if weights == "model.safetensors":
        safetensors.torch.save_file(tensors, snapshot / weights, {"format": "pt"})
    else:
        torch.save(tensors, snapshot / weights)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    encoder = load("acme/ears", download_dir=str(tmp_path))
    assert encoder.name == str(snapshot)
    expected, _ = encode(load(saved("hubert")), *speech)
    torch.testing.assert_close(encode(encoder, *speech)[0], expected)


def test_an_unknown_name_says_what_to_do_offline(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="no encoder at acme/ears.*--encoder_model"):
        load("acme/ears", download_dir=str(tmp_path))


def test_a_path_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=f"no encoder at {tmp_path}/gone"):
        load(tmp_path / "gone")


def test_an_adapter_is_not_read(tmp_path, speech):
    cls, config, extractor = MODELS["wav2vec2-bert"]
    config = type(config)(**(config.to_dict() | {"add_adapter": True}))
    getattr(transformers, cls)(config).save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="ends in an adapter.*set layer"):
        load(tmp_path, "last")
    assert load(tmp_path, "weighted_sum").n_layers == 4


@pytest.fixture(scope="module")
def real_speech(emodb_dir):
    """Return four real emotional utterances and their lengths."""
    paths = sorted((emodb_dir / "wav").glob("*.wav"))[::150]
    waves = [torch.from_numpy(soundfile.read(p, dtype="float32")[0]) for p in paths]
    lengths = torch.tensor([len(wave) for wave in waves])
    return pad_sequence(waves, batch_first=True), lengths


@pytest.fixture(scope="module")
def whisper_base(whisper_dir):
    return load(whisper_dir)


def test_whisper_base_has_the_layers_of_transformers(
    whisper_base, whisper_dir, real_speech
):
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(whisper_dir)
    model = transformers.WhisperModel.from_pretrained(whisper_dir, dtype=torch.float32)
    feats = extractor(
        real_speech[0][0].numpy(), sampling_rate=16000, return_tensors="pt"
    )["input_features"]
    assert feats.shape == (1, 80, 3000)
    with torch.no_grad():
        theirs = model.get_encoder().eval()(feats, output_hidden_states=True)
        ours, _, _ = whisper_base(feats.transpose(1, 2), torch.tensor([3000]))
    ours = ours.unflatten(2, (8, 512)).unbind(2)
    for state, expected in zip(ours[:6], theirs.hidden_states[:6], strict=True):
        torch.testing.assert_close(state, expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours[7], theirs.last_hidden_state, atol=1e-3, rtol=1e-3)


def test_whisper_base_batch_gives_what_each_utterance_gives_alone(
    whisper_base, real_speech
):
    waves, lengths = real_speech
    out, out_lengths = encode(whisper_base, waves, lengths)
    for i, n in enumerate(lengths):
        alone, [m] = encode(whisper_base, waves[i : i + 1, :n], lengths[i : i + 1])
        # Layers have values of several hundred; float64 agrees to 1e-12.
        error = (out[i, :m] - alone[0]).norm() / alone.norm()
        assert m == out_lengths[i]
        assert error < 1e-4


def test_no_network_is_touched_for_a_local_model(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a local model was looked for on the Hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    assert os.path.isdir(load(saved("parakeet-ctc")).name)
