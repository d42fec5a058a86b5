"""Encoders of ESPnet's ASR experiments, built and saved by ESPnet's own code."""

import argparse
import contextlib
import io
import zipfile

import huggingface_hub
import lazy
import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from espnet2.main_funcs.pack_funcs import pack
from seed import SEED
from test_untrusted import bomb
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.fbank import fbank
from espnet_sentiment.encoder.espnet_asr import ESPnetEncoder
from espnet_sentiment.encoder.output_size import measure_output_size

pytestmark = pytest.mark.espnet

TOKENS = ["<blank>", "<unk>", "a", "b", "<sos/eos>"]
SMALL = {"output_size": 16, "attention_heads": 2, "linear_units": 24, "num_blocks": 3}
CONFORMER = {
    "macaron_style": True,
    "use_cnn_module": True,
    "rel_pos_type": "latest",
    "pos_enc_layer_type": "rel_pos",
    "selfattention_layer_type": "rel_selfattn",
    "cnn_module_kernel": 7,
}
BODY = {
    "block_type": "conformer",
    "hidden_size": 16,
    "linear_size": 24,
    "heads": 2,
    "conv_mod_kernel_size": 7,
    "num_blocks": 3,
}

# name: task, what differs from its default configuration
EXPERIMENTS = {
    "conformer": (
        "ASRTask",
        {"encoder": "conformer", "encoder_conf": SMALL | CONFORMER},
    ),
    "transducer": (
        "ASRTask",
        {
            "encoder": "conformer",
            "encoder_conf": SMALL | CONFORMER,
            "decoder": "transducer",
            "decoder_conf": {"rnn_type": "lstm", "num_layers": 1, "hidden_size": 8},
            "joint_net_conf": {"joint_space_size": 8},
            "model_conf": {"ctc_weight": 0.3, "report_cer": True},
        },
    ),
    "transducer-task": (
        "ASRTransducerTask",
        {
            "encoder_conf": {"input_conf": {"vgg_like": False}, "body_conf": [BODY]},
            "decoder": "rnn",
            "decoder_conf": {"embed_size": 8, "hidden_size": 8},
            "joint_network_conf": {"joint_space_size": 8},
        },
    ),
    "rnn": (
        "ASRTask",
        {
            "encoder": "vgg_rnn",
            "encoder_conf": {"hidden_size": 8, "output_size": 16, "num_layers": 1},
            "normalize": "utterance_mvn",
            "normalize_conf": {},
        },
    ),
    "preencoder": (
        "ASRTask",
        {
            "encoder": "transformer",
            "encoder_conf": SMALL | {"normalize_before": False},
            "preencoder": "linear",
            "preencoder_conf": {"input_size": 80, "output_size": 24},
        },
    ),
}


def build(name):
    """Return a task, its configuration and a model with random weights."""
    task_name, options = EXPERIMENTS[name]
    task = getattr(lazy, task_name)
    parser = task.get_parser()
    defaults = vars(parser.parse_args(["--token_list", "x"]))
    config = {
        **defaults,
        "token_list": TOKENS,
        "input_size": None,
        "frontend": "default",
        "frontend_conf": {"fs": "16k", "n_fft": 512, "hop_length": 160},
        "specaug": None,
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": "exp/stats/feats_stats.npz"},
        "joint_net_conf": None,
        "model_conf": {"ctc_weight": 1.0} if task_name == "ASRTask" else {},
        **options,
    }
    config = yaml.safe_load(yaml.safe_dump(config))
    buildable = config | {"init": None}
    if name == "transducer":
        # Its loss is in no package registry, so ESPnet cannot build the whole model.
        buildable |= {"decoder": None, "model_conf": {"ctc_weight": 1.0}}
    torch.manual_seed(SEED)
    model = task.build_model(argparse.Namespace(**buildable))
    if name == "transducer":
        model.decoder = lazy.TransducerDecoder(len(TOKENS), **config["decoder_conf"])
        model.joint_network = lazy.JointNetwork(
            len(TOKENS), 16, model.decoder.dunits, **config["joint_net_conf"]
        )
    for key, value in model.named_buffers():
        if key.endswith(("running_mean", "running_var")):
            value.add_(torch.rand_like(value))
    return config, model.eval()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Return a folder with one experiment of each kind, and ESPnet's own models."""
    folder = tmp_path_factory.mktemp("recipe")
    stats = folder / "exp/stats/feats_stats.npz"
    stats.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    mean = rng.normal(-5, 1, 80)
    var = rng.uniform(1, 9, 80)
    np.savez(stats, count=100, sum=100 * mean, sum_square=100 * (var + mean**2))
    models = {}
    with contextlib.chdir(folder):
        for name in EXPERIMENTS:
            config, models[name] = build(name)
            experiment = folder / "exp" / name
            experiment.mkdir()
            (experiment / "config.yaml").write_text(yaml.safe_dump(config))
            torch.save(models[name].state_dict(), experiment / "valid.acc.ave.pth")
            (experiment / "checkpoint.pth").write_bytes(b"the trainer's state")
    return folder, models


@pytest.fixture(scope="module")
def speech(an4_wavs):
    """Return three real utterances (3, N) and their lengths."""
    lengths = torch.tensor([20000, 9000, 13333])
    waves = [torch.from_numpy(soundfile.read(p, dtype="float32")[0]) for p in an4_wavs]
    waves = [wave for wave in waves if len(wave) > 20000][:3]
    waves = [wave[:n] for wave, n in zip(waves, lengths, strict=True)]
    return pad_sequence(waves, batch_first=True), lengths


def load(recipe, name, layer="last", **conf):
    return ESPnetEncoder(model=str(recipe[0] / "exp" / name), layer=layer, **conf)


@torch.no_grad()
def encode(encoder, waves, lengths):
    return encoder(*encoder.frontend(waves, lengths))[:2]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_last_layer_is_what_espnet_gives_its_decoder(recipe, speech, name):
    encoder = load(recipe, name)
    out, out_lengths = encode(encoder, *speech)
    assert out.shape == (3, int(out_lengths.max()), encoder.output_size())
    for i, (wave, n) in enumerate(zip(*speech, strict=True)):
        with torch.no_grad():
            expected, m = recipe[1][name].encode(wave[None, :n], n[None])
        assert out_lengths[i] == m
        torch.testing.assert_close(out[i, :m], expected[0], atol=1e-5, rtol=1e-4)
        assert (out[i, m:] == 0).all()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_utterances_are_encoded_together_where_padding_is_masked(recipe, name):
    # VGG's convolutions read what lies beyond an utterance.
    assert load(recipe, name).masks_padding == (name != "rnn")


@pytest.mark.parametrize("name", ["conformer", "transducer-task", "preencoder"])
def test_layers_are_those_of_the_encoder(recipe, speech, name):
    every = load(recipe, name, "weighted_sum")
    # transformer: normalize_before is off, so there is no final layer norm.
    assert every.n_layers == (4 if name == "preencoder" else 5)
    stacked, _ = encode(every, *speech)
    stacked = stacked.unflatten(2, (every.n_layers, 16))
    encoder = recipe[1][name].encoder
    norm = {
        "conformer": lambda x: encoder.after_norm(x),
        "transducer-task": lambda x: encoder.encoders.norm_blocks(x),
        "preencoder": lambda x: x,
    }[name]
    last, lengths = encode(load(recipe, name), *speech)
    for i, n in enumerate(lengths):
        torch.testing.assert_close(norm(stacked[i, :n, 3]), last[i, :n])
    for layer in range(every.n_layers):
        out, _ = encode(load(recipe, name, layer), *speech)
        torch.testing.assert_close(out, stacked[:, :, layer])
    assert not torch.allclose(stacked[:, :, 1], stacked[:, :, 2], atol=1e-2)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_frames_are_known_without_encoding(recipe, speech, name):
    encoder = load(recipe, name, subsample=2)
    _, frames = encode(encoder, *speech)
    size = measure_output_size(encoder)
    assert size.frames(speech[1].numpy()).tolist() == frames.tolist()
    assert (size.n_layers, size.dim) == (1, encoder.output_size())


def test_layer_out_of_range_says_how_many_there_are(recipe):
    with pytest.raises(ValueError, match=r"has 5 layers.* to 4"):
        load(recipe, "conformer", 5)


def test_an_encoder_that_is_no_stack_offers_its_last_layer(recipe):
    with pytest.raises(ValueError, match="no stack of layers: set layer to last"):
        load(recipe, "rnn", "weighted_sum")


def test_frames_are_averaged(recipe, speech):
    whole, lengths = encode(load(recipe, "conformer"), *speech)
    out, out_lengths = encode(load(recipe, "conformer", subsample=2), *speech)
    assert out_lengths.tolist() == [(int(n) + 1) // 2 for n in lengths]
    torch.testing.assert_close(out[0, 3], whole[0, 6:8].mean(dim=0))


def test_front_end_is_the_experiments_and_comes_before_normalisation(recipe, speech):
    encoder = load(recipe, "conformer")
    wave, n = speech[0][:1], speech[1][:1]
    feats, lengths = encoder.frontend(wave, n)
    expected, m = recipe[1]["conformer"].frontend(wave, n)
    torch.testing.assert_close(feats, expected)
    assert lengths.tolist() == m.tolist()
    assert encoder.sample_rate == 16000
    assert encoder.frame_shift == pytest.approx(0.01)
    assert (encoder.input_size, encoder.input_kind) == (80, "audio")


def test_features_given_are_left_alone(recipe, speech):
    encoder = load(recipe, "conformer")
    feats, lengths = encoder.frontend(*speech)
    before = feats.clone()
    with torch.no_grad():
        encoder.hidden_states(feats, lengths)
    assert feats.equal(before)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shortest_utterance_is_encoded_and_a_shorter_one_named(recipe, speech, name):
    encoder = load(recipe, name)
    feats, _ = encoder.frontend(*speech)
    n = encoder.min_frames
    with torch.no_grad():
        out, lengths, _ = encoder(feats[:2], torch.tensor([n + 20, n]))
    assert lengths[1] >= 1
    assert out.isfinite().all()
    if n > 1:
        with pytest.raises(TooShortUttError, match=f"utterance 1 .* {n - 1} frames"):
            encoder(feats[:2], torch.tensor([n, n - 1]))
    m = encoder.min_samples
    with pytest.raises(TooShortUttError, match=f"utterance 0 .* {m - 1} samples"):
        encoder.frontend(speech[0], torch.tensor([m - 1, m, m]))


def test_decoder_is_left_behind(recipe):
    encoder = load(recipe, "transducer")
    names = {name for name, _ in encoder.named_parameters()}
    assert names
    assert not [n for n in names if "decoder" in n or "ctc" in n or "joint" in n]


def test_experiment_on_stored_fbank_gets_fbank(recipe, speech, tmp_path):
    folder, _ = recipe
    config = yaml.safe_load((folder / "exp/conformer/config.yaml").read_text())
    config |= {"input_size": 80, "frontend": None, "frontend_conf": {}}
    config["normalize"] = None
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    weights = torch.load(folder / "exp/conformer/valid.acc.ave.pth")
    weights = {k: v for k, v in weights.items() if k.startswith(("encoder.", "ctc."))}
    torch.save(weights, tmp_path / "1epoch.pth")
    encoder = ESPnetEncoder(model=str(tmp_path))
    assert encoder.input_kind == "fbank"
    # Recipes give it audio.
    frames = measure_output_size(encoder, "audio").frames(speech[1].numpy())
    assert frames.tolist() == encode(encoder, *speech)[1].tolist()
    feats, lengths = encoder.frontend(*speech)
    torch.testing.assert_close(feats[0], fbank(speech[0][0], 16000))
    config["input_size"] = 83
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match=f"{tmp_path} has no front end .* 83 channels"):
        weights["encoder.embed.out.weight"] = torch.zeros(16, 16 * 20)
        torch.save(weights, tmp_path / "1epoch.pth")
        ESPnetEncoder(model=str(tmp_path))


@pytest.fixture(params=[".zip", ".tgz"])
def archive(request, recipe, tmp_path):
    path = tmp_path / f"model{request.param}"
    experiment = "exp/conformer"
    with contextlib.chdir(recipe[0]), contextlib.redirect_stdout(io.StringIO()):
        pack(
            files={"asr_model_file": f"{experiment}/valid.acc.ave.pth"},
            yaml_files={"asr_train_config": f"{experiment}/config.yaml"},
            option=["exp/stats/feats_stats.npz"],
            outpath=path,
        )
    return path


def test_packed_model_gives_what_its_experiment_gives(recipe, speech, archive, capsys):
    expected, _ = encode(load(recipe, "conformer"), *speech)
    out, _ = encode(ESPnetEncoder(model=str(archive)), *speech)
    torch.testing.assert_close(out, expected)
    assert capsys.readouterr().out == ""


def test_unpacked_model_gives_what_its_experiment_gives(recipe, speech, archive):
    from espnet2.main_funcs.pack_funcs import Archiver

    folder = archive.parent / "unpacked"
    with Archiver(archive) as packed:
        for info in packed:
            packed.extract(info, folder)
    expected, _ = encode(load(recipe, "conformer"), *speech)
    out, _ = encode(ESPnetEncoder(model=str(folder)), *speech)
    torch.testing.assert_close(out, expected)


def test_archive_that_leaves_its_folder_is_refused(tmp_path):
    path = tmp_path / "evil.zip"
    meta = {"yaml_files": {"asr_train_config": "c"}, "files": {"asr_model_file": "m"}}
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("meta.yaml", yaml.safe_dump(meta))
        packed.writestr("../../escaped.txt", "x")
    with pytest.raises(DataError, match=f"{path}: entry .*leaves its folder"):
        ESPnetEncoder(model=str(path))


def test_archive_that_names_a_file_outside_is_refused(tmp_path):
    path = tmp_path / "evil.zip"
    meta = {
        "yaml_files": {"asr_train_config": "/etc/hostname"},
        "files": {"asr_model_file": "../m.pth"},
    }
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("meta.yaml", yaml.safe_dump(meta))
    with pytest.raises(DataError, match="/etc/hostname, outside of"):
        ESPnetEncoder(model=str(path))


def test_archive_whose_config_stands_for_billions_of_values_is_refused(tmp_path):
    path = tmp_path / "evil.zip"
    meta = {
        "yaml_files": {"asr_train_config": "config.yaml"},
        "files": {"asr_model_file": "m.pth"},
    }
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("meta.yaml", yaml.safe_dump(meta))
        packed.writestr("config.yaml", bomb(9))
        packed.writestr("m.pth", b"")
    with pytest.raises(DataError, match="config.yaml cannot be read .*1000000 values"):
        ESPnetEncoder(model=str(path))


def test_truncated_archive_is_named(archive):
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(DataError, match=f"{archive} cannot be unpacked"):
        ESPnetEncoder(model=str(archive))


def copy(recipe, folder, *names):
    for name in names:
        (folder / name).write_bytes((recipe[0] / "exp/conformer" / name).read_bytes())


def test_missing_files_are_named(recipe, tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path} holds no valid.acc.ave.pth"):
        ESPnetEncoder(model=str(tmp_path))
    copy(recipe, tmp_path, "valid.acc.ave.pth")
    with pytest.raises(DataError, match=f"{tmp_path}/config.yaml is missing"):
        ESPnetEncoder(model=str(tmp_path))
    copy(recipe, tmp_path, "config.yaml")
    with pytest.raises(DataError, match="names exp/stats/feats_stats.npz"):
        ESPnetEncoder(model=str(tmp_path))


def test_a_checkpoint_can_be_named(recipe, speech):
    model = recipe[0] / "exp/conformer/valid.acc.ave.pth"
    expected, _ = encode(load(recipe, "conformer"), *speech)
    out, _ = encode(ESPnetEncoder(model=str(model)), *speech)
    torch.testing.assert_close(out, expected)


def test_which_of_many_checkpoints_must_be_said(tmp_path):
    for epoch in (1, 2):
        (tmp_path / f"{epoch}epoch.pth").touch()
    with pytest.raises(DataError, match="2 other .pth files: name the one"):
        ESPnetEncoder(model=str(tmp_path))


@pytest.mark.parametrize("damage", ["truncated", "missing", "other", "unsafe"])
def test_weights_that_do_not_fit_are_named(recipe, tmp_path, damage):
    folder = tmp_path / "exp/asr"
    folder.mkdir(parents=True)
    (tmp_path / "exp/stats").symlink_to(recipe[0] / "exp/stats")
    copy(recipe, folder, "config.yaml")
    source, target = recipe[0] / "exp/conformer/valid.acc.ave.pth", folder / "a.pth"
    weights = torch.load(source)
    if damage == "truncated":
        target.write_bytes(source.read_bytes()[:5000])
    elif damage == "missing":
        del weights["encoder.encoders.1.norm_ff.weight"]
        torch.save(weights, target)
    elif damage == "other":
        torch.save(torch.load(recipe[0] / "exp/rnn/valid.acc.ave.pth"), target)
    else:
        torch.save({"encoder": argparse.Namespace(a=1)}, target)
    expected = {"missing": "encoders.1.norm_ff.weight", "unsafe": "weights_only"}
    with pytest.raises(DataError, match="a.pth") as error:
        ESPnetEncoder(model=str(folder))
    assert expected.get(damage, "cannot be loaded") in str(error.value)


def test_self_conditioned_encoder_is_refused(recipe, tmp_path):
    config = yaml.safe_load((recipe[0] / "exp/conformer/config.yaml").read_text())
    config["encoder_conf"] |= {
        "interctc_layer_idx": [1],
        "interctc_use_conditioning": True,
    }
    config["normalize"] = None
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    copy(recipe, tmp_path, "valid.acc.ave.pth")
    with pytest.raises(DataError, match="interctc_use_conditioning cannot be read"):
        ESPnetEncoder(model=str(tmp_path))


def test_an_unknown_tag_says_what_to_do_offline(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="no encoder at acme/asr.*--encoder_model"):
        ESPnetEncoder(model="acme/asr", download_dir=str(tmp_path))
