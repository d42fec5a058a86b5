"""A small corpus of real speech whose stages run in this process, all of them."""

import functools
import itertools
import shutil
from pathlib import Path

import pytest
import soundfile
import yaml
from recipe_fixtures import ROOT, save_small_whisper, write_configs
from seed import SEED

from espnet_sentiment.bin import (
    encode,
    fetch_encoder,
    make_features,
    report,
    score,
    sentiment_inference,
    sentiment_train,
)
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.recipe import prepare
from espnet_sentiment.recipe.stage import Stage

SENTIMENT = {
    "decoder": "rnn_attention",
    "decoder_conf": {"hidden_size": 4, "n_heads": 2, "head_size": 2, "dropout": 0.1},
    "specaug": "specaugment",
    "specaug_conf": {"policy": "LB", "fill": "mean"},
    "views": 1,
    "normalize": "global_mvn",
    "model_conf": {"label_smoothing": 0.0},
    "optim": "adam",
    "optim_conf": {"lr": 0.001},
    "grad_clip": 4.0,
    "batch_size": 4,
    "max_epoch": 1,
    "keep_nbest_models": 1,
}


class World:
    """A corpus, its configs and options, each to be changed alone.

    Args:
        root: Where everything is.
        wavs: Recordings.
        fbank: Whether there are features of fbank, too.
    """

    def __init__(self, root, wavs, fbank=False):
        self.root = root
        self.model = save_small_whisper(root / "whisper")
        self.encoder, self.sentiment = write_configs(root, self.model)
        self.write(self.sentiment, SENTIMENT)
        self.fbank = ROOT / "conf" / "encoder" / "fbank.yaml" if fbank else None
        self.utterances = {}
        for wav in wavs:
            utt = f"{wav.parent.name}-{wav.stem}"
            samples, _ = soundfile.read(wav)
            # At half AN4's rate, so that stage 1 converts it.
            soundfile.write(root / f"{utt}.wav", samples[::2], 8000)
            self.utterances[utt] = {
                "speaker": wav.parent.name,
                # AN4's spelled words against its other phrases.
                "label": "an" if "-an" in utt else "cen",
                "text": "it is",
                "votes": ["an", "cen", "an"],
            }
        utts = sorted(self.utterances)
        self.folds = {
            "1": {"train": utts[4:], "valid": utts[2:4], "test": utts[:2]},
            "2": {"train": utts[:-4], "valid": utts[-4:-2], "test": utts[-2:]},
        }
        self.options: dict[str, list[str]] = {}
        self.counter = itertools.count(1)
        self.seed = SEED

    @staticmethod
    def write(path, config):
        """Write a config."""
        path.write_text(yaml.safe_dump(config))

    def edit(self, path, key, value):
        """Change one key of a config, ``a.b`` inside a mapping."""
        config = yaml.safe_load(path.read_text())
        *parents, last = key.split(".")
        place = functools.reduce(lambda found, name: found[name], parents, config)
        assert place.get(last) != value
        place[last] = value
        self.write(path, config)

    def run(self, first=0, last=6):
        """Run stages, the report being one more of 6; return those that worked.

        On fbank, stage 3 is the last.
        """
        root, ran = self.root, []
        finish = Stage.finish

        def listed(stage, *args, **kwargs):
            number, fold = stage.name.split(":")[0], stage.name.split("fold ")[1:]
            short = "report" if "report" in stage.name else number.split()[-1]
            ran.append(".".join([short, *fold]))
            # No two runs take as long: results.json tells it.
            stage._begin -= 10 * next(self.counter)
            finish(stage, *args, **kwargs)

        def options(encoder, names, *more):
            named = {
                "data_dir": root / "data" / "an4",
                "encoder": encoder,
                "dump": root / "dump",
                "sentiment": self.sentiment,
                "exp": root / "exp",
                "seed": self.seed,
            }
            pairs = [(f"--{key}", str(named[key])) for key in names.split()]
            return [text for pair in pairs for text in pair] + list(more)

        common = "data_dir encoder dump"
        experiment = f"{common} sentiment exp seed"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Stage, "finish", listed)
            if first == 0:
                prepare.prepare(root / "data" / "an4", self.corpus())
            for number, stage, names, fixed in [
                (1, make_features, common, ["--nj", "1"]),
                (2, fetch_encoder, common, []),
                (3, encode, experiment, []),
                (4, sentiment_train, experiment, ["--nj", "1"]),
                (5, sentiment_inference, experiment, []),
                (6, score, experiment, []),
                (6, report, experiment, ["--embed", "1"]),
            ]:
                if not first <= number <= last:
                    continue
                name = stage.__name__.split(".")[-1]
                given = [*fixed, *self.options.get(name, [])]
                stage.main(options(self.encoder, names, *given))
                if self.fbank and number in (1, 3):
                    stage.main(options(self.fbank, names, *given))
        return ran

    def corpus(self):
        """Return what stage 0 writes."""
        return prepare.Corpus(
            [
                Utterance(utt, str(self.root / f"{utt}.wav"), **facts)
                for utt, facts in self.utterances.items()
            ],
            [Fold(name, **parts) for name, parts in self.folds.items()],
        )


def finished_world(root: Path, wavs: list[Path], fbank=False) -> tuple[World, Path]:
    """Run all stages on ten utterances.

    Args:
        root: Folder to work in.
        wavs: Recordings.
        fbank: See ``World``.

    Returns:
        The world, and a copy of its files.
    """
    (root / "world").mkdir(parents=True)
    world = World(root / "world", wavs[:10], fbank)
    world.run()
    return world, Path(shutil.copytree(world.root, root / "kept"))


def restored(world: World, kept: Path) -> World:
    """Return a world as it was when its files were copied.

    Args:
        world: It may be changed meanwhile.
        kept: The copy.
    """
    shutil.rmtree(world.root)
    shutil.copytree(kept, world.root)  # with the files' times
    fresh = object.__new__(World)
    fresh.__dict__ = {**world.__dict__, "options": {}}
    fresh.utterances = {utt: dict(facts) for utt, facts in world.utterances.items()}
    fresh.folds = {
        name: {part: list(utts) for part, utts in parts.items()}
        for name, parts in world.folds.items()
    }
    return fresh
