"""A scored experiment on real speech, as stages 0 to 6 leave it, for reports' tests."""

import json
from pathlib import Path

import numpy as np
import soundfile

from espnet_sentiment.bin import report
from espnet_sentiment.core.ark import write_ark
from espnet_sentiment.core.files import write_json, write_table, write_text
from espnet_sentiment.data.folds import Fold, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir
from espnet_sentiment.recipe.stage import DONE, Stage
from espnet_sentiment.scoring.results import score

ROOT = Path(__file__).parents[1]
CLASSES = ["bad", "good"]
FRAME = 1280  # samples in 80 ms
# A transcript that tries to be markup and to end the script that holds it.
EVIL = "</script><script>window.evil=1</script><img/src=x/onerror=window.evil=1>"
EVIL_TEXT = f"eleven {EVIL} &amp; <!--"


class Scored:
    """Eight AN4 utterances in two folds; the first is wrong, as sure as the others."""

    def __init__(self, root: Path, wavs: list[Path]):
        self.root = root
        self.data_dir = root / "data" / "an4"
        self.dump = root / "dump"
        self.dir = root / "exp" / "an4_fbank_rnn_attention_seed0"
        self.ctm = self.dump / "align" / "fbank" / "an4" / "ctm"
        self.utts = {}
        for sphere in wavs:
            # Browsers play WAVE.
            wav = root / "wav" / f"{sphere.stem}.wav"
            wav.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(wav, *soundfile.read(sphere))
            self.utts[sphere.stem] = wav
        self.names = sorted(self.utts)
        self.labels = {u: CLASSES[i % 2] for i, u in enumerate(self.names)}
        self.write_data()
        self.write_decoded()
        write_text(self.ctm, "".join(map(self._ctm, self.names[:-1])))

    def write_data(self, start: float | None = None) -> None:
        """Write the data directory; the last utterance has no transcript.

        With a start, utterances are cut from their recordings, from there to the end.
        """
        write_kaldi_dir(
            self.data_dir,
            [
                Utterance(
                    utt,
                    str(wav),
                    speaker=utt.split("-")[1],
                    label=self.labels[utt],
                    text=self.text(utt),
                    start=start,
                    end=None if start is None else soundfile.info(wav).duration,
                )
                for utt, wav in sorted(self.utts.items())
            ],
        )
        write_folds(
            self.data_dir,
            [
                Fold(str(k + 1), rest[:2], rest[2:], self.names[k::2])
                for k in range(2)
                for rest in [self.names[1 - k :: 2]]
            ],
        )

    def text(self, utt: str) -> str:
        """Return a transcript: markup for the first utterance, none for the last."""
        if utt == self.names[-1]:
            return ""
        return EVIL_TEXT if utt == self.names[0] else "eleven twenty"

    def _ctm(self, utt: str) -> str:
        """Give all words the same time; 0.1 s before and after them are free."""
        words = self.text(utt).split()
        length = (soundfile.info(self.utts[utt]).duration - 0.2) / len(words)
        return "".join(
            f"{utt} 1 {0.1 + i * length:.3f} {length:.3f} {word}\n"
            for i, word in enumerate(words)
        )

    def attention(self, utt: str) -> np.ndarray:
        """Return attention (2, T): the energy of every 80 ms, and an even one."""
        samples, _ = soundfile.read(self.utts[utt])
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
        energy = (frames**2).sum(axis=1)
        even = np.full(len(frames), 1 / len(frames))
        return np.stack([energy / energy.sum(), even]).astype(np.float32)

    def write_decoded(self, attention: bool = True) -> None:
        """Write what training, decoding and scoring leave."""
        folds = {}
        for k in range(2):
            fold = self.dir / f"fold{k + 1}"
            rows = folds[fold.name[4:]] = [self._row(u) for u in self.names[k::2]]
            write_text(
                fold / "decode" / "predictions.jsonl",
                "".join(json.dumps(row) + "\n" for row in rows),
            )
            files = [fold / "decode" / "predictions.jsonl"]
            scp = fold / "decode" / "attention.scp"
            scp.unlink(missing_ok=True)
            if attention:
                by_utt = {u: self.attention(u) for u in self.names[k::2]}
                write_table(scp, write_ark(scp.with_suffix(".ark"), by_utt))
                files += [scp, scp.with_suffix(".ark")]
            stamp = fold / "decode" / DONE
            Stage("stage 5: decoding", stamp, {}, 1).finish(None, files)
            curve = {"train_loss": [1.0, 0.5], "valid_loss": [1.1, float("nan")]}
            # As an earlier version wrote it, with what is no JSON.
            curves = {**curve, "valid_wa": [0.5, 1.0], "lr": [1, 1]}
            write_text(fold / "history.json", json.dumps(curves))
        write_json(
            self.dir / "results.json",
            {
                "corpus": "an4",
                "tag": self.dir.name[4:],
                "encoder": "fbank",
                "sentiment": "rnn_attention",
                "seed": 0,
                **score(folds, CLASSES, {}, {}),
                "seconds": {"stage4": 1.5, "stage5": None},
                "config": {"encoder": {"encoder": None, "encoder_conf": {}}},
                "versions": {"python": "3.12"},
                "layers": [
                    {"layer": n, "weight": 0.5, "weight_std": 0.1, "wa": 0.9, "ua": 0.8}
                    for n in (2, 5)
                ],
            },
        )

    def _row(self, utt: str) -> dict:
        label = self.labels[utt]
        if utt == self.names[0]:
            label = CLASSES[1 - CLASSES.index(label)]
        posteriors = {name: 0.9 if name == label else 0.1 for name in CLASSES}
        return {
            "utt": utt,
            "label": self.labels[utt],
            "prediction": label,
            "posteriors": posteriors,
        }

    def options(self, *options) -> list[str]:
        """Return the options that name this experiment, and others."""
        named = {
            "--data_dir": self.data_dir,
            "--dump": self.dump,
            "--exp": self.dir.parent,
            "--encoder": ROOT / "conf/encoder/fbank.yaml",
            "--sentiment": ROOT / "conf/sentiment/rnn_attention.yaml",
        }
        return [str(x) for pair in named.items() for x in pair] + [*map(str, options)]

    def write_report(self, *options) -> Path:
        """Write the report and return its path."""
        report.main(self.options(*options))
        return self.dir / "report.html"
