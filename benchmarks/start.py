#!/usr/bin/env python3
"""Where the seconds go until ``espnet-sentiment predict`` has answered one short file.

    python benchmarks/start.py MODEL AUDIO [--encoder_model WHISPER] [--runs 5] \\
        [--before OTHER_CHECKOUT/.venv/bin/python]

Prints the median over the runs, and the quickest, by the phases of ``--timing``. The
process is the rest: Python itself, the options, the end. With ``--before``, another
checkout's interpreter takes turns with this one. One run of each more, by
``-X importtime``, tells by package what is imported; that is slower, and leaves out
what transformers does to find the names of its models. Bytecode and files are warm:
the first run of each is not counted.
"""

import argparse
import collections
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PHASE = re.compile(r"([a-z ]+) ([\d.]+) s")
IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +([\w.]+)")
MAIN = "from espnet_sentiment.cli.main import main; raise SystemExit(main())"
PACKAGES = ("torch", "transformers", "sympy", "scipy", "numpy", "espnet2")


def predict(python: str, options: list[str], *flags: str) -> tuple[float, str, str]:
    """Run the command; return its seconds, standard output and standard error."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # Not in a checkout, which would be imported instead of that of the interpreter.
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        ran = subprocess.run(
            [python, *flags, "-c", MAIN, "predict", "--json", *options],
            capture_output=True,
            text=True,
            cwd=folder,
            env=env,
        )
        seconds = time.perf_counter() - begin
    if ran.returncode != 0:
        raise SystemExit(f"{python}: {ran.stderr}")
    return seconds, ran.stdout, ran.stderr


def phases(python: str, options: list[str]) -> dict[str, float]:
    """Return the seconds of one run by phase, and of the process in all."""
    seconds, _, said = predict(python, [*options, "--timing"])
    line = next(line for line in said.splitlines() if line.startswith("timing: "))
    found = {
        name.strip(): float(s) for name, s in PHASE.findall(line.partition(":")[2])
    }
    known = found.pop("in all")
    return {"process": seconds - known, **found, "in all": seconds}


def imports(python: str, options: list[str]) -> tuple[dict[str, float], int]:
    """Return seconds of imports by package, and how many modules are imported."""
    said = predict(python, options, "-X", "importtime")[2]
    seconds: dict[str, float] = collections.Counter()
    modules = IMPORT.findall(said)
    for microseconds, module in modules:
        package = module.partition(".")[0]
        seconds[package if package in PACKAGES else "others"] += int(microseconds) / 1e6
    return seconds, len(modules)


def main() -> None:
    """Take turns, and print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a pack or an experiment")
    parser.add_argument("audio", type=Path, help="a short recording")
    parser.add_argument("--encoder_model")
    parser.add_argument("--before", metavar="PYTHON", help="of another checkout")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    model = Path(args.model).resolve() if Path(args.model).exists() else args.model
    options = ["--model", str(model), str(args.audio.resolve())]
    if args.encoder_model:
        options += ["--encoder_model", str(Path(args.encoder_model).resolve())]
    pythons = {"before": args.before} if args.before else {}
    pythons["now"] = sys.executable

    answers = [json.loads(predict(p, options)[1]) for p in pythons.values()]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    for _ in range(args.runs):
        for name, python in pythons.items():
            runs[name].append(phases(python, options))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, {args.runs} runs in turns\n")
    print("| seconds, median (least) |", " | ".join(pythons), "|")
    print("| --- |", " | ".join("---:" for _ in pythons), "|")
    for phase in runs["now"][0]:
        taken = [[run[phase] for run in runs[name]] for name in pythons]
        cells = [f"{statistics.median(s):.2f} ({min(s):.2f})" for s in taken]
        print(f"| {phase} |", " | ".join(cells), "|")
    if args.before:
        same = all(answer == answers[0] for answer in answers)
        print("\nAnswers are", "the same." if same else "NOT THE SAME.")

    found = {name: imports(python, options) for name, python in pythons.items()}
    print("\n| seconds of imports, by -X importtime |", " | ".join(pythons), "|")
    print("| --- |", " | ".join("---:" for _ in pythons), "|")
    for package in (*PACKAGES, "others"):
        cells = [f"{seconds[package]:.2f}" for seconds, _ in found.values()]
        print(f"| {package} |", " | ".join(cells), "|")
    print("| modules |", " | ".join(str(n) for _, n in found.values()), "|")


if __name__ == "__main__":
    main()
