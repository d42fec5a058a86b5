"""Models as ONNX files: what they answer and say of themselves, what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.cls.decoder.linear_decoder import LinearDecoder
from espnet2.layers.utterance_mvn import UtteranceMVN
from pack_fixtures import write_fold
from recipe_fixtures import save_small_whisper
from seed import SEED

from espnet_sentiment import load_model
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import hash_file
from espnet_sentiment.data.fbank import FbankModule, fbank
from espnet_sentiment.decoder.mlp_pooling import MLPPoolingDecoder
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.onnx_session import open_session
from espnet_sentiment.encoder.reference import encoder_reference
from espnet_sentiment.export import onnx_file, traceable
from espnet_sentiment.export.onnx_model import export_onnx
from espnet_sentiment.layers.padding import mean_subsample
from espnet_sentiment.model.sentiment_model import SentimentModel
from espnet_sentiment.model.text_encoder import LSTMTextEncoder

pytestmark = pytest.mark.espnet

EXAMPLE = Path(__file__).parents[1] / "egs" / "onnx" / "predict.py"
FBANK = {"encoder": None, "encoder_conf": {"subsample": 8}}
DECODERS = {
    "rnn_attention": {"hidden_size": 8, "num_layers": 2, "n_heads": 2, "head_size": 4},
    "rnn_pooling": {"hidden_size": 8, "pooling": "last"},
    "mlp_pooling": {"hidden_sizes": [8], "pooling": "max"},
    "stats_pooling": {"channels": 8, "n_heads": 2, "attention_size": 4},
    "cnn_pooling": {"channels": [8, 8], "kernel_sizes": [3, 5], "strides": [2, 1]},
}
WITH_ATTENTION = ("rnn_attention", "stats_pooling")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """Return a fold on a small Whisper, all layers, and the Whisper's folder."""
    root = tmp_path_factory.mktemp("whisper")
    model = save_small_whisper(root / "model")
    conf = {"model": str(model), "layer": "weighted_sum", "subsample": 4}
    encoder = {"encoder": "huggingface", "encoder_conf": conf}
    n_layers = build_encoder(**{"name": "huggingface", "conf": conf}).n_layers
    return write_fold(
        root / "exp" / "an4_whisper" / "fold1",
        encoder,
        16 * n_layers,
        model_conf={"n_layers": n_layers},
    )


@pytest.fixture(scope="module")
def of_whisper(whisper):
    """Return its ONNX file."""
    return export_onnx(whisper, whisper.parents[1] / "whisper.onnx")


def read(path):
    return soundfile.read(path, dtype="float32")[0]


@torch.no_grad()
def by_pytorch(fold, samples):
    """Return posteriors (n_classes,) and attention of one recording, in float32."""
    model = load_model(fold)
    x = torch.from_numpy(samples)[None]
    logits, attention = model.classify(
        x, torch.tensor([x.size(1)]), model.decoder.has_attention
    )
    weights = None if attention is None else attention[0].numpy()
    return logits[0].softmax(dim=-1).numpy(), weights


def run_onnx(path, samples):
    return open_session(path, 1).run(None, {"samples": samples[None]})


@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_answers_as_pytorch_does(name, tmp_path, an4_wavs):
    fold = write_fold(
        tmp_path / "fold1", FBANK, 80, decoder=name, decoder_conf=DECODERS[name]
    )
    export_onnx(fold, tmp_path / "all.onnx")
    export_onnx(fold, tmp_path / "decoder.onnx", part="decoder")
    waves = [
        read(path)[:n] for path, n in zip(an4_wavs, (20000, 9000, 500), strict=False)
    ]
    for samples in waves:
        found, *weights = run_onnx(tmp_path / "all.onnx", samples)
        expected, attention = by_pytorch(fold, samples)
        np.testing.assert_allclose(found[0], expected, atol=2e-3)
        assert bool(weights) == (name in WITH_ATTENTION)
        if weights:
            np.testing.assert_allclose(weights[0][0], attention, atol=2e-3)
    # A batch of other sizes than the one that was traced, and of several lengths.
    model = load_model(fold)
    rng = torch.Generator().manual_seed(SEED)
    feats, lengths = torch.randn(3, 40, 80, generator=rng), torch.tensor([40, 7, 1])
    feats, lengths = mean_subsample(feats, lengths, 1)
    feeds = {"features": feats.numpy(), "lengths": lengths.numpy()}
    found, *weights = open_session(tmp_path / "decoder.onnx", 1).run(None, feeds)
    model.attach_encoder(None, None)
    with torch.no_grad():
        logits, attention = model.classify(
            feats.half().float(), lengths, name in WITH_ATTENTION
        )
    np.testing.assert_allclose(found, logits.softmax(dim=-1).numpy(), atol=1e-5)
    if weights:
        np.testing.assert_allclose(weights[0], attention.numpy(), atol=1e-5)
        assert not weights[0][1, :, 7:].any()


def test_whisper_answers_from_samples_at_any_length(whisper, of_whisper, an4_wavs):
    lengths = (None, 12345, of_whisper.metadata["min_samples"])
    for path, n in zip(an4_wavs[:3], lengths, strict=True):
        samples = read(path)[:n]
        found, weights = run_onnx(of_whisper.path, samples)
        expected, attention = by_pytorch(whisper, samples)
        np.testing.assert_allclose(found[0], expected, atol=1e-3)
        np.testing.assert_allclose(weights[0], attention, atol=1e-3)
    session = open_session(of_whisper.path, 1)
    most = of_whisper.metadata["max_samples"]
    assert most == 480000
    answered = session.run(None, {"samples": np.zeros((1, most), np.float32)})
    assert np.isfinite(answered[0]).all()
    with pytest.raises(Exception, match="Add|broadcast|dimension"):
        session.run(None, {"samples": np.zeros((1, most + 320), np.float32)})


def test_whisper_base_answers_as_pytorch_does_on_emodb(
    emodb_dir, whisper_dir, tmp_path
):
    conf = {"model": str(whisper_dir), "layer": "weighted_sum", "subsample": 4}
    encoder = {"encoder": "huggingface", "encoder_conf": conf}
    fold = write_fold(tmp_path / "fold1", encoder, 4096, model_conf={"n_layers": 8})
    wavs = sorted((emodb_dir / "wav").glob("*.wav"))[:4]
    done = export_onnx(fold, tmp_path / "x.onnx", check=wavs)
    assert done.parity.n_clips == done.parity.same_labels == 12
    for wav in wavs[:2]:
        found, _ = run_onnx(done.path, read(wav))
        np.testing.assert_allclose(found[0], by_pytorch(fold, read(wav))[0], atol=1e-3)


def test_a_file_says_what_it_is(whisper, of_whisper):
    session = open_session(of_whisper.path, 1)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == ["anger", "neutral"]
    assert said["input"] == "samples" and said["batch"] == "1"
    assert said["sample_rate"] == "16000" and said["seconds_per_frame"] == "0.08"
    conf = yaml.safe_load((whisper / "config.yaml").read_text())["encoder_conf"]
    reference = encoder_reference("huggingface", conf)
    assert said["encoder_sha256"] == reference["sha256"]
    assert said["decoder_sha256"] == hash_file(whisper / "sentiment.pth")
    assert {"torch", "onnxruntime"} <= json.loads(said["versions"]).keys()
    shapes = {output.name: output.shape for output in session.get_outputs()}
    assert shapes == {"posteriors": [1, 2], "attention": [1, 2, "frames"]}
    check = json.loads(said["check"])
    assert check["posteriors"] <= check["bound"] and check["n_clips"] >= 10
    assert check["seconds"][1] > 4 * check["seconds"][0]


def test_the_example_prints_what_predict_does(
    whisper, of_whisper, an4_wavs, tmp_path, capsys
):
    wav = tmp_path / "a.wav"
    soundfile.write(wav, read(an4_wavs[0]), 16000)
    # Neither PyTorch nor this package: what imports either fails.
    block = "import sys; sys.modules.update(torch=None, espnet_sentiment=None); "
    code = f"{block}import runpy; runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    argv = [sys.executable, "-c", code, str(of_whisper.path), str(wav)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert main(["predict", "--json", "-m", str(whisper), str(wav)]) == 0
    assert ran.stdout.split()[0] == json.loads(capsys.readouterr().out)["label"]
    soundfile.write(wav, read(an4_wavs[0]), 8000)
    ran = subprocess.run(argv, capture_output=True, text=True)
    assert ran.returncode == 1 and "16000 Hz" in ran.stderr
    text = tmp_path / "a.txt"
    text.write_text("neither")
    for model, recording, message in [
        ("no.onnx", wav, "no.onnx: there is no such file"),
        (of_whisper.path, tmp_path, f"{tmp_path}: there is no such file"),
        (text, wav, f"{text}: no model that espnet-sentiment export wrote"),
        (of_whisper.path, text, f"{text}: no recording that libsndfile reads"),
    ]:
        argv[-2:] = map(str, (model, recording))
        ran = subprocess.run(argv, capture_output=True, text=True)
        assert ran.returncode == 1 and ran.stderr.startswith(message)
        assert "Traceback" not in ran.stderr


def test_the_command_says_what_it_wrote(whisper, tmp_path, an4_wavs, capsys):
    out = tmp_path / "x.onnx"
    argv = ["export", str(whisper), str(out), "--check", str(an4_wavs[0])]
    assert main(argv) == 0
    told = capsys.readouterr().out
    assert "samples (1, N) at 16000 Hz" in told and "3 labels of 3 are the same" in told


def test_speakers_are_normalised_by_all_and_it_is_said(tmp_path, capsys):
    fold = write_fold(tmp_path / "fold1", FBANK, 80)
    config = yaml.safe_load((fold / "config.yaml").read_text())
    (fold / "config.yaml").write_text(
        yaml.safe_dump(config | {"normalize": "speaker_mvn"})
    )
    assert main(["export", str(fold), str(tmp_path / "x.onnx")]) == 0
    assert "training speakers' statistics" in capsys.readouterr().out


def test_a_file_that_is_right_for_one_length_only_is_not_written(
    whisper, tmp_path, monkeypatch
):
    def constant(x, factor):
        return mean_subsample(x, torch.tensor([x.size(1)]), factor)[0]

    out = tmp_path / "x.onnx"
    out.write_text("before")
    monkeypatch.setattr(traceable, "average", constant)
    with pytest.raises(DataError, match="differ from PyTorch's|fails on"):
        export_onnx(whisper, out)
    assert out.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == [
        "x.onnx"
    ]


@pytest.mark.parametrize("bound", [float("nan"), -1.0, 0.0])
def test_a_bound_that_is_none_is_refused_at_once(tmp_path, bound):
    with pytest.raises(DataError, match=r"--bound\): give a number above 0"):
        export_onnx(tmp_path / "nothing", tmp_path / "x.onnx", bound=bound)


def test_an_exported_model_is_no_encoder(of_whisper):
    with pytest.raises(DataError, match="is a whole model, which 'espnet-sentiment"):
        build_encoder("onnx", {"model": str(of_whisper.path)})


def test_the_example_says_what_it_takes(of_whisper, tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(16000 * 31, np.float32), 16000)
    for arguments, said in [
        ([], "MODEL.onnx FILE.wav"),
        ([long], "give 201 to 480000"),
    ]:
        argv = [str(of_whisper.path), *map(str, arguments)] if arguments else []
        command = [sys.executable, str(EXAMPLE), *argv]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert said in done.stderr


def test_a_difference_above_the_bound_writes_nothing(whisper, tmp_path):
    with pytest.raises(DataError, match=r"was not written.*--bound"):
        export_onnx(whisper, tmp_path / "x.onnx", bound=1e-12)
    assert not [*tmp_path.iterdir()]


def test_recordings_to_check_on_are_read_whole_or_refused(whisper, tmp_path, an4_wavs):
    wav = tmp_path / "long.wav"
    soundfile.write(wav, np.resize(read(an4_wavs[0]), 500000), 16000)
    with pytest.raises(DataError, match=r"long.wav lasts .* at most 30 s"):
        export_onnx(whisper, tmp_path / "x.onnx", check=[wav])
    soundfile.write(wav, read(an4_wavs[0])[:100], 16000)
    with pytest.raises(DataError, match="at least 0.013 s"):
        export_onnx(whisper, tmp_path / "x.onnx", check=[wav])


def model_of(**parts):
    """Return a model on features, of parts that are not what they usually are."""
    usual = {"normalize": None, "decoder": MLPPoolingDecoder(2, 80)}
    nothing = {"frontend": None, "specaug": None, "encoder": None}
    return SentimentModel(token_list=["a", "b"], **nothing, **(usual | parts))


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ({"normalize": UtteranceMVN()}, "UtteranceMVN.*global_mvn, or speaker_mvn"),
        ({"decoder": LinearDecoder(2, 80)}, "LinearDecoder.*espnet-sentiment decoders"),
        (
            {
                "decoder": MLPPoolingDecoder(8, 80),
                "fusion_size": 8,
                "text_encoder": LSTMTextEncoder(5),
            },
            "text branch",
        ),
    ],
)
def test_what_cannot_be_exported_is_named(parts, match):
    with pytest.raises(DataError, match=match):
        traceable.TraceableDecoder(model_of(**parts))


def test_the_name_of_the_file_says_that_it_is_onnx(whisper, tmp_path):
    with pytest.raises(DataError, match="no name of an ONNX file"):
        export_onnx(whisper, tmp_path / "x.pt")
    with pytest.raises(DataError, match="part is 'encoder': choose one of all, decod"):
        export_onnx(whisper, tmp_path / "x.onnx", part="encoder")


def test_weights_beyond_a_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 1000)
    fold = write_fold(tmp_path / "fold1", FBANK, 80)
    with pytest.raises(DataError, match="of weights, and one ONNX file holds"):
        export_onnx(fold, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("module", ["onnx", "onnxruntime"])
def test_without_the_extra_the_command_that_installs_it_is_said(
    module, whisper, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["export", str(whisper), str(tmp_path / "x.onnx")]) == 2
    assert "pip install 'espnet_sentiment[onnx]'" in capsys.readouterr().err


@pytest.mark.parametrize("rate", [8000, 16000, 22050])
def test_fbank_without_fft_is_that_of_torchaudio(rate, an4_wavs):
    samples = torch.from_numpy(read(an4_wavs[0])).double()
    found = FbankModule(rate).double()(samples[None])[0]
    # The kernel is float32's.
    torch.testing.assert_close(found, fbank(samples, rate), atol=1e-3, rtol=0)
