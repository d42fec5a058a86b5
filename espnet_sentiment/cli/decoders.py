"""espnet-sentiment decoders: list the sentiment models that train knows by name."""

import argparse

HELP = "list the sentiment models that train knows by name"
KEYS = ("decoder", "specaug", "views", "clean", "normalize", "target")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print them; return the exit status."""
    from espnet_sentiment.cli.configs import print_configs

    print_configs("sentiment", KEYS, args.json)
    return 0
