"""Frozen encoders as front ends of ESPnet's own tasks."""

import copy
import shutil
import subprocess
import sys

import pytest
import soundfile
import torch
import yaml
from asr_fixtures import Corpus, add_rnnt, write_data
from recipe_fixtures import save_small_whisper
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.fbank import FbankFrontend
from espnet_sentiment.encoder.frozen_frontend import FrozenEncoderFrontend
from espnet_sentiment.encoder.huggingface import HuggingFaceEncoder
from espnet_sentiment.encoder.reference import EncoderMismatchError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return str(save_small_whisper(tmp_path_factory.mktemp("frontend") / "whisper"))


@pytest.fixture(scope="module")
def speech(an4_wavs):
    """Return waveforms of four lengths (B, N), and the lengths (B,)."""
    waves = [
        torch.from_numpy(soundfile.read(wav, dtype="float32")[0])
        for wav in an4_wavs[:4]
    ]
    lengths = torch.tensor([len(wave) for wave in waves])
    assert len(set(lengths.tolist())) > 1
    return pad_sequence(waves, batch_first=True), lengths


@pytest.fixture
def frontend(whisper):
    return FrozenEncoderFrontend(model=whisper, layer="weighted_sum", subsample=4)


def test_it_gives_what_the_encoder_gives_on_its_own_front_end(whisper, speech):
    encoder = HuggingFaceEncoder(model=whisper, layer=1, subsample=4).eval()
    with torch.no_grad():
        expected, expected_lengths, _ = encoder(*encoder.frontend(*speech))
    frontend = FrozenEncoderFrontend(model=whisper, layer=1, subsample=4).train()
    feats, lengths = frontend(*speech)
    assert torch.equal(feats, expected) and torch.equal(lengths, expected_lengths)
    assert frontend.output_size() == feats.size(2) == 16


def test_no_utterance_changes_another_and_padding_none(frontend, speech):
    waves, lengths = speech
    waves = torch.nn.functional.pad(waves, (0, 4000), value=0.3)
    feats, out_lengths = frontend(waves, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone, n = frontend(speech[0][i : i + 1, :length], lengths[i : i + 1])
        assert n.item() == out_lengths[i].item() == alone.size(1)
        torch.testing.assert_close(feats[i, :n], alone[0], rtol=1e-3, atol=1e-4)
        assert not feats[i, n:].any()


def test_layers_are_mixed_on_one_scale_by_weights_that_are_trained(frontend, speech):
    layers, _ = frontend.encode(*speech)
    valid = layers[0, 0].unflatten(0, (frontend.layer_sum.n_layers, 16))
    assert valid.mean(1).abs().max() < 1e-4 and (valid.std(1) - 1).abs().max() < 0.1
    feats, _ = frontend(*speech)
    assert feats.shape[2] == frontend.output_size() == 16
    feats.square().sum().backward()
    assert frontend.layer_sum.logits.grad.abs().sum() > 0


def test_only_the_weights_of_layers_are_parameters_and_the_rest_is_one_hash(frontend):
    assert [name for name, _ in frontend.named_parameters()] == ["layer_sum.logits"]
    assert set(frontend.state_dict()) == {"layer_sum.logits", "encoder_sha256"}
    encoder = frontend.frozen.encoder
    assert not frontend.train().frozen.encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    frontend.half()
    assert {p.dtype for p in encoder.parameters()} == {torch.float16}


def test_training_and_evaluation_give_the_same_but_for_specaug_conf(whisper, speech):
    options = {"model": whisper, "subsample": 4}
    plain = FrozenEncoderFrontend(**options)
    masked = FrozenEncoderFrontend(**options, specaug_conf={"policy": "LD"})
    expected, _ = plain.eval()(*speech)
    assert torch.equal(plain.train()(*speech)[0], expected)
    assert torch.equal(masked.eval()(*speech)[0], expected)
    masked.train()
    torch.manual_seed(0)
    first, _ = masked(*speech)
    assert not torch.equal(first, expected)
    torch.manual_seed(0)
    assert torch.equal(masked(*speech)[0], first)


def test_a_checkpoint_of_another_encoder_is_refused(whisper, frontend, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(whisper, other)
    weights = next(other.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    changed = FrozenEncoderFrontend(model=str(other), layer="weighted_sum")
    frontend.load_state_dict(copy.deepcopy(frontend.state_dict()))
    with pytest.raises(EncoderMismatchError, match="frontend_conf.model"):
        changed.load_state_dict(frontend.state_dict(), strict=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_hash_survives_averaged_and_cast_checkpoints(frontend, dtype):
    state = frontend.state_dict()
    # As espnet2/main_funcs/average_nbest_models.py does: a sum, divided if no integer.
    total = state["encoder_sha256"] * 3 + state["encoder_sha256"] * 4
    assert not str(total.dtype).startswith("torch.int")
    averaged = {**state, "encoder_sha256": (total / 7).to(dtype)}
    frontend.load_state_dict(averaged)


@pytest.mark.parametrize("fs", ["16k", 16000, "16000", "16 kHz", None])
def test_the_rate_that_espnets_recipes_pass_is_taken(whisper, fs):
    assert FrozenEncoderFrontend(model=whisper, fs=fs).output_size() == 16


def test_the_fbank_front_end_takes_that_rate_too():
    assert FbankFrontend(fs="8k").sample_rate == 8000
    with pytest.raises(DataError, match="fs is 'fast'"):
        FbankFrontend(fs="fast")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fs": "8k"}, r"fs is 8k, but .* reads 16000 Hz"),
        ({"fs": "fast"}, "fs is 'fast', no sample rate"),
        ({"model": None}, "names no model"),
        ({"encoder": "whisper"}, "encoder is 'whisper': choose one of espnet, hugg"),
        ({"encoder": "none"}, "choose one of"),
        ({"layer": 9}, "layer is 9, but .* has 4 layers"),
        ({"subsample": 0}, "subsample is 0"),
    ],
)
def test_what_cannot_be_built_is_refused_by_its_name(whisper, options, message):
    with pytest.raises(DataError, match=f"^frontend_conf.*{message}"):
        FrozenEncoderFrontend(**{"model": whisper} | options)


def test_remedies_name_what_espnets_users_have(whisper, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(whisper, broken)
    (broken / "config.json").unlink()
    with pytest.raises(DataError, match="frontend_conf.model") as caught:
        FrozenEncoderFrontend(model=str(broken))
    assert "--encoder_model" not in str(caught.value)


def test_several_channels_are_refused(frontend, speech):
    waves, lengths = speech
    with pytest.raises(DataError, match="one channel"):
        frontend(torch.stack((waves, waves), dim=2), lengths)


CONFIG = """
frontend: frozen_encoder
frontend_conf: {layer: weighted_sum, subsample: 4, specaug_conf: {policy: LB}}
specaug: specaugment
specaug_conf: {policy: LB, fill: mean, time_scale: 0.125, freq_scale: 0.2}
normalize: utterance_mvn
encoder: identity
encoder_conf: {}
decoder: rnn_attention
decoder_conf: {hidden_size: 8, n_heads: 2, head_size: 4}
optim: adam
optim_conf: {lr: 0.01}
batch_type: unsorted
batch_size: 2
max_epoch: 2
keep_nbest_models: 2
num_workers: 0
use_tensorboard: false
use_matplotlib: false
best_model_criterion: [[valid, acc, max]]
"""


@pytest.mark.espnet
def test_espnets_classification_task_trains_averages_and_infers_on_it(
    tmp_path, whisper, an4_wavs
):
    from espnet2.bin.cls_inference import main as infer
    from espnet2.tasks.cls import CLSTask

    wavs = an4_wavs[:4]
    tables = {
        "wav.scp": [f"utt{i} {wav}" for i, wav in enumerate(wavs)],
        "label": [f"utt{i} {'ab'[i % 2]}" for i in range(len(wavs))],
        "shape": [f"utt{i} {soundfile.info(w).frames}" for i, w in enumerate(wavs)],
        "tokens": ["a", "b", "<unk>"],
        "train.yaml": CONFIG.splitlines(),
    }
    for name, lines in tables.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    sources = [f"{tmp_path}/wav.scp,speech,sound", f"{tmp_path}/label,label,text"]
    command = ["--config", str(tmp_path / "train.yaml")]
    # As cls.sh adds it to the config.
    command += ["--frontend_conf", "fs=16k", "--frontend_conf", f"model={whisper}"]
    for phase in ("train", "valid"):
        for source in sources:
            command += [f"--{phase}_data_path_and_name_and_type", source]
        command += [f"--{phase}_shape_file", str(tmp_path / "shape")]
    command += ["--token_list", str(tmp_path / "tokens")]
    exp = tmp_path / "exp"
    CLSTask.main(cmd=[*command, "--output_dir", str(exp)])

    averaged = exp / "valid.acc.ave_2best.pth"
    weights = torch.load(averaged, weights_only=True)
    assert {name for name in weights if name.startswith("frontend.")} == {
        "frontend.layer_sum.logits",
        "frontend.encoder_sha256",
    }
    infer(
        [
            "--data_path_and_name_and_type",
            sources[0],
            "--classification_train_config",
            str(exp / "config.yaml"),
            "--classification_model_file",
            str(averaged),
            "--output_dir",
            str(tmp_path / "out"),
            "--output_all_probabilities",
            "true",
            "--num_workers",
            "0",
        ]
    )
    scores = (tmp_path / "out" / "prediction" / "score").read_text().splitlines()
    assert [line.split()[0] for line in scores] == [f"utt{i}" for i in range(4)]
    model, _ = CLSTask.build_model_from_file(exp / "config.yaml", averaged)
    wave = torch.from_numpy(soundfile.read(wavs[0], dtype="float32")[0])
    found = [float(score) for score in scores[0].split()[1:]]
    assert found == pytest.approx(model.eval().score(wave[None])[0].tolist(), abs=1e-5)


@pytest.mark.espnet
def test_an_rnn_t_of_ones_own_is_a_front_end(tmp_path, an4_wavs, speech):
    corpus = Corpus(tmp_path)
    add_rnnt(corpus, write_data(corpus, an4_wavs))
    frontend = FrozenEncoderFrontend(
        encoder="espnet", model=str(corpus.exp), subsample=2, fs="16k"
    )
    encoder = frontend.frozen.encoder
    feats, lengths = frontend(*speech)
    with torch.no_grad():
        expected, expected_lengths, _ = encoder(*encoder.frontend(*speech))
    assert torch.equal(feats, expected) and torch.equal(lengths, expected_lengths)
    assert feats.size(2) == frontend.output_size() and not feats.requires_grad


@pytest.mark.espnet
def test_espnet_3_builds_a_model_on_it(whisper, speech):
    from espnet3.utils.task_utils import get_espnet_model

    config = yaml.safe_load(CONFIG)
    config["frontend_conf"]["model"] = whisper
    config["token_list"] = ["a", "b", "<unk>"]
    model = get_espnet_model("espnet2.tasks.cls.CLSTask", config)
    label = torch.tensor([[0], [1], [0], [1]])
    loss, stats, _ = model(*speech, label, torch.ones(4, dtype=torch.long))
    loss.backward()
    assert torch.isfinite(loss) and "acc" in stats
    assert model.frontend.layer_sum.logits.grad is not None


def test_naming_it_imports_no_toolkit():
    code = (
        "import sys, espnet_sentiment.encoder.frozen_frontend; "
        "print([m for m in ('transformers', 'torchaudio') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
