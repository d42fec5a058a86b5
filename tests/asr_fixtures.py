"""A small corpus of real transcribed speech, for the tests of RNN-T pre-training."""

import re
from pathlib import Path

import kaldiio
import lazy
import numpy as np
import torch
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from safetensors.torch import load_file

from espnet_sentiment.bin import asr_inference, asr_score, make_features
from espnet_sentiment.core.files import read_json, read_table, write_json
from espnet_sentiment.data.folds import Fold, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir

EPOCHS = 300
CONF = Path(__file__).parents[1] / "conf"
# make_rnnt_weights.py made them.
WEIGHTS = Path(__file__).with_name("rnnt_weights.safetensors")
SIZES = {
    "encoder_conf": {
        "conv_channels": 16,
        "lstm_layers": 1,
        "lstm_units": 16,
        "projection_size": 32,
    },
    "decoder_conf": {"hidden_size": 16},
    "joint_net_conf": {"joint_space_size": 32},
}


class Corpus:
    """AN4 as a data directory with fbank, and an experiment that learned a part."""

    def __init__(self, root):
        self.root = root
        self.data_dir = root / "data" / "an4"
        self.exp = root / "exp" / "asr_an4_small"
        self.dump = root / "dump"
        self.fbank = self.dump / "fbank" / "an4"

    def decode(self, *options):
        asr_inference.main(
            [
                *("--asr_exp", str(self.exp), "--data_dir", str(self.data_dir)),
                *("--dump", str(self.dump), *options),
            ]
        )

    def score(self):
        asr_score.main(["--asr_exp", str(self.exp)])
        return read_json(self.exp / "results.json")

    def text(self, part):
        return read_table(self.exp / f"decode_an4_{part}" / "text")


def write_data(corpus, wavs):
    texts = {}
    for file in (wavs[0].parents[3] / "etc").glob("*.transcription"):
        for line in file.read_text().splitlines():
            text, stem = re.fullmatch(r"(.*) \((.*)\)", line).groups()
            texts[stem] = re.sub(r"</?s>", "", text).strip()
    utterances = [
        Utterance(wav.stem, str(wav), wav.parent.name, text=texts[wav.stem])
        for wav in wavs
        if wav.stem in texts
    ]
    write_kaldi_dir(corpus.data_dir, utterances)
    # The model learns the utterances of one word.
    short = sorted(u.utt for u in utterances if " " not in u.text)
    others = sorted(u.utt for u in utterances if u.utt not in short)
    write_folds(corpus.data_dir, [Fold("1", short, others[:2], others[2:])])
    encoder = str(CONF / "encoder" / "fbank.yaml")
    options = ["--data_dir", str(corpus.data_dir), "--dump", str(corpus.dump)]
    make_features.main([*options, "--encoder", encoder])
    return {utt: texts[utt] for utt in short}


def write_experiment(corpus, texts):
    """Write what a training of an RNN-T leaves behind, but for its weights.

    Returns:
        The options of the task.
    """
    corpus.exp.mkdir(parents=True)
    tokens = sorted(set("".join(read_table(corpus.data_dir / "text").values())) - {" "})
    tokens = ["<blank>", "<unk>", "<space>", *tokens, "<sos/eos>"]
    (corpus.exp / "tokens.txt").write_text("".join(f"{token}\n" for token in tokens))
    scp = read_table(corpus.fbank / "feats.scp")
    frames = np.concatenate([kaldiio.load_mat(scp[utt]) for utt in texts], dtype=float)
    stats = corpus.exp / "feats_stats.npz"
    np.savez(
        stats,
        count=len(frames),
        sum=frames.sum(axis=0),
        sum_square=(frames**2).sum(axis=0),
    )
    parser = lazy.RNNTTask.get_parser()
    parser.set_defaults(
        input_size=80,
        frontend=None,
        token_list=tokens,
        **SIZES,
    )
    args = parser.parse_args([])
    # As recipes write it: relative to the recipe's folder.
    args.normalize_conf = {"stats_file": str(stats.relative_to(corpus.root))}
    (corpus.exp / "config.yaml").write_text(yaml_no_alias_safe_dump(vars(args)))
    losses = [30 / (1 + n) for n in range(EPOCHS)]
    keys = ("train_loss", "valid_loss", "train_seconds", "valid_cer", "valid_wer")
    history = dict.fromkeys(keys, losses) | {"valid_wer": [None, *losses[1:]]}
    write_json(corpus.exp / "history.json", history)
    args.normalize_conf = {"stats_file": str(stats)}
    return args


def known_weights():
    """Return weights that write AN4's utterances of one word.

    They are stored: what a training learns differs from processor to processor.
    """
    return {name: x.float() for name, x in load_file(WEIGHTS).items()}


def add_rnnt(corpus, texts):
    """Give the corpus an RNN-T that knows some utterances by heart."""
    write_experiment(corpus, texts)
    torch.save(known_weights(), corpus.exp / "valid.cer_transducer.ave.pth")
