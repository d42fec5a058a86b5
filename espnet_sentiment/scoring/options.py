"""Options of the paper's tables; nothing heavy is imported."""

import argparse


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the model which Table 2 tests the others against."""
    parser.add_argument(
        "--base",
        metavar="ENCODER/SENTIMENT",
        help="model that Table 2 tests the others against (default: rnn_attention on "
        "--encoder, else on the pre-trained encoder with most seeds)",
    )
    parser.add_argument("--encoder", help="encoder config to prefer for the base model")
