"""Stage 0: a table of any kind, or a folder, to a Kaldi data directory and folds."""

import argparse

from espnet_sentiment.core.entry import run
from espnet_sentiment.data.manifest import make_folds, read_manifest
from espnet_sentiment.recipe import prepare as stage
from espnet_sentiment.recipe.data_options import (
    DATA_HELP,
    add_data_options,
    add_fold_options,
    read_options,
)
from espnet_sentiment.recipe.prepare import Corpus, say


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = stage.get_parser(__doc__)
    parser.add_argument("--manifest", required=True, help=DATA_HELP)
    add_data_options(parser)
    add_fold_options(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    prepare_table(get_parser().parse_args(argv))


def prepare_table(args: argparse.Namespace) -> None:
    """Write the data directory, unless that is done.

    Args:
        args: What the parser gives.

    Raises:
        DataError: The table cannot be used, or as ``prepare``.
    """
    manifest = read_manifest(args.manifest, args.audio_dir, read_options(args))
    for line in manifest.said:
        say(line)
    folds = make_folds(manifest, args.folds, say)
    stage.prepare(args.data_dir, Corpus(manifest.utterances, folds, manifest.files))


if __name__ == "__main__":
    run(main)
