"""espnet-sentiment encoders: list the pre-trained encoders that train knows by name."""

import argparse

HELP = "list the pre-trained encoders that train knows by name"
KEYS = ("encoder", "encoder_conf.model", "encoder_conf.layer", "encoder_conf.subsample")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print them; return the exit status."""
    from espnet_sentiment.cli.configs import print_configs

    print_configs("encoder", KEYS, args.json)
    return 0
