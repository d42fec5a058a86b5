"""What an ensemble of folds costs: seconds of ``predict``, and bytes, beside one fold.

    cd egs/emodb && ./run.sh --final ensemble
    python ../../benchmarks/ensemble.py --audio EMODB/wav \\
        --model exp/emodb_whisper_base_rnn_attention_seed0

Turns are interleaved; the encoder runs once for all members.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from espnet_sentiment.core.entry import run
from espnet_sentiment.data.listing import is_recording
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.model.layout import FINAL
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.scoring.tables import markdown


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="experiment with an ensemble")
    parser.add_argument("--fold", default="1", help="the fold beside it (default: 1)")
    parser.add_argument("--audio", required=True, type=Path, help="folder of WAVs")
    parser.add_argument("--runs", type=int, default=3, help="turns (default: 3)")
    parser.add_argument(
        "--threads", type=int, default=2, help="of PyTorch (default: 2)"
    )
    return parser


def main(argv=None) -> None:
    """Print a table."""
    args = get_parser().parse_args(argv)
    torch.set_num_threads(args.threads)
    wavs = sorted(p for p in args.audio.iterdir() if is_recording(p.name))
    names = {f"fold {args.fold}": args.fold, "ensemble": FINAL}
    models = {
        name: Speech2Sentiment.from_pretrained(args.model, fold)
        for name, fold in names.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(args.runs + 1):  # the first is a warm-up
        for name, model in models.items():
            begin = time.perf_counter()
            answers = sum(1 for _ in model.predict(wavs))
            took = time.perf_counter() - begin
            print(f"turn {turn}, {name}: {answers}, {took:.2f} s", file=sys.stderr)
            if turn:
                seconds[name].append(took)
    medians = {name: float(np.median(took)) for name, took in seconds.items()}
    least = min(medians.values())
    rows = [
        [
            name,
            f"{medians[name]:.2f}",
            f"{medians[name] / least:.2f}",
            f"{find_model(args.model, fold).model_file.stat().st_size / 1e6:.1f}",
        ]
        for name, fold in names.items()
    ]
    print(markdown(["model", "seconds", "times", "decoder (MB)"], rows), end="")


if __name__ == "__main__":
    run(main)
