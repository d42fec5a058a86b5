"""Which channel of recordings that have several is read."""

import argparse

CHANNELS = ("0", "1", "mix")


def add_channel_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--channel``, which mixes where it is not given."""
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        default="mix",
        help="channel of recordings that have several (default: mix)",
    )
