"""Seconds and peak memory of the stages against the size of the corpus.

    python benchmarks/scale.py WORK [--sizes 1000 5000 20000 49500] [--audio DIR]

For every size it makes a corpus of Switchboard's shape (scale_corpus.py: 49,500
utterances have 140 hours and 5 GB), out of AN4, which ESPnet's wheel brings, or of the
recordings below --audio. Then it runs egs/manifest as a user would, a stage at a time:
0, 1 and 4 to 6; training is one epoch. Stage 3's store, whose encoding would take days,
is written directly (scale_store.py), with features as large as Whisper base's are.

First by the corpus's own split (90 % train, 5 % validate, 5 % are tested: one large
fold), then by three folds, which test all utterances: "--folds given 3".

WORK/scale.json has, for every size, folds and stage, the wall clock's seconds, the
processors', the peak of private memory of all processes together, and the largest
mapping of files, which is the page cache's (memory.py); of report.html the size and the
seconds that Chromium takes to open and to search it, where Playwright is installed.
WORK/scale.png shows the first two.
Printed are a table; what every stage takes more for each utterance more; and the power
of the size by which its time grows, between the two largest sizes. Exit status 1: a
stage keeps more than --bytes an utterance, or its time's power is above --power.

A run that was cut off continues with the stage that it was at. The largest size needs
13 GB of disk, which are free again at its end.
"""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import unpack_an4
from memory import Used, free_bytes, measure
from recipe_fixtures import clone_recipe, save_small_whisper
from report import browse
from scale_corpus import make_corpus

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import write_json
from espnet_sentiment.data.listing import find_recordings

SIZES = [1000, 5000, 20_000, 49_500]
STAGES = {
    0: "data preparation",
    1: "features",
    3: "store, written directly",
    4: "training, 1 epoch",
    5: "decoding",
    6: "scoring, report, tables",
}
BYTES = 280_000  # of disk an utterance: its recording, and its audio or its features
FIXED = 0.05  # seconds of a stage's time that are a matter of rounding


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder to work in")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--audio", type=Path, help="folder of recordings (AN4)")
    parser.add_argument("--folds", nargs="+", default=["given", "3"])
    parser.add_argument(
        "--stages", type=int, nargs="+", choices=STAGES, default=[*STAGES]
    )
    parser.add_argument("--views", type=int, default=0, help="SpecAugment views")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--keep", action="store_true", help="the corpora, stores ...")
    parser.add_argument("--bytes", type=int, default=20_000, help="bound of memory")
    parser.add_argument("--power", type=float, default=1.15, help="bound of time")
    return parser


class Bench:
    """The sizes that are measured, and what was found.

    Args:
        args: The options.
    """

    def __init__(self, args: argparse.Namespace):
        self.args, self.work = args, args.work.absolute()
        self.path = self.work / "scale.json"
        self.work.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict] = []
        if self.path.exists():
            self.rows = json.loads(self.path.read_text())["rows"]

    def run(self) -> None:
        """Measure all sizes."""
        speech = self._speech()
        encoder, sentiment = self._configs()
        for size in self.args.sizes:
            if all(self._is_done(size, *key) for key in self._keys()):
                continue
            folder = self.work / str(size)
            if not folder.exists() and free_bytes(self.work) < size * BYTES:
                raise DataError(
                    f"{self.work}: {size} utterances need {size * BYTES / 1e9:.1f} GB, "
                    f"but {free_bytes(self.work) / 1e9:.1f} GB are free: make room, or "
                    "take smaller --sizes"
                )
            table = make_corpus(folder, speech, size)
            if not (folder / "clone").exists():
                clone_recipe("manifest", folder / "clone")
            recipe = folder / "clone" / "egs" / "manifest"
            for folds, stage in self._keys():
                if not self._is_done(size, folds, stage):
                    self._measure(
                        size, recipe, table, (encoder, sentiment), folds, stage
                    )
            last = self.args.stages[-1] == max(STAGES)
            if last and not self.args.keep:
                shutil.rmtree(folder)

    def _keys(self) -> Iterator[tuple[str, int]]:
        """Give what is run at every size; features serve all folds."""
        for folds in self.args.folds:
            for stage in self.args.stages:
                if stage not in (1, 3) or folds == self.args.folds[0]:
                    yield folds, stage

    def _is_done(self, size: int, folds: str, stage: int) -> bool:
        key = {"size": size, "folds": folds, "stage": stage}
        return any(key.items() <= row.items() for row in self.rows)

    def _speech(self) -> list[Path]:
        if self.args.audio is None:
            return unpack_an4(self.work / "an4")
        if found := find_recordings(self.args.audio)[0]:
            return found
        raise DataError(f"{self.args.audio} holds no recordings: name a corpus")

    def _configs(self) -> tuple[Path, Path]:
        """Write an encoder, which is never run, and the paper's sentiment model."""
        encoder, sentiment = self.work / "scale.yaml", self.work / "rnn_attention.yaml"
        model = self.work / "whisper"
        if not model.exists():
            save_small_whisper(model)
        conf = {"model": str(model), "layer": "last", "subsample": 4}
        encoder.write_text(
            yaml.safe_dump({"encoder": "huggingface", "encoder_conf": conf})
        )
        paper = Path(__file__).parents[1] / "conf" / "sentiment" / "rnn_attention.yaml"
        config = {**yaml.safe_load(paper.read_text()), "views": self.args.views}
        if not self.args.views:
            for key in ("specaug", "specaug_conf", "views"):
                del config[key]
        sentiment.write_text(yaml.safe_dump(config))
        return encoder, sentiment

    def _measure(
        self,
        size: int,
        recipe: Path,
        table: Path,
        configs: tuple[Path, Path],
        folds: str,
        stage: int,
    ) -> None:
        clear(recipe, folds, stage)
        print(f"{size} utterances, folds {folds}, stage {stage} ...", flush=True)
        encoder, sentiment = configs
        command: list[Any] = [recipe / "run.sh", "--manifest", table, "--name", "scale"]
        command += ["--encoder", encoder, "--sentiment", sentiment, "--folds", folds]
        command += ["--nj", self.args.nj, "--sentiment_args", "--max_epoch 1"]
        command += ["--stage", stage, "--stop_stage", stage]
        if stage == 3:
            command = [sys.executable, Path(__file__).with_name("scale_store.py")]
            command += ["--data_dir", "data/scale", "--encoder", encoder]
            command += ["--sentiment", sentiment]
        log = recipe / f"stage{stage}_folds_{folds}.log"
        try:
            used = measure(command, log, cwd=recipe)
        except RuntimeError as error:
            raise UserError(f"{error} (see {log})") from None
        self._keep(size, folds, stage, used, recipe)

    def _keep(
        self, size: int, folds: str, stage: int, used: Used, recipe: Path
    ) -> None:
        """Write down what a stage took, and drop what none reads."""
        row = {"size": size, "folds": folds, "stage": stage, **used._asdict()}
        if stage == 1:
            audio = recipe / "dump" / "audio" / "scale" / "wav"
            row["disk"] = total_size(audio)
            if not self.args.keep:
                shutil.rmtree(audio)
        if stage == 3:
            row["disk"] = total_size(recipe / "dump" / "scale")
        if stage == 6:
            (report,) = recipe.glob("exp/*/report.html")
            row["disk"] = report.stat().st_size
            if find_spec("playwright"):
                row["open"], row["search"] = browse(report, shutil.which("chromium"))
        self.rows.append(row)
        write_json(self.path, {"rows": self.rows})
        print("  " + describe(row), flush=True)


def clear(recipe: Path, folds: str, stage: int) -> None:
    """Remove what a stage of an earlier run has left, so that it does all of it."""
    made: Mapping[int, Sequence[str]] = {
        0: ["data"],
        1: ["dump/audio"],
        3: ["dump/scale"],
        4: ["exp"],
        5: ["exp/*/fold*/decode"],
        6: ["exp/*/report.html", "exp/*/results.json", "exp/*/.*.json"],
    }
    for pattern in made[stage]:
        for path in recipe.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def total_size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def describe(row: Mapping) -> str:
    """Say what a stage took."""
    said = (
        f"{row['seconds']:.1f} s (processors {row['cpu']:.1f} s), "
        f"{row['private'] / 1e6:.0f} MB private, {row['mapped'] / 1e6:.0f} MB mapped"
    )
    if "disk" in row:
        said += f", {row['disk'] / 1e6:.1f} MB written"
    if "open" in row:
        said += f", opens in {row['open']:.1f} s, searched in {row['search']:.2f} s"
    return said


def curves(rows: Sequence[Mapping]) -> dict[tuple[str, int], list[Mapping]]:
    """Return the rows of every stage by its folds and number, by rising size."""
    found: dict[tuple[str, int], list[Mapping]] = {}
    for row in sorted(
        rows, key=lambda r: (r["folds"] != "given", r["stage"], r["size"])
    ):
        found.setdefault((row["folds"], row["stage"]), []).append(row)
    return found


def growth(rows: Sequence[Mapping]) -> tuple[float, float]:
    """Return bytes an utterance, and the power of the size, of the two largest sizes.

    Time is the processors', whatever else a machine does; that of the smallest size,
    most of which is imports, counts as a constant.
    """
    first, *_, small, large = [rows[0], *rows[-2:]]
    more = (large["private"] - small["private"]) / (large["size"] - small["size"])
    if small is first:
        return more, 1.0
    seconds = [max(FIXED, row["cpu"] - first["cpu"]) for row in (small, large)]
    sizes = [row["size"] - first["size"] for row in (small, large)]
    return more, math.log(seconds[1] / seconds[0]) / math.log(sizes[1] / sizes[0])


def tell(rows: Sequence[Mapping], args: argparse.Namespace) -> bool:
    """Print the table; tell whether all is within bounds."""
    within = True
    sizes = sorted({row["size"] for row in rows})
    header = ["stage", *(f"{n:,}: s, MB" for n in sizes), "bytes an utterance", "power"]
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for (folds, stage), found in curves(rows).items():
        cells = {
            row["size"]: f"{row['cpu']:.0f}, {row['private'] / 1e6:.0f}"
            for row in found
        }
        line = [f"{stage} {STAGES[stage]}, folds {folds}"]
        line += [cells.get(size, "") for size in sizes]
        if len(found) > 1:
            more, power = growth(found)
            line += [f"{more:.0f}", f"{power:.2f}"]
            within &= more <= args.bytes and power <= args.power
        print(f"| {' | '.join(line)} |")
    return within


def plot(rows: Sequence[Mapping], path: Path) -> None:
    """Draw seconds and peak memory against the size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for (folds, stage), found in curves(rows).items():
        style = "o-" if folds == found[0]["folds"] == "given" else "s--"
        sizes = [row["size"] for row in found]
        label = f"{stage} {STAGES[stage]}" + (
            "" if style == "o-" else f", {folds} folds"
        )
        for axis, values in zip(
            axes,
            ([r["cpu"] for r in found], [r["private"] / 1e6 for r in found]),
            strict=True,
        ):
            axis.plot(sizes, values, style, color=f"C{stage}", label=label, ms=4)
    for axis, title in zip(
        axes, ("seconds of processors", "peak private memory (MB)"), strict=True
    ):
        axis.set(xlabel="utterances", ylabel=title, xscale="log")
        sizes = sorted({row["size"] for row in rows})
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.set_xticks([], minor=True)
        axis.grid(alpha=0.3)
    axes[0].set(yscale="log")
    axes[1].set_ylim(bottom=0)
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, loc="outside right center")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main(argv=None) -> None:
    """Measure, print, draw; the bounds decide on the exit status."""
    args = get_parser().parse_args(argv)
    bench = Bench(args)
    bench.run()
    plot(bench.rows, bench.work / "scale.png")
    if not tell(bench.rows, args):
        raise SystemExit(1)


if __name__ == "__main__":
    run(main)
