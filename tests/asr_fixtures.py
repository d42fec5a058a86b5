"""A small corpus of real transcribed speech, for the tests of RNN-T pre-training."""

import re
from pathlib import Path

from espnet_sentiment.bin import asr_inference, asr_score, make_features
from espnet_sentiment.data.files import read_json, read_table
from espnet_sentiment.data.folds import Fold, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir

CONF = Path(__file__).parents[1] / "conf"


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
