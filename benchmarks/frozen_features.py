"""One training epoch on stored features against one that encodes on the fly.

Both train the same sentiment model on fold 1 of a recipe that has run stages 0 to 4,
with ESPnet's Trainer, in one process:

    cd egs/emodb
    python ../../benchmarks/frozen_features.py --data_dir data/emodb \\
        --encoder conf/encoder/whisper_base.yaml \\
        --sentiment conf/sentiment/rnn_attention.yaml [--encoder_model PATH]
"""

import argparse
import platform
import tempfile
from pathlib import Path

import torch
from espnet2.torch_utils.safe_torch_load import safe_torch_load

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.recipe.experiment import (
    add_experiment_arguments,
    experiments,
    view_dirs,
)
from espnet_sentiment.recipe.stage import stage_seconds
from espnet_sentiment.scoring.tables import markdown
from espnet_sentiment.tasks.sentiment import SentimentTask


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_experiment_arguments(parser)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def epoch_seconds(config: dict, folder: Path) -> float:
    """Train one epoch and return the seconds that ESPnet's reporter counted."""
    options = {**config, "output_dir": str(folder), "max_epoch": 1, "resume": False}
    SentimentTask.main(argparse.Namespace(**options))
    state = safe_torch_load(folder / "checkpoint.pth", map_location="cpu")
    return state["reporter"]["stats"][1]["train"]["time"]["__timedelta_seconds__"]


def main(argv=None) -> None:
    """Print the seconds of both, and those of a whole experiment."""
    args = get_parser().parse_args(argv)
    torch.set_num_threads(args.threads)
    experiment = next(experiments(args))
    kept = read_config(experiment.fold_dir("1") / "config.yaml")
    sentiment = read_config(experiment.sentiment)
    audio = [
        [
            str(experiment.dump / "audio" / experiment.corpus / "wav.scp"),
            "speech",
            "sound",
        ],
        kept["train_data_path_and_name_and_type"][1],
    ]
    live = {
        **kept,
        **load_encoder_config(args.encoder, args.encoder_model),
        "input_size": None,
        "specaug": sentiment["specaug"],
        "specaug_conf": sentiment["specaug_conf"],
        "train_data_path_and_name_and_type": audio,
        "valid_data_path_and_name_and_type": audio,
    }
    with tempfile.TemporaryDirectory() as folder:
        kept_seconds = epoch_seconds(kept, Path(folder, "kept"))
        live_seconds = epoch_seconds(live, Path(folder, "live"))
    epochs = kept["max_epoch"] * len(read_folds(args.data_dir))
    encoding = stage_seconds(experiment.encode_stamps)
    n_train = len(read_folds(args.data_dir)[0].train)
    print(
        f"\n{n_train} training utterances, {len(view_dirs(experiment))} stored views, "
        f"{args.threads} threads, torch {torch.__version__}, {platform.machine()}\n"
    )
    header = ["", "one epoch (s)", f"{epochs} epochs (s)", "with encoding (s)"]
    rows = [
        ["stored features", kept_seconds, kept_seconds * epochs, encoding],
        ["encoding on the fly", live_seconds, live_seconds * epochs, 0.0],
    ]
    table = [[n, f"{s:.2f}", f"{a:.0f}", f"{a + e:.0f}"] for n, s, a, e in rows]
    total = [a + e for _, _, a, e in rows]
    ratio = [
        "ratio",
        f"{live_seconds / kept_seconds:.1f}",
        "",
        f"{total[1] / total[0]:.1f}",
    ]
    print(markdown(header, [*table, ratio]))


if __name__ == "__main__":
    run(main)
