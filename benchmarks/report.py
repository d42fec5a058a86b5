"""Reports of many utterances: time to write, size, time to open and to search.

Repeats the utterances of an experiment that a recipe has scored, under new ids, and
writes the report of each size in a process of its own; Chromium opens it by Playwright
(``pip install playwright``):

    cd egs/emodb
    python ../../benchmarks/report.py --data_dir data/emodb \\
        --encoder conf/encoder/whisper_base.yaml \\
        --sentiment conf/sentiment/rnn_attention.yaml [--sizes 1000 5500]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from espnet_sentiment.core.ark import ScpMatrices, write_ark
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import write_json, write_table, write_text
from espnet_sentiment.data.folds import read_folds, write_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.recipe.experiment import (
    add_experiment_arguments,
    experiments,
    fold_folders,
)
from espnet_sentiment.report.options import add_alignment_arguments
from espnet_sentiment.report.write import ctm_path
from espnet_sentiment.scoring.predictions import read_predictions
from espnet_sentiment.scoring.tables import markdown

REPORT = "espnet_sentiment.bin.report"
TABLES = ("wav.scp", "text", "utt2spk", "utt2label", "segments")


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_experiment_arguments(parser)
    add_alignment_arguments(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5500])
    parser.add_argument("--embed", default="40")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    return parser


def main(argv=None) -> None:
    """Measure and print a table."""
    args = get_parser().parse_args(argv)
    experiment = next(experiments(args))
    rows = []
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            options = repeat(experiment, args, Path(folder), size)
            command = [sys.executable, "-m", REPORT, *options, "--embed", args.embed]
            begin = time.perf_counter()
            subprocess.run(command, check=True)
            write = time.perf_counter() - begin
            page = Path(folder) / "exp" / experiment.dir.name / "report.html"
            megabytes = page.stat().st_size / 1e6
            opened, searched = browse(page, args.chromium)
        numbers = (f"{x:.1f}" for x in (write, megabytes))
        rows.append([size, *numbers, f"{opened:.2f}", f"{searched:.2f}"])
    header = ["utterances", "write (s)", "size (MB)", "open (s)", "search (s)"]
    print(markdown(header, rows))


def repeat(experiment, args, root: Path, size: int) -> list[str]:
    """Write a larger experiment, and return the options that select it."""
    data = read_kaldi_dir(args.data_dir)
    corpus = data.path.name
    by_fold = {
        name: read_predictions(folder / "decode" / "predictions.jsonl")
        for name, folder in fold_folders(experiment).items()
    }
    rows = [(name, row) for name, part in by_fold.items() for row in part]
    chosen = [
        (f"{row['utt']}-{turn}", name, row)
        for turn in range(-(-size // len(rows)))
        for name, row in rows
    ][:size]
    for table in TABLES:
        if (source := data.path / table).exists():
            lines = dict(x.split(maxsplit=1) for x in source.open(encoding="utf-8"))
            new = (f"{utt} {lines[row['utt']]}" for utt, _, row in chosen)
            write_text(root / corpus / table, "".join(sorted(new)))
    shutil.copy(data.path / "classes", root / corpus)
    folds = read_folds(data.path)
    # Only their names matter: what they list has been decoded already.
    write_folds(root / corpus, folds)
    out = root / "exp" / experiment.dir.name
    for name, folder in fold_folders(experiment).items():
        part = [(utt, row) for utt, fold, row in chosen if fold == name]
        _repeat_fold(folder, out / f"fold{name}", part)
        shutil.copy(folder / "history.json", out / f"fold{name}")
    shutil.copy(experiment.dir / "results.json", out)
    ctm = ctm_path(experiment, args.alignment)
    if ctm.exists():
        aligned = root / "align" / ctm.parts[-3] / corpus / "ctm"
        words: dict[str, list[str]] = {}
        for line in ctm.open(encoding="utf-8"):
            utt, rest = line.split(maxsplit=1)
            words.setdefault(utt, []).append(rest)
        lines = [
            f"{utt} {rest}" for utt, _, row in chosen for rest in words[row["utt"]]
        ]
        write_text(aligned, "".join(lines))
    named = {
        "--data_dir": root / corpus,
        "--dump": root,
        "--exp": root / "exp",
        "--encoder": experiment.encoder,
        "--sentiment": experiment.sentiment,
        "--seed": experiment.seed,
    }
    return [str(x) for pair in named.items() for x in pair] + ["--tag", args.tag]


def _repeat_fold(source: Path, out: Path, chosen: list) -> None:
    decode = out / "decode"
    lines = (json.dumps({**row, "utt": utt}) + "\n" for utt, row in chosen)
    write_text(decode / "predictions.jsonl", "".join(lines))
    scp = source / "decode" / "attention.scp"
    if scp.exists():
        attention = ScpMatrices(scp, beside=True)
        matrices = {utt: attention[row["utt"]] for utt, row in chosen}
        table = write_ark(decode / "attention.ark", matrices)
        write_table(decode / "attention.scp", table)
    write_json(decode / ".done.json", {})


def browse(page: Path, chromium: str | None) -> tuple[float, float]:
    """Return the seconds until the page shows its rows, and those a search takes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        tab = browser.new_page()
        tab.set_default_timeout(300_000)
        begin = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector(".rows .row")
        opened = time.perf_counter() - begin
        begin = time.perf_counter()
        tab.fill("[name=search]", "no such words")
        tab.wait_for_function("document.querySelector('#count').innerText[0] === '0'")
        searched = time.perf_counter() - begin
        browser.close()
    return opened, searched


if __name__ == "__main__":
    run(main)
