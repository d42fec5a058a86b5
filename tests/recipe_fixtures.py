"""A small corpus of real speech, a small Whisper, and recipes, for stages' tests."""

import contextlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import yaml
from seed import SEED

from espnet_sentiment.data.folds import Fold, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def script_module(script: Path) -> Iterator[ModuleType]:
    """Import a program by its file; forget its neighbours at the end."""
    folder = script.parent
    spec = importlib.util.spec_from_file_location(f"script_{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        for path in folder.glob("*.py"):
            sys.modules.pop(path.stem, None)


def recipe_module(name: str) -> contextlib.AbstractContextManager[ModuleType]:
    """Import a recipe's local/prepare.py; see :func:`script_module`."""
    return script_module(ROOT / "egs" / name / "local" / "prepare.py")


def clone_recipe(name: str, root: Path) -> Path:
    """Copy a recipe without what it made, beside the same .venv; return its folder."""
    root.mkdir()
    for shared in ("local", "conf", "setup.cfg", "pyproject.toml"):
        (root / shared).symlink_to(ROOT / shared)
    made = shutil.ignore_patterns("data", "dump", "exp", "downloads")
    return Path(
        shutil.copytree(
            ROOT / "egs" / name, root / "egs" / name, symlinks=True, ignore=made
        )
    )


def run_recipe(folder: Path, *options) -> subprocess.CompletedProcess:
    """Run a recipe's run.sh from elsewhere."""
    return subprocess.run(
        [folder / "run.sh", *map(str, options)],
        capture_output=True,
        text=True,
        cwd="/",
    )


def save_small_whisper(folder: Path) -> Path:
    """Save a randomly initialised Whisper of the real architecture."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    torch.manual_seed(SEED)
    config = WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    WhisperModel(config).half().save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def write_corpus(root: Path, wavs: list[Path]) -> Path:
    """Write data/an4: spelled words against other phrases, two folds."""
    utterances = [
        Utterance(
            utt=f"{wav.parent.name}-{wav.stem}",
            wav=str(wav),
            speaker=wav.parent.name,
            # AN4 names utterances of spelled words and numbers "an", others "cen".
            label=wav.name.split("-")[0].rstrip("0123456789"),
        )
        for wav in wavs
    ]
    data_dir = root / "data" / "an4"
    write_kaldi_dir(data_dir, utterances)
    utts = sorted(u.utt for u in utterances)
    folds = [
        Fold("1", utts[4:], utts[2:4], utts[:2]),
        Fold("2", utts[:-4], utts[-4:-2], utts[-2:]),
    ]
    write_folds(data_dir, folds)
    return data_dir


def write_configs(root: Path, model: Path) -> tuple[Path, Path]:
    """Write an encoder and a sentiment config that train in seconds."""
    encoder = root / "conf" / "encoder" / "small.yaml"
    sentiment = root / "conf" / "sentiment" / "small.yaml"
    for path, content in [
        (
            encoder,
            {
                "encoder": "huggingface",
                "encoder_conf": {
                    "model": str(model),
                    "layer": "weighted_sum",
                    "subsample": 4,
                },
            },
        ),
        (
            sentiment,
            {
                "decoder": "rnn_attention",
                "decoder_conf": {"hidden_size": 8, "n_heads": 2, "head_size": 4},
                "specaug": "specaugment",
                "specaug_conf": {"policy": "LB", "fill": "mean"},
                "views": 2,
                "normalize": "global_mvn",
                "max_epoch": 3,
            },
        ),
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return encoder, sentiment


class Recipe:
    """Run the stages of a small recipe inside one folder."""

    def __init__(self, root: Path, wavs: list[Path]):
        self.root = root
        self.model = save_small_whisper(root / "whisper")
        self.data_dir = write_corpus(root, wavs)
        self.encoder, self.sentiment = write_configs(root, self.model)
        self.exp = root / "exp" / f"an4_small_small_seed{SEED}"
        self.store = root / "dump" / "small" / "an4"

    @property
    def common(self) -> list[str]:
        """Options of stages 1 and 2."""
        options = {
            "data_dir": self.data_dir,
            "encoder": self.encoder,
            "dump": self.root / "dump",
        }
        return [x for key, value in options.items() for x in (f"--{key}", str(value))]

    @property
    def experiment(self) -> list[str]:
        """Options of stages 3 to 6."""
        options = ["--sentiment", str(self.sentiment), "--exp", str(self.root / "exp")]
        return [*self.common, *options, "--seed", str(SEED)]

    def run(self, first: int, last: int, *train_options: str) -> None:
        """Run some stages."""
        from espnet_sentiment.bin import (
            encode,
            fetch_encoder,
            make_features,
            score,
            sentiment_inference,
            sentiment_train,
        )

        stages = {
            1: lambda: make_features.main(self.common),
            2: lambda: fetch_encoder.main(self.common),
            3: lambda: encode.main(self.experiment),
            4: lambda: sentiment_train.main([*self.experiment, *train_options]),
            5: lambda: sentiment_inference.main(self.experiment),
            6: lambda: score.main(self.experiment),
        }
        for number in range(first, last + 1):
            stages[number]()
