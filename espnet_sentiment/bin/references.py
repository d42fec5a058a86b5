"""What can be told of a set's classes without an encoder, and without any training.

    python -m espnet_sentiment.bin.references --data_dir data/emodb

Stage 6 writes the same numbers into its tables, beside the models'.
"""

import argparse
from pathlib import Path

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.lock import reading
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.recipe.data_set import read_data


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument("--exp", default="exp", help="folder of experiments")
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="channel of recordings with several that reco2file_and_channel lacks",
    )
    return parser


def main(argv=None) -> None:
    """Print a table; what it shows is kept in ``references_<set>.json``.

    Raises:
        DataError: The data directory is missing, or a table of it cannot be used.
    """
    args = get_parser().parse_args(argv)
    from espnet_sentiment.report.references import read_references
    from espnet_sentiment.scoring.feature_table import references_markdown

    exp = Path(args.exp)
    with reading(args.data_dir):
        data, folds = read_data(args.data_dir), read_folds(args.data_dir)
        found = read_references(exp, data, folds, args.channel)
    print(references_markdown(found), end="")


if __name__ == "__main__":
    run(main)
