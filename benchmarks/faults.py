"""Every file of a finished run truncated, emptied, swapped, one bit flipped, deleted.

    python benchmarks/faults.py [--every N]

A small corpus of real speech (AN4) goes through all stages once. Then, for every file
below data/, dump/ and exp/ and every fault: the file is damaged, all stages are run,
and where one ends in an error that says "run stage N", they are run again. What is
there at the end has to be what was there before, bit for bit (times aside). A swap
exchanges a file and that of the same name of another fold, view or kind of features.

Printed is a table of kinds of files and faults: how many were made again at once, and
how many noticed by an error whose remedy helped. "harmless" are files that nothing was
made from, such as the seal of a part of a complete stage. Exit status 1: something else
came of one. Takes half an hour on two cores; --every 5 takes a fifth of all pairs.
"""

import argparse
import itertools
import re
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import unpack_an4
from stage_faults import FAULTS, artefacts, heal, state
from stage_world import finished_world, restored
from tqdm import tqdm


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="every N-th pair alone")
    return parser


def kind(name: Path) -> str:
    """Return what a file is one of: numbers and hashes of its path are dropped."""
    text = re.sub(r"[0-9a-f]{8}(?=\.|/|$)", "*", str(name))
    text = re.sub(r"wav/.*(?=\.)", "wav/*", text)
    return re.sub(r"(?<=fold)\d|(?<=view)\d|(?<=folds/)\d|(?<=seed)\d|\d{5}", "*", text)


def main() -> int:
    """Try all, and print the table; return the exit status."""
    args = get_parser().parse_args()
    found: dict[str, dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        world, kept = finished_world(root / "all", unpack_an4(root), fbank=True)
        whole = state(world.root)
        pairs = list(itertools.product(artefacts(kept), FAULTS))[:: args.every]
        for name, fault in tqdm(pairs, unit="fault"):
            try:
                outcome = heal(restored(world, kept), name, fault, whole)
            except Exception as error:
                outcome = "FAILED"
                failed.append(f"{fault} {name}: {type(error).__name__}: {error}")
            found[kind(name)][fault][outcome] += 1
    print("| file | " + " | ".join(FAULTS) + " |")
    print("| --- |" + " --- |" * len(FAULTS))
    for name, faults in found.items():
        cells = (
            ", ".join(f"{n} {what}" for what, n in faults[fault].items())
            for fault in FAULTS
        )
        print(f"| `{name}` | " + " | ".join(cells) + " |")
    print(f"\n{len(pairs)} faults, {len(failed)} failed", *failed, sep="\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
