"""RNNTTask on AN4's real utterances, from statistics to the frozen encoder."""

import re
import subprocess
import sys

import pytest
import soundfile
import torch
import yaml
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.data.files import DataError
from espnet_sentiment.encoder.espnet_asr import ESPnetEncoder
from espnet_sentiment.model.rnnt_model import RNNTModel
from espnet_sentiment.tasks.rnnt import RNNTTask

SIZES = {
    "encoder_conf": {
        "conv_channels": 24,
        "lstm_layers": 1,
        "lstm_units": 24,
        "projection_size": 32,
    },
    "decoder_conf": {"hidden_size": 24},
    "joint_net_conf": {"joint_space_size": 32},
}


@pytest.fixture(scope="module")
def an4(an4_wavs):
    """Return the transcript of every utterance."""
    texts = {}
    for file in (an4_wavs[0].parents[3] / "etc").glob("*.transcription"):
        for line in file.read_text().splitlines():
            text, utt = re.fullmatch(r"(.*) \((.*)\)", line).groups()
            texts[utt] = re.sub(r"</?s>", "", text).strip()
    return {wav: texts[wav.stem] for wav in an4_wavs if wav.stem in texts}


def write_tables(folder, texts):
    tokens = sorted(set("".join(texts.values())) - {" "})
    tables = {
        "wav.scp": [f"{wav.stem} {wav}" for wav in texts],
        "text": [f"{wav.stem} {text}" for wav, text in texts.items()],
        "shape": [f"{wav.stem} {soundfile.info(wav).frames}" for wav in texts],
    }
    for name, lines in tables.items():
        (folder / name).write_text("".join(f"{line}\n" for line in sorted(lines)))
    tokens = ["<blank>", "<unk>", "<space>", *tokens, "<sos/eos>"]
    (folder / "tokens").write_text("".join(f"{token}\n" for token in tokens))


def options(folder, **changed):
    sources = [
        (str(folder / "wav.scp"), "speech", "sound"),
        (str(folder / "text"), "text", "text"),
    ]
    parser = RNNTTask.get_parser()
    parser.set_defaults(
        **SIZES,
        output_dir=str(folder / "exp"),
        token_list=str(folder / "tokens"),
        train_data_path_and_name_and_type=sources,
        valid_data_path_and_name_and_type=sources,
        train_shape_file=[str(folder / "shape")],
        valid_shape_file=[str(folder / "shape")],
        normalize=None,
        batch_bins=400_000,
        max_epoch=1,
        num_workers=0,
        use_tensorboard=False,
        use_matplotlib=False,
    )
    parser.set_defaults(**changed)
    return parser.parse_args([])


def batch_of(texts, model):
    """Return audio, lengths, token indices and their lengths."""
    audio = [torch.from_numpy(soundfile.read(w, dtype="float32")[0]) for w in texts]
    index = {token: i for i, token in enumerate(model.token_list)}
    labels = [
        torch.tensor([index[c.replace(" ", "<space>")] for c in text], dtype=torch.long)
        for text in texts.values()
    ]
    return (
        pad_sequence(audio, batch_first=True),
        torch.tensor([len(x) for x in audio]),
        pad_sequence(labels, batch_first=True, padding_value=-1),
        torch.tensor([len(x) for x in labels]),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, an4):
    """Train on all utterances after collecting statistics; return the folder."""
    folder = tmp_path_factory.mktemp("rnnt")
    write_tables(folder, an4)
    stats = folder / "stats"
    RNNTTask.main(options(folder, collect_stats=True, output_dir=str(stats)))
    shapes = [str(stats / "train" / name) for name in ("speech_shape", "text_shape")]
    RNNTTask.main(
        options(
            folder,
            normalize="global_mvn",
            normalize_conf={"stats_file": str(stats / "train" / "feats_stats.npz")},
            specaug="specaugment",
            specaug_conf={"policy": "LB", "freq_mask_width": 5, "time_mask_width": 5},
            model_conf={"ctc_weight": 0.3, "report_cer": True, "report_wer": True},
            train_shape_file=shapes,
            valid_shape_file=shapes,
            optim_conf={"lr": 0.01},
            max_epoch=40,
        )
    )
    return folder


@pytest.fixture(scope="module")
def model(trained):
    model, _ = RNNTTask.build_model_from_file(
        trained / "exp" / "config.yaml", trained / "exp" / "valid.loss.best.pth"
    )
    return model.eval()


def test_training_on_real_speech_lowers_the_loss(trained):
    state = torch.load(trained / "exp" / "checkpoint.pth", weights_only=True)
    stats = state["reporter"]["stats"]
    for phase in ("train", "valid"):
        for name in ("loss", "loss_transducer", "loss_ctc"):
            print(phase, name, [round(float(stats[e][phase][name]), 2) for e in stats])
    print([round(float(stats[e]["valid"]["cer_transducer"]), 2) for e in stats])
    assert 0


def test_x(model, an4):
    speech, n, _, _ = batch_of(an4, model)
    print([model.to_text(h) for h in model.decode(speech, n)])
    print([model.to_text(h) for h in model.decode(speech, n, beam_size=3)])
    print(
        [
            model.to_text(h)
            for h in model.decode(speech, n, beam_size=3, search_type="maes", nstep=3)
        ]
    )
    assert 0
