"""Seconds that plain WAV takes, by this code and by another copy of it, side by side.

    git worktree add /tmp/before COMMIT
    python benchmarks/sound.py AUDIO --before /tmp/before [--model MODEL]

AUDIO is a folder of .wav files. Stage 1 (fbank and audio, one process) and reading run
in turns, before and now, each in a process of its own; with --model, predict as well.
Of every pair the ratio of processor times is printed, now over before, and their median
with the smallest and the largest: above 1 is slower.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[1]
READ = """
import sys, time
from espnet_sentiment.data.audio import audio_info, read_audio
begin = time.process_time()
for path in sys.argv[1:]:
    audio_info(path), read_audio(path, 16000)
print(time.process_time() - begin)
"""
STAGE_1 = """
import sys, tempfile, time
from pathlib import Path
import torch, torchaudio
from espnet_sentiment.data.dump import check_audio, dump_audio, dump_fbank
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir
kind, *paths = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    utterances = [Utterance(f"s-{i}", p, "s", "x") for i, p in enumerate(paths)]
    write_kaldi_dir(f"{folder}/data", utterances)
    data = read_kaldi_dir(f"{folder}/data")
    begin = time.process_time()
    check_audio(data, "mix")
    {"audio": dump_audio, "fbank": dump_fbank}[kind](data, f"{folder}/dump", "mix")
    print(time.process_time() - begin)
"""
PREDICT = """
import sys, time
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
model, *paths = sys.argv[1:]
model = Speech2Sentiment.from_pretrained(model, channel="mix")
model(paths[0])
begin = time.process_time()
for answer in model.predict(paths):
    pass
print(time.process_time() - begin)
"""


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audio", type=Path, help="folder of .wav files")
    parser.add_argument("--before", type=Path, required=True, help="the other copy")
    parser.add_argument(
        "--model", type=Path, help="a fold or an experiment, for predict"
    )
    parser.add_argument("--limit", type=int, default=200, help="files")
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def seconds(code: Path, program: str, *args: str) -> float:
    """Run a program on a copy of the code; return the seconds that it prints."""
    env = os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, *args]
    # What is imported is the copy in the current folder, whatever is installed.
    ran = subprocess.run(
        command, env=env, cwd=code, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(ran.stdout.split()[-1])


def main(argv=None) -> None:
    """Measure, and print the ratios."""
    args = get_parser().parse_args(argv)
    files = [str(path.resolve()) for path in sorted(args.audio.glob("*.wav"))]
    files = files[: args.limit]
    before = args.before.resolve()
    programs = {
        "read": (READ,),
        "stage 1, audio": (STAGE_1, "audio"),
        "stage 1, fbank": (STAGE_1, "fbank"),
    }
    if args.model is not None:
        programs["predict"] = (PREDICT, str(args.model.resolve()))
    for name, (program, *options) in programs.items():
        pairs = [
            [seconds(code, program, *options, *files) for code in (before, HERE)]
            for _ in range(args.rounds)
        ]
        ratios = sorted(now / then for then, now in pairs)
        print(
            f"{name}: {median(then for then, _ in pairs):.3f} s before, "
            f"{median(now for _, now in pairs):.3f} s now; now over before "
            f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
