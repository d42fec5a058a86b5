"""espnet-sentiment unpack: a folder out of a packed model, checked file by file."""

import argparse

from espnet_sentiment.core.escape import one_line

HELP = "unpack a packed model, and check every file's SHA-256"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("pack", metavar="PACK", help="a .zip that pack made")
    parser.add_argument("folder", metavar="DIR", help="folder to make")


def run(args: argparse.Namespace) -> int:
    """Unpack, and say what it was; return the exit status.

    Raises:
        DataError: See ``unpack_model``.
    """
    from espnet_sentiment.pack.unpack import unpack_model

    description = unpack_model(args.pack, args.folder)
    told = (
        f"{args.folder}: {description.get('name')}, fold {description.get('fold')}, "
        f"classes {', '.join(description['classes'])}; {len(description['files'])} "
        "files, every SHA-256 matches"
    )
    print(one_line(told))
    return 0
