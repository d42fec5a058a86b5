"""A long list of recordings scored on two workers, one of which is killed halfway.

    python benchmarks/archive.py MODEL AUDIO [--entries 20000]

The list repeats the recordings under AUDIO: a tenth of the entries first, then all of
them. It checks that every entry is answered once, in order, and that a recording gets
the same answer wherever it appears. It prints the seconds, and the peak memory of the
parent process, which may grow by a factor of 1.2 at most.

What is measured does not depend on the model, so use a fast one: a fold trained on
fbank (egs/emodb, `./run.sh --encoder conf/encoder/fbank.yaml --sentiment
conf/sentiment/mlp.yaml`). One on Whisper base takes 10 times as long.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.inference.archive import PREDICTIONS, SHARD_SIZE, score_archive

BOUND = 1.2  # peak memory of the longer list over that of the shorter one
TOLERANCE = 1e-5  # between batches of different recordings
CLUSTER = Path(__file__).parents[1] / "conf" / "cluster" / "local.yaml"


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a fold's folder, an experiment, a pack ...")
    parser.add_argument("audio", type=Path, help="folder of .wav files")
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--shard_size", type=int, default=SHARD_SIZE)
    parser.add_argument("--cluster", type=Path, default=CLUSTER)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    return parser


def peak_memory() -> int:
    """Return the peak memory of this process in bytes (Linux)."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the workers that a process spawned."""
    children = psutil.Process(pid).children()
    return [c for c in children if any("spawn_main" in part for part in c.cmdline())]


def measure(args: argparse.Namespace, n: int, folder: Path) -> tuple[float, int]:
    """Score a list of n entries in a process of its own; return seconds and bytes."""
    folder.mkdir()
    entries, out = folder / "wav.scp", folder / "out"
    recordings = sorted(args.audio.rglob("*.wav"))
    if not recordings:
        raise DataError(f"{args.audio} holds no .wav files: name a corpus")
    with entries.open("w") as stream:
        for number, path in enumerate(itertools.islice(itertools.cycle(recordings), n)):
            stream.write(f"entry{number:08d} {path.absolute()}\n")
    options = [f"--{name}={getattr(args, name)}" for name in ("shard_size", "cluster")]
    command = [sys.executable, __file__, args.model, str(args.audio), *options]
    begin = time.perf_counter()
    child = subprocess.Popen(
        [*command, "--child", str(entries), str(out)], stdout=subprocess.PIPE, text=True
    )
    halfway = n // args.shard_size // 2
    while len(list((out / ".shards").glob("*.jsonl"))) < halfway:
        if child.poll() is not None:
            raise DataError(f"scoring {n} entries ended before it was half done")
        time.sleep(0.05)
    victim = workers_of(child.pid)[0]
    victim.kill()
    print(f"{n} entries: killed worker {victim.pid} after {halfway} shards", flush=True)
    answer, _ = child.communicate()
    seconds = time.perf_counter() - begin
    if child.returncode:
        raise DataError(f"scoring {n} entries ended with status {child.returncode}")
    check(entries, out / PREDICTIONS)
    return seconds, json.loads(answer)["peak_memory"]


def check(entries: Path, predictions: Path) -> None:
    """Check that every entry is answered once, in order, and always alike."""
    posteriors: dict[str, dict[str, float]] = {}
    with entries.open() as expected, predictions.open() as found:
        for line, answer in itertools.zip_longest(expected, found):
            if line is None or answer is None:
                raise DataError(f"{predictions} has more or fewer lines than {entries}")
            row = json.loads(answer)
            if "error" in row or f"{row['utt']} {row['path']}\n" != line:
                raise DataError(f"{predictions}: {answer!r} where {line!r} belongs")
            first = posteriors.setdefault(row["path"], row["posteriors"])
            for name, value in row["posteriors"].items():
                if abs(value - first[name]) > TOLERANCE:
                    raise DataError(f"{predictions}: {answer!r} is not {first}")


def main(argv=None) -> None:
    """Measure both lists and compare."""
    args = get_parser().parse_args(argv)
    if args.child:
        entries, out = args.child
        score_archive(args.model, entries, out, args.cluster, args.shard_size)
        print(json.dumps({"peak_memory": peak_memory()}))
        return
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for n in (args.entries // 10, args.entries):
            seconds, peak = measure(args, n, Path(folder, str(n)))
            peaks.append(peak)
            print(
                f"{n} entries: none lost, none repeated, in order; {seconds:.1f} s, "
                f"peak memory of the parent {peak / 2**20:.1f} MiB",
                flush=True,
            )
    ratio = peaks[1] / peaks[0]
    print(f"{ratio:.3f} times the memory for 10 times the entries (bound {BOUND})")
    if ratio > BOUND:
        raise DataError(f"the parent's memory grows with the list: {ratio:.3f} times")


if __name__ == "__main__":
    run(main)
