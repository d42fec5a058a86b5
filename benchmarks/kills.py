"""A recipe that is killed again and again, and continued by the same command.

    python benchmarks/kills.py WORK [--trials 50] [--signals KILL TERM INT]
                               [--targets shell server python group worker]

A trial starts a small run.sh afresh (egs/manifest on AN4, a Whisper of two tiny layers,
its folds trained on two processes), sends it signals at random times, each followed by
the same command, and lets the last one end. A signal goes to run.sh alone (shell), to
the Python that forks for the stages (server), to the Python of the stage alone, to the
process group as a terminal's Ctrl-C does, or to one worker alone. Checked are, after a
signal, that no process is left (10 s are given; a worker is to ignore SIGINT), and at
the end that everything under dump/ and exp/ is what a run without signals makes, bit
for bit; logs, and times in JSON files, aside. Trials take signals and targets in turn.

Printed are, for every signal and target, the trials, the signals sent, those that left
processes, the most seconds until none was left, the runs that printed a traceback, and
the trials that ended in an error or with other results. Exit status 1: any of these.
WORK/log has what the latest run printed, WORK/log.N what trial N's faulty one did.

From 501 --utterances on, stage 1 has workers, too.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import heed_sigint, unpack_an4
from recipe_fixtures import clone_recipe, save_small_whisper, write_configs

from espnet_sentiment.core import entry

TARGETS = ("shell", "server", "python", "group", "worker")
SERVER = "espnet_sentiment.core.serve"
GRACE = 10.0  # seconds that the processes of a run have to end after a signal
POLL = 0.02
# Logs, clocks and stages' stamps, which two runs without signals do not share either.
UNLIKE = ("*.log", "events.out.*", "*.html", ".*.json", "encode-*.json")
UNLIKE += ("exp/*/RESULTS.md",)
TIMES = ("time", "seconds", "date")


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder to work in; made anew")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--kills", type=int, default=2, help="signals in a trial")
    parser.add_argument("--utterances", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0, help="of the times")
    names = ("KILL", "TERM", "INT")
    parser.add_argument("--signals", nargs="+", choices=names, default=names)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    return parser


class Recipe:
    """A recipe in a folder of its own, and its command.

    Args:
        work: Folder to make.
        utterances: How many the table has, those of AN4 again and again; stage 1 works
            in several processes from 501 on.
        epochs: What a fold is trained for.
        options: Further ones of run.sh.

    Attributes:
        usual: Seconds of a run without signals.
        latest: The run that was started last.
    """

    usual: float
    latest: "Run"

    def __init__(self, work: Path, utterances: int, epochs: int, *options: str):
        work.mkdir(parents=True)
        self.folder = clone_recipe("manifest", work / "clone")
        self.log = work / "log"
        encoder, sentiment = write_configs(work, save_small_whisper(work / "whisper"))
        table = work / "table.csv"
        wavs = itertools.cycle(unpack_an4(work))
        with table.open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["path", "label", "speaker", "utt"])
            for number, wav in enumerate(itertools.islice(wavs, utterances)):
                # AN4 names utterances of spelled words and numbers "an", others "cen".
                label = wav.name.split("-")[0].rstrip("0123456789")
                rows.writerow([wav, label, f"s{number % 8}", f"u{number:05d}"])
        self.command = [
            *(str(self.folder / "run.sh"), "--manifest", str(table), "--name", "toy"),
            *("--encoder", str(encoder), "--sentiment", str(sentiment)),
            *("--folds", "4", "--nj", "2"),
            *("--sentiment_args", f"--max_epoch {epochs}", *options),
        ]

    def clear(self) -> None:
        """Forget what runs have made."""
        for name in ("data", "dump", "exp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def start(self) -> "Run":
        """Start the command in a session of its own."""
        self.latest = Run(self.command, self.log)
        return self.latest

    def results(self) -> dict[str, str]:
        """Return a hash of every file that two equal runs share."""
        return {
            str(path.relative_to(self.folder)): hash_of(path)
            for top in ("data", "dump", "exp")
            for path in sorted((self.folder / top).rglob("*"))
            if path.is_file() and not any(map(path.match, UNLIKE))
        }


class Run:
    """A run.sh, and the processes of its session."""

    def __init__(self, command: list[str], log: Path):
        self.log = log
        with log.open("w") as stream:
            self.shell = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self.begin = time.monotonic()

    def processes(self) -> list[psutil.Process]:
        """Return those that have not ended, whoever their parents are."""
        self.shell.poll()
        found = []
        for process in psutil.process_iter():
            try:
                zombie = process.status() == psutil.STATUS_ZOMBIE
                if not zombie and os.getsid(process.pid) == self.shell.pid:
                    found.append(process)
            except (psutil.NoSuchProcess, ProcessLookupError):
                pass
        return found

    def server(self) -> psutil.Process | None:
        """Return the Python that forks for the stages."""
        found = self._of(self.shell.pid)
        return next((p for p in found if SERVER in _line(p)), None)

    def python(self) -> psutil.Process | None:
        """Return the Python of the stage that runs."""
        server = self.server()
        return next(iter(self._of(server.pid if server else self.shell.pid)), None)

    def _of(self, parent: int) -> list[psutil.Process]:
        """Return the Pythons that a process has started."""
        return [p for p in self.processes() if _is_python(p) and _of(p, parent)]

    def workers(self) -> list[psutil.Process]:
        """Return the children of that Python."""
        python = self.python()
        return [
            p
            for p in self.processes()
            if python and _of(p, python.pid) and "resource_tracker" not in _line(p)
        ]

    def wait_for(self, find: Callable[[], object]):
        """Return what is found at last, or None once the run has ended."""
        while not (found := find()) and self.shell.poll() is None:
            time.sleep(POLL)
        return found

    def send(self, number: int, target: str, rng: random.Random) -> bool:
        """Send a signal, as soon as the target is there; return whether it was."""
        if target == "worker":
            found = self.wait_for(self.workers)
            pid = rng.choice(found).pid if found else None
        elif target in ("server", "python"):
            found = self.wait_for(getattr(self, target))
            pid = found.pid if found else None
        else:
            pid = self.shell.pid if self.shell.poll() is None else None
        if pid is None:
            return False
        try:
            (os.killpg if target == "group" else os.kill)(pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait(self) -> int:
        """Wait for the end; return the exit status."""
        return self.shell.wait()

    def seconds_to_end(self) -> float | None:
        """Wait until no process is left; None, and they are killed, if some stay."""
        begin = time.monotonic()
        while left := self.processes():
            if time.monotonic() - begin > GRACE:
                print("left:", *map(_line, left), sep="\n", file=sys.stderr)
                self.end()
                return None
            time.sleep(POLL)
        return time.monotonic() - begin

    def end(self) -> None:
        """Kill what is left."""
        for process in self.processes():
            process.kill()

    def traceback(self) -> bool:
        """Return whether it printed one."""
        return "Traceback" in self.log.read_text()


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _is_python(process: psutil.Process) -> bool:
    return Path(_line(process).split(" ")[0]).name.startswith("python")


def _of(process: psutil.Process, parent: int) -> bool:
    try:
        return process.ppid() == parent
    except psutil.NoSuchProcess:
        return False


def hash_of(path: Path) -> str:
    """Return a hash of what a file says: tensors, JSON without times, or bytes."""
    digest = hashlib.sha256()
    if path.suffix == ".pth":
        import torch

        _update(digest, torch.load(path, weights_only=True, map_location="cpu"))
    elif path.suffix == ".json":
        _update(digest, json.loads(path.read_text()))
    else:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _update(digest, value) -> None:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            if not any(word in str(key) for word in TIMES):
                digest.update(str(key).encode())
                _update(digest, value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            _update(digest, item)
    elif hasattr(value, "numpy"):
        digest.update(value.contiguous().numpy().tobytes())
    else:
        digest.update(repr(value).encode())


@dataclass
class Row:
    """What the trials of a signal and a target found."""

    trials: int = 0
    sent: int = 0
    left: int = 0
    seconds: float = 0.0
    tracebacks: int = 0
    differ: int = 0


def trial(
    recipe: Recipe,
    number: int,
    target: str,
    kills: int,
    expected: dict[str, str],
    row: Row,
    rng: random.Random,
) -> bool:
    """Run, send signals, and run to the end; return whether all was as it should be.

    Args:
        recipe: What runs.
        number: The signal.
        target: One of ``TARGETS``.
        kills: Signals, each to another start of the command.
        expected: Its results.
        row: Gets what is found.
        rng: Chooses times and workers.
    """
    before = (row.left, row.tracebacks, row.differ)
    recipe.clear()
    row.trials += 1
    for kill in range(kills):
        run = recipe.start()
        span = recipe.usual
        if target == "worker":
            run.wait_for(run.workers)
            span /= 100  # They are there for seconds.
        until = time.monotonic() + rng.uniform(0, span)
        run.wait_for(lambda until=until: time.monotonic() > until)
        if not run.send(number, target, rng):
            if not kill:  # A whole run: the machine is less busy than it was.
                recipe.usual = time.monotonic() - run.begin
            break
        row.sent += 1
        if target == "worker":
            run.wait()  # SIGINT is not for workers; else the parent ends.
        seconds = run.seconds_to_end()
        row.left += seconds is None
        row.seconds = max(row.seconds, seconds or 0.0)
        row.tracebacks += run.traceback()
        if run.traceback():
            return False
    run = recipe.start()
    status = run.wait()
    found = recipe.results()
    wrong = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k))
    if status or wrong:
        row.differ += 1
        print(f"status {status}, differing: {' '.join(wrong[:20])}", file=sys.stderr)
    return before == (row.left, row.tracebacks, row.differ)


def main(argv=None) -> None:
    """Run the trials and print the table."""
    args = get_parser().parse_args(argv)
    heed_sigint()
    shutil.rmtree(args.work, ignore_errors=True)
    recipe = Recipe(args.work.absolute(), args.utterances, args.epochs)
    try:
        rows = trials(recipe, args)
    finally:
        recipe.latest.end()
    print("| signal | target |", " | ".join(f.name for f in fields(Row)), "|")
    print("| --- | --- |", " | ".join("---" for _ in fields(Row)), "|")
    for (name, target), row in rows.items():
        cells = (f"{x:.1f}" if isinstance(x, float) else str(x) for x in astuple(row))
        print(f"| {name} | {target} |", " | ".join(cells), "|")
    if any(row.left or row.tracebacks or row.differ for row in rows.values()):
        raise SystemExit(1)


def trials(recipe: Recipe, args) -> dict[tuple[str, str], Row]:
    """Run once without signals, then the trials; return what each kind found."""
    run = recipe.start()
    if run.wait():
        raise SystemExit(recipe.log.read_text())
    recipe.usual, expected = time.monotonic() - run.begin, recipe.results()
    print(
        f"{recipe.usual:.0f} s without signals, {len(expected)} files", file=sys.stderr
    )
    rng = random.Random(args.seed)
    rows = {pair: Row() for pair in itertools.product(args.signals, args.targets)}
    for index, (name, target) in zip(range(args.trials), itertools.cycle(rows)):
        row, number = rows[name, target], signal.Signals[f"SIG{name}"]
        if not trial(recipe, number, target, args.kills, expected, row, rng):
            shutil.copy(recipe.log, f"{recipe.log}.{index}")
        print(index, name, target, row, file=sys.stderr)
    return rows


if __name__ == "__main__":
    entry.run(main)
