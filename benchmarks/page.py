"""A report of Switchboard's size: its size, and seconds to write, open and search it.

    python benchmarks/page.py WORK [--utterances 49500] [--speakers 1080]

The rows are made up, with attention of as many frames as 80 ms each make of utterances
as long as SWBD-sentiment's; the rest of the page is that of AN4, which ESPnet's wheel
brings. Chromium opens it by Playwright. benchmarks/report.py takes an experiment's own.
"""

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import unpack_an4
from report import browse
from report_experiment import Scored
from scale_corpus import WORDS, WORDS_A_SECOND, lengths

from espnet_sentiment.core.entry import run
from espnet_sentiment.report.page import write_page

SHIFT = 0.08  # seconds a frame


def main(argv=None) -> None:
    """Write the page, open it, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder to work in")
    parser.add_argument("--utterances", type=int, default=49_500)
    parser.add_argument("--speakers", type=int, default=1080)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    args = parser.parse_args(argv)
    small = Scored(args.work, unpack_an4(args.work / "an4")).write_report()
    text = small.read_text(encoding="utf-8").partition('id="data">')[2]
    data = json.loads(text.partition("</script>")[0])
    speaker, row = data["speakers"][0], data.pop("utterances")[-1]
    names = [f"s{number:05d}" for number in range(args.speakers)]
    data["speakers"] = [speaker | {"name": name} for name in names]
    page = args.work / "large.html"
    begin = time.perf_counter()
    write_page(page, "large", data, rows(row, args.utterances, names), ())
    seconds = time.perf_counter() - begin
    opened, searched = browse(page, args.chromium)
    print(
        f"{page.stat().st_size / 1e6:.0f} MB, written in {seconds:.1f} s, opens in "
        f"{opened:.2f} s, searched in {searched:.2f} s"
    )


def rows(like: dict, n: int, speakers: list[str]) -> Iterator[dict]:
    """Give the rows of n utterances."""
    rng = random.Random(0)
    for number, seconds in enumerate(lengths(np.random.default_rng(0), n)):
        speaker = speakers[number % len(speakers)]
        words = rng.choices(WORDS, k=int(1 + seconds * WORDS_A_SECOND))
        curve = [round(2 * rng.random(), 3) for _ in range(int(seconds / SHIFT))]
        yield like | {
            "utt": f"{speaker}-call{number:05d}A-{number:06d}",
            "speaker": speaker,
            "text": " ".join(words),
            "duration": round(float(seconds), 3),
            "attention": [curve],
            "segments": None,
        }


if __name__ == "__main__":
    run(main)
