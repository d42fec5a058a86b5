"""espnet-sentiment tables: the paper's tables of a corpus."""

import argparse
from pathlib import Path

from espnet_sentiment.cli.data_option import EPILOG, add_data_arguments, open_recipe
from espnet_sentiment.scoring.askers import RUN_SH
from espnet_sentiment.scoring.options import add_table_arguments

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "write the paper's Tables 1 to 3 from the scored experiments of a corpus"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_data_arguments(parser)
    parser.add_argument("--exp", help="experiments (default: the recipe's exp)")
    add_table_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the tables, and print them; return the exit status.

    Raises:
        DataError: The data directory is missing, or nothing of it was scored.
    """
    from espnet_sentiment.bin.tables import last_asked, write_tables

    exp = None if args.exp is None else str(Path(args.exp).absolute())
    with open_recipe(args) as named:
        named.exp = exp or "exp"
        asked = last_asked(Path(named.exp), Path(named.data_dir).name)
        named.channel = asked.pop("channel", None)
        named.asker = asked.pop("asker", RUN_SH)
        if named.base is None and named.encoder is None:
            vars(named).update(asked)
        write_tables(named)
    return 0
