"""Naming a recipe's data directory on the command line."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

EPILOG = """\
DATA_DIR is data/<set> of a recipe, whose dump/ and exp/ are used; where they are
elsewhere, name them.
"""


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the data directory and the folder of features."""
    parser.add_argument("data_dir", metavar="DATA_DIR", help="data/<set> of a recipe")
    parser.add_argument("--dump", help="features (default: the recipe's dump)")


@contextlib.contextmanager
def open_recipe(args: argparse.Namespace) -> Iterator[argparse.Namespace]:
    """Give the options as a stage names them, from within the recipe.

    The recipe is the current folder until the end, because its tables may name
    recordings from there. It is the folder above ``data/``; a data directory elsewhere
    belongs to none, and the current folder stays.

    Args:
        args: The options of ``add_data_arguments``, and others; other paths among them
            have to be absolute.
    """
    data_dir = Path(args.data_dir).absolute()
    recipe, name = Path.cwd(), data_dir
    if data_dir.parent.name == "data":
        recipe, name = data_dir.parents[1], Path("data", data_dir.name)
    dump = "dump" if args.dump is None else Path(args.dump).absolute()
    named = {"data_dir": str(name), "dump": str(dump)}
    with contextlib.chdir(recipe):
        yield argparse.Namespace(**vars(args) | named)
