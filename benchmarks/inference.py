"""Scoring a corpus with ``Speech2Sentiment``, and with ESPnet's cls_inference.

    python benchmarks/inference.py --model exp/emodb_whisper_base_rnn_attention_seed0 \\
        --audio EMODB/wav [--encoder_model WHISPER] [--runs 5] [--limit N]

All modes score the same files with the same encoder and decoder, and take turns:

- ``predict``: batches of similar lengths on as many threads as PyTorch may use, each
  computing on its own; linear layers by oneDNN.
- ``predict, bfloat16``: the same with the encoder in bfloat16.
- ``predict, auto``: the same in what ``dtype: auto`` takes here, which is said.
- ``calls``: the same object, one call per file.
- ``cls_inference``: the loop of ``espnet2.bin.cls_inference`` (its data loader in a
  process of its own, batch size 1, its writer) over ESPnet's classification model with
  our front end and encoder, which do not pad, and our decoder.
- ``cls_inference, 30 s``: the same, every file padded to the 30 s that transformers'
  Whisper insists on; the padding is cut off before the decoder. Whisper only.

Models are loaded before the clock starts. CPU seconds are those of the main process;
they tell more than seconds when other jobs are running. Each mode also runs in a
process of its own, on the longest files: for its peak memory, and for the time from the
start of the process to the first answer.
"""

import argparse
import json
import logging
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.frontend.abs_frontend import AbsFrontend

from espnet_sentiment.core.entry import run
from espnet_sentiment.encoder.whisper import WhisperFrontend
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.model.checkpoint import load_sentiment_model
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.scoring.tables import markdown

# A mode's posteriors (n_files, n_classes).
Mode = Callable[[], np.ndarray]
BASELINE = "cls_inference"
LONGEST = 64  # files on which memory is measured
MODES = (
    "predict",
    "predict, auto",
    "predict, bfloat16",
    "calls",
    BASELINE,
    "cls_inference, 30 s",
)


class ESPnetEncoder(AbsEncoder):
    """What is between ESPnet's front end and its decoder.

    Args:
        model: Our model with its encoder.
    """

    def __init__(self, model):
        super().__init__()
        self.encoder, self.normalize = model.encoder.encoder, model.normalize
        self.layer_sum = model.layer_sum

    def output_size(self) -> int:
        """Return the channels D of its output."""
        return self.encoder.dim

    def forward(self, xs_pad, ilens, prev_states=None):
        """Encode frames (B, T, F) -> (B, T', D)."""
        feats, lengths, _ = self.encoder(xs_pad, ilens)
        if self.normalize is not None:
            feats, lengths = self.normalize(feats, lengths)
        return self.layer_sum(feats), lengths, None


class PaddedFrontend(AbsFrontend):
    """Whisper's front end on one utterance, padded to 30 s.

    Args:
        frontend: The one that does not pad.
    """

    def __init__(self, frontend: WhisperFrontend):
        super().__init__()
        self.frontend, self.n_samples = frontend, 0

    def output_size(self) -> int:
        """Return the channels of a frame."""
        return self.frontend.output_size()

    def forward(self, input, input_lengths):
        """Turn samples (1, N) into frames (1, 3000, F)."""
        self.n_samples = input.size(1)
        size = self.frontend.extractor.n_samples
        padded = torch.nn.functional.pad(input, (0, size - self.n_samples))
        return self.frontend(padded, torch.full_like(input_lengths, size))


class CutEncoder(ESPnetEncoder):
    """Cuts the padding off again.

    Args:
        model: See ``ESPnetEncoder``.
        frontend: Knows the length.
    """

    def __init__(self, model, frontend: PaddedFrontend):
        super().__init__(model)
        # In a tuple, so that torch.nn.Module does not register it a second time.
        self.frontends = (frontend,)

    def forward(self, xs_pad, ilens, prev_states=None):
        """Encode frames (1, 3000, F) -> (1, T', D)."""
        feats, lengths, _ = super().forward(xs_pad, ilens)
        share = (
            self.frontends[0].n_samples / self.frontends[0].frontend.extractor.n_samples
        )
        n = -(-int(feats.size(1) * share * 1000) // 1000)
        return feats[:, :n], torch.full_like(lengths, n), None


def espnet_mode(args, files, padded: bool, folder: Path) -> Mode:
    """Build ESPnet's model and return what runs ``cls_inference`` on it."""
    from espnet2.bin import cls_inference
    from espnet2.cls.espnet_model import ESPnetClassificationModel
    from espnet2.tasks.cls import CLSTask

    found = find_model(args.model, args.fold)
    ours = load_sentiment_model(
        found.model_file, args.encoder_model or found.encoder_model
    )
    frontend, encoder = ours.frontend.encoder, ESPnetEncoder(ours)
    if padded:
        frontend = PaddedFrontend(frontend)
        encoder = CutEncoder(ours, frontend)
    tokens = [*ours.token_list, "<unk>"]
    model = ESPnetClassificationModel(
        vocab_size=len(ours.token_list),
        token_list=tokens,
        frontend=frontend,
        specaug=None,
        normalize=None,
        preencoder=None,
        encoder=encoder,
        decoder=ours.decoder,
    ).eval()
    train_args = CLSTask.get_parser().parse_args([])
    train_args.token_list = tokens
    scp = folder / "wav.scp"
    scp.write_text("".join(f"{i:05d} {file}\n" for i, file in enumerate(files)))
    out = folder / ("padded" if padded else "plain")

    def score() -> np.ndarray:
        CLSTask.build_model_from_file = staticmethod(lambda *_: (model, train_args))
        cls_inference.inference(
            output_dir=str(out),
            batch_size=1,
            dtype="float32",
            ngpu=0,
            seed=0,
            num_workers=1,
            log_level="ERROR",
            data_path_and_name_and_type=[(str(scp), "speech", "sound")],
            key_file=None,
            classification_train_config=None,
            classification_model_file=None,
            allow_variable_data_keys=False,
            output_all_probabilities=True,
        )
        lines = (out / "prediction" / "score").read_text().splitlines()
        return np.array([[float(x) for x in line.split()[1:]] for line in lines])

    return score


def our_mode(args, files, name: str) -> Mode:
    """Load ``Speech2Sentiment`` and return what scores the files."""
    model = Speech2Sentiment.from_pretrained(
        args.model,
        args.fold,
        encoder_model=args.encoder_model,
        dtype=name.partition(", ")[2] or "float32",
        max_seconds=1e9,
    )
    if name.endswith("auto"):
        print(f"{name}: {model.dtype}, {model.why_dtype}", file=sys.stderr)

    def score() -> np.ndarray:
        answers = map(model, files) if name == "calls" else model.predict(files)
        return np.array([list(answer.posteriors.values()) for answer in answers])

    return score


def build(args, files, name: str, folder: Path) -> Mode:
    """Load what a mode needs and return what runs it."""
    if name.startswith("cls_inference"):
        return espnet_mode(args, files, name != BASELINE, folder)
    return our_mode(args, files, name)


def processor() -> str:
    """Name the processor, where Linux does."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown processor"


def peak_mb() -> float:
    """Return the peak resident memory of this process alone."""
    # getrusage's peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def measure_alone(args, files, name: str, folder: Path) -> None:
    """Print the time of the first answer and the peak memory, as JSON."""
    longest = sorted(files, key=lambda file: soundfile.info(file).duration)[-LONGEST:]
    build(args, longest[:1], name, folder)()
    first = time.time()
    build(args, longest, name, folder)()
    print(json.dumps({"first": first, "peak": peak_mb()}))


def alone(name: str) -> tuple[float, float]:
    """Run a mode in its own process; return the seconds to its first answer, and MB."""
    command = [sys.executable, *sys.argv, "--alone", name]
    start = time.time()
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(result.stdout.splitlines()[-1])
    return found["first"] - start, found["peak"]


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
    parser.add_argument("--limit", type=int, help="score the first N files only")
    parser.add_argument("--runs", type=int, default=3, help="turns of every mode")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--alone", choices=MODES, help=argparse.SUPPRESS)
    return parser


def main(argv=None) -> None:
    """Print a row for each mode."""
    args = get_parser().parse_args(argv)
    logging.basicConfig(level=logging.ERROR)
    files = sorted(Path(args.audio).glob("*.wav"))[: args.limit]
    hours = sum(soundfile.info(file).duration for file in files) / 3600
    with tempfile.TemporaryDirectory() as folder:
        if args.alone:
            return measure_alone(args, files, args.alone, Path(folder))
        by_itself = {name: alone(name) for name in args.modes}
        modes = {name: build(args, files, name, Path(folder)) for name in args.modes}
        seconds: dict[str, list[float]] = {name: [] for name in modes}
        busy: dict[str, list[float]] = {name: [] for name in modes}
        answers = {name: score() for name, score in modes.items()}
        for _ in range(args.runs):
            for name, score in modes.items():
                begin, busy_before = time.perf_counter(), time.process_time()
                score()
                seconds[name].append(time.perf_counter() - begin)
                busy[name].append(time.process_time() - busy_before)
    print(
        f"\n{len(files)} files, {3600 * hours:.0f} s of audio; {processor()}; torch "
        f"{torch.__version__}, {torch.get_num_threads()} threads; median of "
        f"{args.runs} turns\n"
    )
    of_baseline = answers.get(BASELINE, answers[args.modes[0]])
    rows = []
    for name, taken in seconds.items():
        median = statistics.median(taken)
        same = (answers[name].argmax(1) == of_baseline.argmax(1)).mean()
        rows.append(
            [
                name,
                f"{median:.2f} ({min(taken):.2f} to {max(taken):.2f})",
                f"{statistics.median(busy[name]):.2f}",
                f"{60 * hours / median:.2f}",
                f"{statistics.median(seconds.get(BASELINE, taken)) / median:.2f}",
                f"{by_itself[name][1]:.0f}",
                f"{by_itself[name][0]:.1f}",
                f"{100 * same:.1f}",
                f"{np.abs(answers[name] - of_baseline).max():.0e}",
            ]
        )
    header = [
        "mode",
        "seconds",
        "CPU seconds",
        "hours per minute",
        f"times as fast as {BASELINE}",
        "peak memory (MB)",
        "first answer (s)",
        "same labels (%)",
        "posteriors differ by",
    ]
    print(markdown(header, rows))


if __name__ == "__main__":
    run(main)
