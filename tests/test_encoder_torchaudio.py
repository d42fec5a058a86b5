"""Encoders of torchaudio's bundles, of small sizes, loaded by its and our own code."""

import dataclasses
import functools
import hashlib
import http.server
import json
import shutil
import threading
from pathlib import Path

import pytest
import torch
import torchaudio
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from seed import SEED

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder import torchaudio_files
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.kinds import KINDS
from espnet_sentiment.encoder.output_size import measure_output_size
from espnet_sentiment.encoder.reference import (
    EncoderMismatchError,
    encoder_reference,
    verify_reference,
)
from espnet_sentiment.encoder.torchaudio_files import bundle_urls, bundles
from espnet_sentiment.encoder.torchaudio_models import TorchaudioEncoder

pytestmark = pytest.mark.slow

CONFIGS = sorted(Path(__file__).parents[1].glob("conf/encoder/*.yaml"))
SMALL = {
    "extractor_conv_layer_config": [(8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2],
    "encoder_embed_dim": 16,
    "encoder_num_layers": 3,
    "encoder_num_heads": 2,
    "encoder_ff_interm_features": 24,
    "encoder_pos_conv_kernel": 8,
    "encoder_pos_conv_groups": 2,
}
SMALL_RNNT = {
    "input_dim": 80,
    "encoding_dim": 24,
    "num_symbols": 10,
    "segment_length": 16,
    "right_context_length": 4,
    "time_reduction_input_dim": 4,
    "time_reduction_stride": 4,
    "transformer_num_heads": 2,
    "transformer_ffn_dim": 24,
    "transformer_num_layers": 3,
    "transformer_dropout": 0.1,
    "transformer_activation": "gelu",
    "transformer_left_context_length": 30,
    "transformer_max_memory_size": 0,
    "transformer_weight_init_scale_strategy": "depthwise",
    "transformer_tanh_on_mem": True,
    "symbol_embedding_dim": 8,
    "num_lstm_layers": 1,
    "lstm_layer_norm": True,
    "lstm_layer_norm_epsilon": 1e-3,
    "lstm_dropout": 0.3,
}
EMFORMER = "EMFORMER_RNNT_BASE_LIBRISPEECH"
CHECKPOINT = "emformer_rnnt_base_librispeech.pt"
STATS = "global_stats_rnnt_librispeech.json"
# Those whose layers end in a layer norm of its own.
NORMED = ("HUBERT_LARGE", "WAVLM_LARGE", "MMS_FA")
FAMILY = ("WAV2VEC2_BASE", "WAV2VEC2_ASR_BASE_960H", "WAVLM_BASE", *NORMED)
NAMES = (*FAMILY, EMFORMER)


def small(bundle):
    """Return a bundle of the same class and settings, with a small model."""
    if isinstance(bundle, torchaudio.pipelines.RNNTBundle):
        factory = functools.partial(torchaudio.models.emformer_rnnt_model, **SMALL_RNNT)
        return dataclasses.replace(bundle, _rnnt_factory_func=factory)
    return dataclasses.replace(bundle, _params=bundle._params | SMALL)


def weights(bundle):
    """Return random weights as the bundle's file holds them."""
    torch.manual_seed(SEED)
    if isinstance(bundle, torchaudio.pipelines.RNNTBundle):
        return bundle._rnnt_factory_func().state_dict()
    factories = {
        "Wav2Vec2": torchaudio.models.wav2vec2_model,
        "WavLM": torchaudio.models.wavlm_model,
    }
    model = factories[bundle._model_type](**bundle._params)
    for p in model.parameters():
        # As they are initialised, layers hardly differ.
        p.data.add_(0.2 * torch.randn_like(p))
    state = model.state_dict()
    for key in ("aux.weight", "aux.bias"):
        if key in state:
            # Symbols that fairseq reserves, and that torchaudio cuts out.
            first, rest = state[key][:1], state[key][1:]
            state[key] = torch.cat([first, *[torch.zeros_like(first)] * 3, rest])
    return state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return torch.hub's folder of checkpoints, filled, for small bundles."""
    home = tmp_path_factory.mktemp("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        patch.setattr(torch.hub, "_hub_dir", None)
        folder = home / "hub/checkpoints"
        folder.mkdir(parents=True)
        for name in NAMES:
            bundle = small(getattr(torchaudio.pipelines, name))
            patch.setattr(torchaudio.pipelines, name, bundle)
            torch.save(weights(bundle), folder / file_name(name))
        generator = torch.Generator().manual_seed(SEED)
        stats = {
            "mean": (10 + torch.randn(80, generator=generator)).tolist(),
            "invstddev": (0.2 + torch.rand(80, generator=generator)).tolist(),
        }
        (folder / STATS).write_text(json.dumps(stats))
        # Where torchaudio's own loader looks.
        for file, part in [(CHECKPOINT, "models"), (STATS, "pipeline-assets")]:
            target = home / "hub/torchaudio" / part
            target.mkdir(parents=True)
            shutil.copy(folder / file, target)
        yield folder


def file_name(name):
    return bundle_urls(getattr(torchaudio.pipelines, name))[0].rpartition("/")[2]


def load(folder, name, layer="weighted_sum", **conf):
    return TorchaudioEncoder(str(folder / file_name(name)), layer, **conf)


@torch.no_grad()
def encode(encoder, waves, lengths):
    return encoder(*encoder.frontend(waves, lengths))[:2]


def copy(folder, target, *names):
    for name in names:
        shutil.copy(folder / name, target)
    return target / names[0]


@pytest.mark.parametrize("name", FAMILY)
def test_layers_are_those_of_torchaudio(folder, speech, name):
    wave, n = speech[0][:1], speech[1][:1]
    encoder = load(folder, name)
    assert encoder.n_layers == (5 if name in NORMED else 4)
    ours, _ = encode(encoder, wave, n)
    ours = ours.unflatten(2, (encoder.n_layers, 16)).unbind(2)
    model = getattr(torchaudio.pipelines, name).get_model()
    inner = getattr(model, "model", model)
    with torch.no_grad():
        layers, _ = model.extract_features(wave)
        expected, _ = model(wave)
        out = ours[-1] if inner.aux is None else inner.aux(ours[-1])
    for state, layer in zip(ours[1:4], layers, strict=True):
        torch.testing.assert_close(state, layer, atol=1e-5, rtol=1e-4)
    if name == "MMS_FA":
        # Its scores are normalised, and one is added for words that are not there.
        out, expected = out.log_softmax(dim=-1), expected[..., :-1]
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)


def test_emformer_gives_what_torchaudio_gives_its_joint_network(folder, speech):
    bundle = torchaudio.pipelines.EMFORMER_RNNT_BASE_LIBRISPEECH
    extract, model = bundle.get_feature_extractor(), bundle.get_decoder().model
    encoder = load(folder, EMFORMER, "last")
    assert encoder.output_size() == 24
    out, lengths = encode(encoder, *speech)
    for i, n in enumerate(speech[1]):
        with torch.no_grad():
            feats, size = extract(speech[0][i, :n])
            expected, _ = model.transcribe(feats[None], size)
        assert lengths[i] == expected.size(1) == (1 + int(n) // 160) // 4
        torch.testing.assert_close(
            out[i, : lengths[i]], expected[0], atol=1e-4, rtol=1e-3
        )


def test_mixed_precision_does_not_reach_emformers_features(folder, speech):
    frontend = load(folder, EMFORMER).frontend
    expected, _ = frontend(*speech)
    with torch.autocast("cpu", dtype=torch.float16):
        feats, _ = frontend(*speech)
    assert feats.equal(expected)


def test_emformer_layers_lead_to_what_its_joint_network_reads(folder, speech):
    every = load(folder, EMFORMER)
    assert (every.n_layers, every.dim) == (4, 16)
    stacked, lengths = encode(every, *speech)
    last, _ = encode(load(folder, EMFORMER, "last"), *speech)
    part = every.backbone.encoder
    with torch.no_grad():
        joint = part.layer_norm(
            part.output_linear(stacked.unflatten(2, (4, 16))[:, :, 3])
        )
    for i, n in enumerate(lengths):
        torch.testing.assert_close(joint[i, :n], last[i, :n])


@pytest.mark.parametrize("name", ["HUBERT_LARGE", "WAVLM_BASE", EMFORMER])
def test_one_layer_is_its_slice_of_all_layers(folder, speech, name):
    every = load(folder, name)
    stacked, _ = encode(every, *speech)
    stacked = stacked.unflatten(2, (every.n_layers, 16))
    for layer in range(every.n_layers):
        encoder = load(folder, name, layer)
        out, _ = encode(encoder, *speech)
        torch.testing.assert_close(out, stacked[:, :, layer])
    assert not torch.allclose(stacked[:, :, 1], stacked[:, :, 2], atol=1e-2)
    with pytest.raises(ValueError, match=f"has {every.n_layers} layers"):
        load(folder, name, every.n_layers)


@pytest.mark.parametrize("name", NAMES)
def test_chosen_layers_stand_side_by_side(folder, speech, name):
    every = load(folder, name)
    stacked, _ = encode(every, *speech)
    stacked = stacked.unflatten(2, (every.n_layers, 16))
    out, _ = encode(load(folder, name, [1, 2]), *speech)
    torch.testing.assert_close(out, stacked[:, :, [1, 2]].flatten(2))


@pytest.mark.parametrize("layer", ["last", [1, 2]])
@pytest.mark.parametrize("name", NAMES)
def test_frames_are_known_without_encoding(folder, speech, name, layer):
    encoder = load(folder, name, layer, subsample=2)
    out, frames = encode(encoder, *speech)
    size = measure_output_size(encoder)
    assert size.frames(speech[1].numpy()).tolist() == frames.tolist()
    assert size.n_layers * size.dim == out.size(2)


@pytest.mark.parametrize("name", NAMES)
def test_batch_gives_what_each_utterance_gives_alone(folder, speech, name):
    encoder = load(folder, name, subsample=3).double()
    waves, lengths = speech
    with torch.no_grad():
        feats, feat_lengths = encoder.frontend(waves, lengths)
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


@pytest.mark.parametrize("name", NAMES)
def test_utterances_are_encoded_together_where_padding_is_masked(folder, name):
    alone = name.startswith(("WAVLM", "EMFORMER"))
    assert load(folder, name).masks_padding != alone


@pytest.mark.parametrize("name", NAMES)
def test_front_end_is_described(folder, speech, name):
    encoder = load(folder, name, "last")
    feats, feat_lengths = encoder.frontend(*speech)
    assert feats.size(2) == encoder.input_size == (80 if name == EMFORMER else 8)
    assert encoder.frame_shift == (0.01 if name == EMFORMER else 0.02)
    seconds = feat_lengths * encoder.frame_shift
    assert (seconds - speech[1] / encoder.sample_rate).abs().max() <= 0.035
    assert (encoder.sample_rate, encoder.input_kind) == (16000, "audio")


@pytest.mark.parametrize(
    ("name", "samples", "frames"),
    [("WAV2VEC2_BASE", 400, 1), ("WAVLM_LARGE", 400, 1), (EMFORMER, 201, 4)],
)
def test_too_short_utterances_are_named(folder, speech, name, samples, frames):
    encoder = load(folder, name, "last")
    assert (encoder.min_samples, encoder.min_frames) == (samples, frames)
    waves = speech[0][:2]
    feats, lengths = encoder.frontend(waves, torch.tensor([samples + 9000, samples]))
    assert lengths[1] >= 1
    with torch.no_grad():
        out, lengths, _ = encoder(feats, torch.tensor([frames + 8, frames]))
    assert lengths[1] == 1
    assert out.isfinite().all()
    with pytest.raises(TooShortUttError, match=f"utterance 1 .* {samples - 1} samples"):
        encoder.frontend(waves, torch.tensor([samples, samples - 1]))
    with pytest.raises(TooShortUttError, match=f"utterance 1 .* {frames - 1} frames"):
        encoder(feats, torch.tensor([frames, frames - 1]))


@pytest.mark.parametrize("name", ["WAV2VEC2_ASR_BASE_960H", EMFORMER])
def test_what_follows_the_encoder_is_left_behind(folder, name):
    names = {name for name, _ in load(folder, name).named_parameters()}
    assert names
    assert not [n for n in names if "aux" in n or "predict" in n or "join" in n]


def test_a_bundle_is_read_by_name_by_file_and_by_directory(
    folder, speech, tmp_path, monkeypatch
):
    def refuse(*args, **kwargs):
        raise AssertionError("the network is not needed")

    monkeypatch.setattr("socket.socket.connect", refuse)
    path = copy(folder, tmp_path, CHECKPOINT, STATS)
    outputs = [
        encode(build_encoder("torchaudio", {"model": str(model)}), *speech)[0]
        for model in (EMFORMER, path, tmp_path)
    ]
    assert outputs[0].equal(outputs[1])
    assert outputs[0].equal(outputs[2])


def test_reference_is_the_checkpoints_hash_however_it_is_named(folder, tmp_path):
    name = file_name("HUBERT_LARGE")
    path = copy(folder, tmp_path, name)
    made = encoder_reference("torchaudio", {"model": "HUBERT_LARGE"})
    assert made == {
        "name": "torchaudio",
        "path": str(folder / name),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    verify_reference(made, path)
    verify_reference(made, tmp_path)


def test_reference_to_an_emformer_covers_its_statistics(folder, tmp_path):
    path = copy(folder, tmp_path, CHECKPOINT, STATS)
    made = encoder_reference("torchaudio", {"model": EMFORMER})
    verify_reference(made, path)
    verify_reference(made, tmp_path)
    stats = json.loads((tmp_path / STATS).read_text())
    stats["mean"][3] += 1.0
    (tmp_path / STATS).write_text(json.dumps(stats))
    for where in (path, tmp_path):
        with pytest.raises(EncoderMismatchError, match="is not the encoder"):
            verify_reference(made, where)


def test_missing_statistics_are_named(folder, tmp_path):
    path = copy(folder, tmp_path, CHECKPOINT)
    with pytest.raises(DataError, match=f"{tmp_path / STATS} is missing: .*https://"):
        TorchaudioEncoder(str(path))


@pytest.mark.parametrize("stats", ["{", "[]", '{"mean": [0.0], "invstddev": [1.0]}'])
def test_statistics_that_do_not_fit_are_named(folder, tmp_path, stats):
    path = copy(folder, tmp_path, CHECKPOINT)
    (tmp_path / STATS).write_text(stats)
    with pytest.raises(DataError, match=f"{path} and .*{STATS} cannot be loaded"):
        TorchaudioEncoder(str(tmp_path))


@pytest.mark.parametrize("name", ["WAVLM_BASE", EMFORMER])
def test_a_truncated_checkpoint_is_named(folder, tmp_path, name):
    path = copy(folder, tmp_path, file_name(name), STATS)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=f"{path}.* cannot be loaded .*copy anew"):
        TorchaudioEncoder(str(path))


@pytest.mark.parametrize("name", ["WAVLM_BASE", EMFORMER])
def test_a_checkpoint_of_another_bundle_is_refused(folder, tmp_path, name):
    copy(folder, tmp_path, STATS)
    path = tmp_path / file_name(name)
    shutil.copy(folder / file_name("WAV2VEC2_BASE"), path)
    with pytest.raises(DataError, match=f"{path}.* cannot be loaded .*Missing key"):
        TorchaudioEncoder(str(path))


class Code:
    """Something that a pickle would run."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("name", ["WAV2VEC2_BASE", EMFORMER])
def test_code_in_a_checkpoint_is_not_run(folder, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    copy(folder, tmp_path, STATS)
    torch.save(Code(), tmp_path / file_name(name))
    with pytest.raises(DataError, match="cannot be loaded .*UnpicklingError"):
        TorchaudioEncoder(str(tmp_path))
    assert not Path("executed").exists()


def test_a_renamed_checkpoint_is_refused_with_the_names_there_are(folder, tmp_path):
    path = tmp_path / "hubert.pth"
    shutil.copy(folder / file_name("HUBERT_LARGE"), path)
    with pytest.raises(
        DataError, match=f"{path} is no .*hubert_fairseq_base_ls960.pth"
    ):
        TorchaudioEncoder(str(path))


def test_a_directory_must_hold_one_checkpoint(folder, tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path} holds 0 checkpoints"):
        TorchaudioEncoder(str(tmp_path))
    with pytest.raises(
        DataError, match=f"holds {len(NAMES)} .*wavlm_base.pth.*name the"
    ):
        TorchaudioEncoder(str(folder))


def test_an_unknown_bundle_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(DataError, match="no encoder at HUBERT_TINY.*HUBERT_BASE"):
        TorchaudioEncoder("HUBERT_TINY")
    with pytest.raises(DataError, match=f"no encoder at {tmp_path}/gone"):
        TorchaudioEncoder(f"{tmp_path}/gone")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a word."""

    def log_message(self, *args):
        """Keep the test's output clean."""


@pytest.fixture
def server(folder, monkeypatch):
    """Serve torchaudio's files by their real paths; return the folder of them."""
    root = folder.parent / "torchaudio"
    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(torchaudio_files, "HOST", url)
        yield root
        server.shutdown()
        thread.join()


def test_a_bundle_is_downloaded_once(server, speech, folder, tmp_path, monkeypatch):
    conf = {"model": EMFORMER, "download_dir": str(tmp_path)}
    encoder = build_encoder("torchaudio", conf)
    assert sorted(p.name for p in tmp_path.iterdir()) == [CHECKPOINT, STATS]
    expected, _ = encode(load(folder, EMFORMER, "last"), *speech)
    assert encode(encoder, *speech)[0].equal(expected)
    monkeypatch.setattr(torchaudio_files, "HOST", "http://127.0.0.1:9/")
    assert encoder_reference("torchaudio", conf)["path"] == str(tmp_path / CHECKPOINT)


def test_a_download_that_fails_says_what_to_do(server, tmp_path):
    conf = {"model": "HUBERT_BASE", "download_dir": str(tmp_path)}
    with pytest.raises(DataError, match="no encoder at HUBERT_BASE: .*--encoder_model"):
        build_encoder("torchaudio", conf)
    assert not list(tmp_path.glob("*.pth"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_names_a_known_encoder(path, tmp_path):
    # What rnnt.yaml names is there once a recipe has trained it; onnx.yaml's, never.
    own = str(tmp_path) if path.stem in ("rnnt", "onnx") else None
    config = load_encoder_config(path, own)
    name, conf = config["encoder"] or "none", config["encoder_conf"]
    assert name in KINDS
    assert path.read_text().startswith("# ")
    if name == "torchaudio":
        assert conf["model"] in bundles()
