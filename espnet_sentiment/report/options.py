"""Options of the report, the figure and the tests; nothing heavy is imported.

The stages' parsers and the console command share them.
"""

import argparse
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.channels import add_channel_argument
from espnet_sentiment.data.conditions import TITLES
from espnet_sentiment.report.languages import DEFAULT, language_names


def add_alignment_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where word times and samples come from."""
    parser.add_argument(
        "--alignment",
        default="",
        help="ASR model whose word times are taken: its encoder config, or its name "
        "below dump/align (default: the experiment's encoder, if it has aligned the "
        "words)",
    )
    add_channel_argument(parser)


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the report's contents."""
    add_alignment_arguments(parser)
    parser.add_argument(
        "--embed",
        type=int,
        default=40,
        help="utterances in the file with audio and pictures (default: 40); the "
        "others are linked",
    )
    parser.add_argument(
        "--min_count",
        type=int,
        default=3,
        help="rarer words are not ranked (default: 3)",
    )
    parser.add_argument(
        "--language",
        choices=language_names(),
        default=DEFAULT,
        help=f"language of the page's texts (default: {DEFAULT})",
    )


def check_report_arguments(args: argparse.Namespace) -> None:
    """Check the options of the report.

    Raises:
        DataError: A number is out of its range.
    """
    if args.embed < 0 or args.min_count < 1:
        raise DataError("--embed must be 0 or more, --min_count 1 or more")


def add_plot_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the figure."""
    add_alignment_arguments(parser)
    parser.add_argument(
        "--utt", nargs="+", required=True, help="ids, side by side by class"
    )
    parser.add_argument(
        "--head", type=int, help="attention of one head, from 1 (default: their mean)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=".pdf, .svg or .png (default: attention.pdf in the experiment's folder)",
    )


def add_sample_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that draws a sample of the tested utterances."""
    parser.add_argument(
        "--per_speaker",
        type=int,
        metavar="N",
        help="measure N tested utterances of each speaker (each fold, where speakers "
        "are not known), drawn by chance, the same ones each time (default: all)",
    )


def _check_sample(args: argparse.Namespace) -> None:
    if args.per_speaker is not None and args.per_speaker < 1:
        raise DataError("--per_speaker must be 1 or more")


def add_deletion_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the deletion test."""
    parser.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=[0.05, 0.1, 0.2, 0.5],
        help="shares of the frames to silence, or to keep (default: 0.05 0.1 0.2 0.5)",
    )
    parser.add_argument(
        "--n_draws",
        type=int,
        default=1,
        help="random choices an utterance (default: 1)",
    )
    add_sample_argument(parser)
    add_channel_argument(parser)


def check_deletion_arguments(args: argparse.Namespace) -> None:
    """Check the options of the deletion test.

    Raises:
        DataError: A number is out of its range.
    """
    if not all(0 < share < 1 for share in args.shares) or args.n_draws < 1:
        raise DataError("--shares must lie between 0 and 1, --n_draws be 1 or more")
    _check_sample(args)


def add_robustness_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the test on degraded recordings."""
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=list(TITLES),
        default=list(TITLES),
        metavar="NAME",
        help=f"how to degrade (default: all, {' '.join(TITLES)})",
    )
    add_sample_argument(parser)
    add_channel_argument(parser)


def check_robustness_arguments(args: argparse.Namespace) -> None:
    """Check that what degrades is there; conditions get the order of the table.

    Raises:
        DataError: A number is out of its range.
        UserError: FFmpeg's libraries lack an encoder.
    """
    _check_sample(args)
    from espnet_sentiment.data.degrade import DEGRADATIONS, check_encoder

    # Each once.
    args.conditions = [name for name in TITLES if name in args.conditions]
    for name in args.conditions:
        if (codec := DEGRADATIONS[name].encoder) is not None:
            check_encoder(codec)
