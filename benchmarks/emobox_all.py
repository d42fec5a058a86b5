"""Stage 0 on each of EmoBox's corpora, as its own metadata has them.

    python benchmarks/emobox_all.py EMOBOX [--dataset NAME ...]

EMOBOX is a clone of https://github.com/emo-box/EmoBox, or a .tar.gz of it or of its
data/. EmoBox holds no recordings: for each there is a twentieth of a second of real
speech (AN4), no two the same, under the name that the metadata has.

Printed is a table: for every corpus its utterances, folds and speakers, how many of the
tested speakers and recordings also train, or why it is refused, and below it what stage
0 says else. Of few corpora the training lists are no part of EmoBox's repository; those
are not testable. Exit status 1: one was refused that is. Takes minutes.
"""

import argparse
import contextlib
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import unpack_an4
from emobox_tree import datasets, unpack_metadata, write_recordings
from recipe_fixtures import recipe_module
from tqdm import tqdm

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.folds import read_folds

HEADER = ["corpus", "utterances", "folds", "speakers", "speakers in train"]
HEADER += ["recordings in train"]
# Each with the parts that --test names.
FURTHER = {"mer2023": ["test", "test2", "test3"]}


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("emobox", type=Path, help="a clone, or its .tar.gz")
    parser.add_argument("--dataset", nargs="*", help="some corpora alone")
    return parser


def try_dataset(
    recipe: Any, emobox: Path, audio: Path, dataset: str, tests: list[str]
) -> tuple[list[str], list[str]]:
    """Run stage 0; return a row of the table, and what it says else.

    Raises:
        UserError: Stage 0 refuses it.
    """
    data_dir = audio / "set"
    options = ["--emobox", str(emobox), "--audio_dir", str(audio), "--test", *tests]
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        recipe.main([*options, "--dataset", dataset, "--data_dir", str(data_dir)])
    counts = read_json(data_dir / "overlap.json")["all"]["test"]
    speakers = read_table(data_dir / "utt2spk")
    known = len(set(speakers.values())) if counts["speakers"] else "unknown"
    row = [len(speakers), len(read_folds(data_dir)), known]
    row += [
        f"{c['train']} of {c['n']}" if c else "unknown"
        for c in (counts["speakers"], counts["recordings"])
    ]
    lines = [line.partition("] ")[2] for line in said.getvalue().splitlines()]
    return list(map(str, row)), [x for x in lines if not re.match(r"\d+ utter", x)]


def main() -> int:
    """Try all, and print the table; return the exit status."""
    args = get_parser().parse_args()
    rows, notes, failed = [], [], []
    with tempfile.TemporaryDirectory() as folder, recipe_module("emobox") as recipe:
        root = Path(folder)
        speech = unpack_an4(root / "an4")
        emobox = unpack_metadata(args.emobox, root / "metadata")
        for dataset in tqdm(args.dataset or datasets(emobox)):
            audio = root / dataset
            write_recordings(emobox, dataset, speech, audio)
            for tests in filter(None, [["test"], FURTHER.get(dataset)]):
                name = (
                    dataset if tests == ["test"] else f"{dataset} ({' '.join(tests)})"
                )
                try:
                    cells, said = try_dataset(recipe, emobox, audio, dataset, tests)
                except UserError as error:
                    cells, said = ["refused"], [str(error).replace(f"{root}/", "")]
                    if "train_fold" in said[0] and "is missing" in said[0]:
                        cells = ["not testable: no training list"]
                    else:
                        failed.append(name)
                rows.append([name, *cells, *[""] * (len(HEADER) - 1 - len(cells))])
                notes += [f"{name}: {line.replace(f'{root}/', '')}" for line in said]
            shutil.rmtree(audio)
    for cells in (HEADER, ["---"] * len(HEADER), *rows):
        print(f"| {' | '.join(cells)} |")
    tried = {row[0].split()[0] for row in rows if "not testable" not in row[1]}
    passed = tried - {name.split()[0] for name in failed}
    print(f"\n{len(passed)} of {len(tried)} corpora pass", *notes, sep="\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
