"""Options that say how labelled data of any kind is read: a table, or a folder."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.data.pairs import read_pairs
from espnet_sentiment.data.records import KINDS

if TYPE_CHECKING:
    from espnet_sentiment.data.manifest import Reading

LAYOUT_HELP = (
    "what the names of a folder's subfolders are, of label, speaker, split, fold and - "
    "for nothing: speaker/label, say (default: the innermost is the label)"
)
DATA_HELP = f"a table ({KINDS}), or a folder of recordings"


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--audio_dir", help="where the column path starts (default: the table's folder)"
    )
    parser.add_argument("--map", default="", help="columns: path=file,label=emotion")
    parser.add_argument(
        "--map_label",
        default="",
        help="labels of the data and classes: exc=happiness,neu=neutral; nothing "
        "behind = leaves utterances out",
    )
    parser.add_argument("--layout", help=LAYOUT_HELP)
    parser.add_argument(
        "--skip_missing",
        type=int,
        default=0,
        metavar="N",
        help="leave out up to N rows whose recordings are not there (default: 0)",
    )
    parser.add_argument("--encoding", help="of text that is not UTF-8: cp1252, ...")
    parser.add_argument("--sheet", help="of a spreadsheet that has several")


def add_fold_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of data that is trained on."""
    parser.add_argument(
        "--folds",
        default="",
        help="given: by the column split or fold (default, where there is one); "
        "speaker: leave one speaker out (default else); speaker+group: the tested "
        "groups, too, by the column group; or a number of folds (default without "
        "speakers: 5)",
    )
    parser.add_argument(
        "--no_majority",
        default="refuse",
        choices=("refuse", "train"),
        help="rows with votes and no label: refuse (default), or let them train where "
        "votes are the target",
    )


def read_options(args: argparse.Namespace, groups: Sequence[str] = ()) -> "Reading":
    """Return how data is to be read.

    Args:
        args: What the options of this module gave.
        groups: Further columns to keep.

    Raises:
        UserError: An option is wrong.
    """
    # Parsers are built without it.
    from espnet_sentiment.data.manifest import Reading

    if args.skip_missing < 0:
        raise UserError("--skip_missing: a number from 0")
    return Reading(
        read_pairs("--map", args.map),
        read_pairs("--map_label", args.map_label),
        args.skip_missing,
        args.encoding,
        args.sheet,
        getattr(args, "no_majority", "refuse") == "train",
        args.layout,
        groups,
    )
