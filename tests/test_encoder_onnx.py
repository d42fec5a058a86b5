"""Encoders out of ONNX files: exported here, of real architectures, from a seed."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
import yaml
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from pack_fixtures import posteriors, write_fold
from recipe_fixtures import Recipe, save_small_whisper
from seed import SEED
from torch.nn.utils.rnn import pad_sequence
from torchaudio.compliance import kaldi

from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.fbank import fbank
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.conv_blstm import ConvBLSTMEncoder
from espnet_sentiment.encoder.output_size import measure_output_size
from espnet_sentiment.encoder.reference import encoder_reference, verify_reference
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder
from espnet_sentiment.export import onnx_file
from espnet_sentiment.export.onnx_model import export_onnx
from espnet_sentiment.export.traceable import all_frames

pytestmark = pytest.mark.espnet

RATE = {"sample_rate": 16000}
KALDI = {"fbank_conf": {"scale": 32768}}


class Layers(torch.nn.Module):
    """Samples (1, N) to all layers of an encoder of ours, by its own code."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.frontend = encoder, encoder.frontend.traceable()

    def forward(self, samples):
        frames = self.frontend(samples)
        return tuple(self.encoder.backbone(frames, all_frames(frames))[0])


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """Return a small Whisper as ours and as an ONNX file of samples and four layers."""
    root = tmp_path_factory.mktemp("whisper")
    model = save_small_whisper(root / "model")
    conf = {"model": str(model), "layer": "weighted_sum", "subsample": 4}
    ours = build_encoder("huggingface", conf)
    names = [f"layer{n}" for n in range(ours.n_layers)]
    onnx_file.trace(
        Layers(ours),
        (torch.randn(1, 16000),),
        root / "whisper.onnx",
        {"samples": {1: "n"}},
        {name: {1: "t"} for name in names},
        "it",
    )
    return ours, root / "whisper.onnx"


@pytest.fixture(scope="module")
def rnnt(tmp_path_factory):
    """Return the encoder of a small RNN-T as a module, and as an ONNX file."""
    root = tmp_path_factory.mktemp("rnnt")
    torch.manual_seed(SEED)
    module = ConvBLSTMEncoder(
        80, conv_channels=8, lstm_layers=1, lstm_units=8, projection_size=12
    ).eval()
    onnx_file.trace(
        WithLengths(module),
        (torch.randn(1, 64, 80), torch.tensor([64])),
        root / "rnnt.onnx",
        {"x": {1: "t"}, "x_lens": {}},
        {"encoder_out": {1: "t2"}, "encoder_out_lens": {}},
        "it",
    )
    return module, root / "rnnt.onnx"


class WithLengths(torch.nn.Module):
    """An encoder as icefall exports its own: outputs and their lengths."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, x, lengths):
        return self.encoder(x, lengths)[:2]


@pytest.fixture(scope="module")
def speech(an4_wavs):
    """Return three real utterances (3, N) and their lengths."""
    waves = [torch.from_numpy(soundfile.read(p, dtype="float32")[0]) for p in an4_wavs]
    waves = [wave[:n] for wave, n in zip(waves[:3], (14400, 6000, 10411), strict=True)]
    return pad_sequence(waves, batch_first=True), torch.tensor([*map(len, waves)])


def load(path, **conf):
    return build_encoder("onnx", {"model": str(path), **conf})


@torch.no_grad()
def encode(encoder, waves, lengths):
    return encoder(*encoder.frontend(waves, lengths))[:2]


def test_layers_of_a_file_are_those_of_the_model_that_it_was_made_of(whisper, speech):
    ours, path = whisper
    theirs = load(path, layer="weighted_sum", subsample=4, **RATE)
    expected, lengths = encode(ours, *speech)
    found, found_lengths = encode(theirs, *speech)
    assert found_lengths.equal(lengths)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    for layer, numbers in ((0, [0]), ([1, 2], [1, 2]), ("last", [3])):
        part, _ = encode(load(path, layer=layer, subsample=4, **RATE), *speech)
        columns = [expected[..., 16 * n : 16 * n + 16] for n in numbers]
        torch.testing.assert_close(part, torch.cat(columns, -1), atol=1e-3, rtol=1e-3)


def test_frames_and_shortest_input_are_found_by_trial(whisper):
    encoder = load(whisper[1], subsample=4, **RATE)
    assert encoder.frame_shift == 0.02
    size = measure_output_size(encoder)
    for n in (4000, 16000, 16161, 50001):
        [frames] = size.frames(np.array([n]))
        feats, _ = SpeechEncoder(encoder)([np.zeros(n, np.float32)])
        assert feats.size(1) == frames
    with pytest.raises(TooShortUttError, match="at least"):
        short = torch.zeros(1, encoder.min_samples - 1)
        encoder.frontend(short, torch.tensor([short.size(1)]))


def test_features_and_their_lengths_go_in_by_their_names(rnnt, speech):
    module, path = rnnt
    encoder = load(path, **RATE, **KALDI)
    waves, lengths = speech
    found, found_lengths = encode(encoder, waves, lengths)
    for row, (wave, n) in enumerate(zip(waves, lengths.tolist(), strict=True)):
        feats = fbank(wave[:n], 16000)[None]
        with torch.no_grad():
            expected, _, _ = module(feats, torch.tensor([feats.size(1)]))
        assert found_lengths[row] == expected.size(1)
        torch.testing.assert_close(
            found[row, : expected.size(1)], expected[0], atol=1e-4, rtol=1e-4
        )
    assert encoder.frame_shift == 0.01 and encoder.min_frames == 8
    # Frames are what SpecAugment masks.
    assert encoder.specaug_scales() == {"time_scale": 1.0, "freq_scale": 1.0}


def test_specaugment_on_samples_is_refused_with_a_config_that_works(whisper):
    with pytest.raises(DataError, match="rnn_attention_no_specaug.yaml"):
        load(whisper[1], **RATE).specaug_scales()


def test_icefalls_features_are_other_than_kaldis(rnnt, speech):
    conf = {"scale": 1, "snip_edges": False, "high_freq": -400}
    encoder = load(rnnt[1], **RATE, fbank_conf=conf)
    wave = speech[0][0]
    expected = kaldi.fbank(
        wave[None], num_mel_bins=80, dither=0.0, snip_edges=False, high_freq=-400
    )
    found = encoder.frontend.features(wave)
    torch.testing.assert_close(found, expected)
    assert len(found) == len(wave) // 160


@pytest.mark.parametrize(
    ("which", "conf", "match"),
    [
        ("whisper", {}, "does not say its sample rate: add encoder_conf.sample_rate"),
        ("whisper", RATE | {"input": "audio"}, "'audio', and .* has samples tensor"),
        ("whisper", RATE | {"outputs": ["x"]}, "outputs is 'x', and .* has layer0"),
        ("whisper", {"sample_rate": 0}, "sample_rate is 0"),
        ("rnnt", RATE | {"input": "x_lens"}, r"'x_lens', which .* a tensor\(int64\)"),
        ("rnnt", RATE | {"lengths": "x"}, r"'x', which .* one of tensor\(int64\)"),
        ("whisper", RATE | KALDI, "reads samples: leave fbank_conf out"),
        ("whisper", RATE | {"layer": 7}, "has 4 layers"),
        ("rnnt", RATE, "does not say which: add encoder_conf.fbank_conf: {scale: 1"),
        ("rnnt", RATE | KALDI | {"normalize": True}, "leave normalize out"),
        ("rnnt", RATE | KALDI | {"constants": {"y": 1}}, "constants is 'y'"),
        ("rnnt", RATE | {"fbank_conf": {"scale": 1, "mels": 80}}, "fbank_conf.mels"),
        (
            "rnnt",
            RATE | {"fbank_conf": {"scale": 1, "window_type": "round"}},
            "fbank_conf cannot be computed",
        ),
        (
            "rnnt",
            RATE | {"fbank_conf": {"scale": 1, "num_mel_bins": 40}},
            "other channels than num_mel_bins: 40",
        ),
    ],
)
def test_what_a_file_does_not_tell_is_asked_for_by_name(which, conf, match, request):
    _, path = request.getfixturevalue(which)
    with pytest.raises(DataError, match=match):
        load(path, **conf)


def test_stacked_frames_are_not_taken_for_so_many_mel_channels(tmp_path):
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    x, y = (
        helper.make_tensor_value_info(name, float32, [1, "t", 560]) for name in "xy"
    )
    graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"])], "g", [x], [y])
    opset = helper.make_opsetid("", onnx_file.OPSET)
    path = tmp_path / "stacked.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    with pytest.raises(DataError, match="560 channels, which are frames stacked"):
        load(path, **RATE, **KALDI)


def test_other_inputs_are_constants_that_a_config_names(rnnt, tmp_path):
    model = onnx.load(rnnt[1])
    extra = onnx.helper.make_tensor_value_info("language", onnx.TensorProto.INT32, [1])
    model.graph.input.append(extra)
    path = tmp_path / "more.onnx"
    onnx.save(model, path)
    with pytest.raises(
        DataError, match="which input is its length.*encoder_conf.lengths"
    ):
        load(path, **RATE, **KALDI)
    with pytest.raises(DataError, match=r"constants: \{language: 0\}"):
        load(path, **RATE, **KALDI, lengths="x_lens")
    encoder = load(path, **RATE, **KALDI, constants={"language": 3})
    assert encoder.output_size() == 12


def test_broken_and_missing_files_are_named(rnnt, tmp_path):
    with pytest.raises(DataError, match=r"no encoder at .*none.onnx.*--encoder_model"):
        load(tmp_path / "none.onnx", **RATE)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(rnnt[1].read_bytes()[:1000])
    with pytest.raises(DataError, match=r"broken.onnx"):
        load(broken, **RATE)
    # Weights in a file of their own: hashed with it, missed by name, and not outside.
    model = onnx.load(rnnt[1])
    path = tmp_path / "split" / "split.onnx"
    path.parent.mkdir()
    onnx.save(
        model, path, save_as_external_data=True, location="split.bin", size_threshold=0
    )
    reference = encoder_reference("onnx", {"model": str(path)})
    encoder = load(path, **RATE, **KALDI)
    assert encoder.output_size() == 12
    weights = path.with_name("split.bin")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"\x01")
    # Hashed once a process unless size or time change.
    os.utime(weights, (1, 1))
    with pytest.raises(DataError, match="is not the encoder"):
        verify_reference(reference)
    weights.unlink()
    with pytest.raises(DataError, match=r"split.bin is missing"):
        load(path, **RATE)
    text = path.read_bytes().replace(b"split.bin", b"../so.bin")
    path.write_bytes(text)
    with pytest.raises(DataError, match="outside of its folder"):
        load(path, **RATE)


def test_other_types_than_the_files_own_are_refused(whisper):
    with pytest.raises(UserError, match="leave dtype and compute_dtype at float32"):
        SpeechEncoder(load(whisper[1], **RATE), dtype="bfloat16")
    assert SpeechEncoder(load(whisper[1], **RATE), dtype="auto").dtype == torch.float32


def test_without_the_extra_the_command_that_installs_it_is_said(whisper, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'espnet_sentiment\[onnx\]'"):
        load(whisper[1], **RATE)


def test_a_pack_with_it_answers_as_its_fold_does(whisper, tmp_path, an4_wavs, capsys):
    path = shutil.copy(whisper[1], tmp_path / "whisper.onnx")
    conf = {"model": str(path), "layer": "weighted_sum", "subsample": 4, **RATE}
    encoder = {"encoder": "onnx", "encoder_conf": conf}
    fold = write_fold(
        tmp_path / "exp" / "an4_x" / "fold1", encoder, 64, model_conf={"n_layers": 4}
    )
    expected = posteriors(fold, an4_wavs[:2])
    pack = tmp_path / "x.zip"
    assert main(["pack", str(fold), str(pack)]) == 0
    path.unlink()
    np.testing.assert_array_equal(posteriors(pack, an4_wavs[:2]), expected)
    capsys.readouterr()
    assert main(["predict", "--json", "-m", str(pack), str(an4_wavs[0])]) == 0
    found = json.loads(capsys.readouterr().out)["posteriors"]
    np.testing.assert_allclose([*found.values()], expected[0], atol=1e-3)
    with pytest.raises(DataError, match="is an ONNX file already.*--part decoder"):
        export_onnx(pack, tmp_path / "y.onnx")
    export_onnx(pack, tmp_path / "y.onnx", part="decoder")


def test_the_config_that_comes_with_the_package_names_what_there_is(rnnt, tmp_path):
    path = Path(__file__).parents[1] / "conf" / "encoder" / "onnx.yaml"
    config = load_encoder_config(path, str(rnnt[1]))
    assert config["encoder"] == "onnx"
    conf = config["encoder_conf"] | KALDI
    assert build_encoder("onnx", conf).output_size() == 12


def write_config(recipe, path, **conf):
    """Let a recipe encode by a file."""
    encoder = {"encoder": "onnx", "encoder_conf": {"model": str(path), **RATE, **conf}}
    recipe.encoder.write_text(yaml.safe_dump(encoder))


def test_stages_run_on_features_with_specaugment(rnnt, tmp_path, an4_wavs):
    recipe = Recipe(tmp_path, an4_wavs)
    write_config(recipe, rnnt[1], **KALDI)
    recipe.run(1, 5)
    lines = (recipe.exp / "fold1" / "decode" / "predictions.jsonl").read_text()
    assert len(lines.splitlines()) == 2
    # What a fold decodes from the store, it says of the recording, too.
    first = json.loads(lines.splitlines()[0])
    wav = next(p for p in an4_wavs if first["utt"] == f"{p.parent.name}-{p.stem}")
    [found] = posteriors(recipe.exp / "fold1", [wav])
    expected = [*first["posteriors"].values()]
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_stages_on_samples_ask_for_a_config_without_specaugment(
    whisper, tmp_path, an4_wavs
):
    recipe = Recipe(tmp_path, an4_wavs)
    write_config(recipe, whisper[1], layer="weighted_sum", subsample=4)
    recipe.run(1, 2)
    with pytest.raises(DataError, match="rnn_attention_no_specaug.yaml"):
        recipe.run(3, 3)
    config = yaml.safe_load(recipe.sentiment.read_text())
    left = {k: v for k, v in config.items() if k not in ("specaug_conf", "views")}
    recipe.sentiment.write_text(yaml.safe_dump(left | {"specaug": None}))
    recipe.run(3, 5)
    decoded = recipe.exp / "fold2" / "decode" / "predictions.jsonl"
    assert len(decoded.read_text().splitlines()) == 2
