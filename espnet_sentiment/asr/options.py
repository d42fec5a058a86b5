"""Options of the alignment of words; nothing heavy is imported."""

import argparse

from espnet_sentiment.core.entry import add_gpu_argument

METHODS = ("rnnt", "ctc", "whisper")


def add_align_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that the stage's parser and the console command share."""
    parser.add_argument(
        "--text",
        choices=["reference", "hypothesis"],
        help="the corpus's own transcripts (default, where it has any), or what the "
        "model recognised",
    )
    parser.add_argument(
        "--method", choices=METHODS, help="default: the model's own; an RNN-T has two"
    )
    add_gpu_argument(parser)
