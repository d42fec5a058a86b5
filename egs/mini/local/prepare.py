"""Stage 0: synthetic speech, and a few real utterances, to Kaldi data directories.

    data/mini_speech  synthetic, transcribed only: what the RNN-T is trained on
    data/mini         synthetic, with negative, neutral or positive sentiment
    data/an4          AN4's real utterances from ESPnet's wheel, transcribed only

The synthetic speech is espeak-ng's. Its test speakers and test sentences occur in no
training part of any set.
"""

import argparse
import dataclasses
import functools
import os
from importlib.metadata import version
from pathlib import Path

import an4
import espeak
from plan import SIZES, Planned, plan, render
from tqdm import tqdm

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.extras import check_extra
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.core.workers import WorkerPool, one_thread
from espnet_sentiment.data.folds import PARTS, Fold
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.recipe.prepare import Corpus, prepare
from espnet_sentiment.recipe.stage import content_hash, stat_hash

# The smallest part has this many utterances: one is left.
MAX_DIVISOR = min(min(parts.values()) for parts in SIZES.values())


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="data", help="folder of the sets")
    parser.add_argument(
        "--nj", type=int, default=os.cpu_count(), help="processes (default: all cores)"
    )
    parser.add_argument(
        "--divisor", type=int, default=1, help="make one in N utterances, for a try"
    )
    return parser


def render_all(planned: list[Planned], folder: Path, nj: int, name: str) -> None:
    """Synthesize what is not there yet, in several processes."""
    work = functools.partial(render, folder=folder)
    with (
        WorkerPool(nj, "spawn", one_thread) as pool,
        tqdm(total=len(planned), desc=name, unit="utt") as bar,
    ):
        for _ in pool.map(work, planned, chunksize=20):
            bar.update()


def read_synthetic(planned: list[Planned], wavs: Path, nj: int, name: str) -> Corpus:
    """Synthesize a set.

    Args:
        planned: Its utterances.
        wavs: Where the recordings go.
        nj: Number of processes.
        name: Name of the set.
    """
    render_all(planned, wavs, nj, name)
    utterances = [
        Utterance(
            utt=p.utt,
            wav=str(p.path(wavs).resolve()),
            speaker=p.speaker,
            label=p.label,
            text=p.text,
        )
        for p in planned
    ]
    parts = {k: sorted(p.utt for p in planned if p.part == k) for k in PARTS}
    return Corpus(utterances, [Fold("1", **parts)])


def prepare_synthetic(name: str, data: Path, nj: int, divisor: int) -> None:
    """Write a synthetic set."""
    planned, wavs = plan(name, divisor), data / "wav" / name
    prepare(
        data / name,
        lambda: read_synthetic(planned, wavs, nj, name),
        {
            "plan": sha256_of([dataclasses.asdict(p) for p in planned]),
            "espeakng-loader": version("espeakng-loader"),
            "code": content_hash([espeak.__file__]),
        },
        recordings=wavs,
        name=f"stage 0: {name}, synthetic",
    )


def prepare_an4(data: Path) -> None:
    """Write AN4."""
    archive, wavs = an4.find_archive(), data / "wav" / "an4"
    prepare(
        data / "an4",
        lambda: Corpus(an4.write_an4(archive, wavs), folds=[]),
        {"archive": stat_hash([archive]), "code": content_hash([an4.__file__])},
        recordings=wavs,
        name="stage 0: an4, real",
    )


def main(argv=None) -> None:
    """Run the stage."""
    parser = get_parser()
    args = parser.parse_args(argv)
    if args.nj < 1 or not 1 <= args.divisor <= MAX_DIVISOR:
        parser.error(f"--nj must be 1 or more, --divisor 1 to {MAX_DIVISOR}")
    check_extra("mini", "the speech of egs/mini")
    data = Path(args.data)
    for name in SIZES:
        prepare_synthetic(name, data, args.nj, args.divisor)
    prepare_an4(data)


if __name__ == "__main__":
    run(main)
