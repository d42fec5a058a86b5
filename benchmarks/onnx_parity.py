"""A model by onnxruntime and by PyTorch, on every recording of a folder.

    python benchmarks/onnx_parity.py --model EXPERIMENT --audio EMODB/wav \\
        [--encoder_model WHISPER] [--runs 3] [--limit N]

The model is exported as ``espnet-sentiment export`` does it, and both answer one
recording after another on the same number of threads, in turns that alternate by
recording. PyTorch is what ``predict`` computes: its encoder has fused attention and
oneDNN's linear layers. Files are read before the clock starts.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from inference import processor
from tqdm import tqdm

from espnet_sentiment.core.entry import run
from espnet_sentiment.encoder.onnx_session import open_session
from espnet_sentiment.export.onnx_model import export_onnx
from espnet_sentiment.inference.classifier import Classifier
from espnet_sentiment.inference.waveform import open_recording
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.scoring.tables import markdown


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", required=True, help="a trained model, as predict takes it"
    )
    parser.add_argument("--fold")
    parser.add_argument("--encoder_model", help="the encoder, if it has moved")
    parser.add_argument("--audio", required=True, help="folder of *.wav")
    parser.add_argument("--limit", type=int, help="the first N files only")
    parser.add_argument("--runs", type=int, default=3, help="turns of both")
    return parser


def main(argv=None) -> None:
    """Print the differences, and a row for each."""
    args = get_parser().parse_args(argv)
    files = sorted(Path(args.audio).glob("*.wav"))[: args.limit]
    found = find_model(args.model, args.fold)
    encoder = args.encoder_model or found.encoder_model
    classifier = Classifier.load(found.model_file, encoder)
    n_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        done = export_onnx(
            args.model, path, fold=args.fold, encoder_model=args.encoder_model
        )
        megabytes = path.stat().st_size / 1e6
        session = open_session(path, n_threads)
    rate = done.metadata["sample_rate"]
    waves = [open_recording(file, None, rate).read(rate) for file in files]
    answers = {
        "PyTorch": lambda wave: classifier([wave])[0].posteriors,
        "onnxruntime": lambda wave: session.run(
            ["posteriors"], {"samples": wave[None]}
        )[0][0],
    }
    posteriors = {name: [] for name in answers}
    seconds: dict[str, list[float]] = {name: [] for name in answers}
    for turn in tqdm(range(args.runs + 1), "turn"):
        taken = dict.fromkeys(answers, 0.0)
        for number, wave in enumerate(waves):
            # Whoever comes second finds the samples in the cache.
            names = list(answers)[:: 1 if number % 2 else -1]
            for name in names:
                begin = time.perf_counter()
                answer = answers[name](wave)
                taken[name] += time.perf_counter() - begin
                if not turn:
                    posteriors[name].append(answer)
        if turn:  # the first one warms up
            for name in answers:
                seconds[name].append(taken[name])
    ours, theirs = (np.stack(posteriors[name]) for name in answers)
    same = int((ours.argmax(1) == theirs.argmax(1)).sum())
    print(
        f"\n{len(files)} files, {sum(map(len, waves)) / rate:.0f} s of audio; "
        f"{processor()}; torch {torch.__version__}, onnxruntime "
        f"{onnxruntime.__version__}, {n_threads} threads; file of {megabytes:.0f} MB\n"
        f"posteriors differ by at most {np.abs(ours - theirs).max():.1e}; labels the "
        f"same: {same} of {len(files)}\n"
    )
    rows = []
    for name, taken in seconds.items():
        median = statistics.median(taken)
        ratio = median / statistics.median(seconds["PyTorch"])
        rows.append(
            [
                name,
                f"{median:.2f} ({min(taken):.2f} to {max(taken):.2f})",
                f"{ratio:.2f}",
            ]
        )
    print(markdown(["", f"seconds, median of {args.runs} turns", "of PyTorch's"], rows))


if __name__ == "__main__":
    run(main)
