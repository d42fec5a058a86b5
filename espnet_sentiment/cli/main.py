"""The console command ``espnet-sentiment``.

A subcommand is a module of this package with ``HELP``, ``add_arguments(parser)`` and
``run(args)``, which returns the exit status. Heavy imports belong into ``run``. One
with ``INTERMIXED`` takes its arguments before, between and behind its options.
"""

import argparse
import functools
import importlib
import os
import sys
from collections.abc import Sequence

from espnet_sentiment import __version__
from espnet_sentiment.core.disk import disk_message
from espnet_sentiment.core.entry import prepare_imports
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.escape import plain_lines
from espnet_sentiment.core.interrupt import Interrupted, interruptible

COMMANDS = (
    *("predict", "stream", "train", "evaluate", "info", "pack", "unpack", "export"),
    "demo",
    *("encoders", "decoders"),
    *("align", "report", "plot", "deletion", "robustness", "tables"),
    "completion",
)
EPILOG = """\
exit status: 0 done; 1 some input could not be answered; 2 nothing was done (a wrong
option, no such model); 130 interrupted, 143 terminated
"""


def get_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Build the parser.

    Args:
        commands: The subcommands whose modules are imported for their options.
    """
    parser = argparse.ArgumentParser(
        prog="espnet-sentiment",
        description="Sentiment and emotion of speech, by a small decoder on the frozen "
        "encoder of an ASR model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"espnet_sentiment {__version__}"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in commands:
        module = importlib.import_module(f"espnet_sentiment.cli.{name}")
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            epilog=getattr(module, "EPILOG", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run, parser=subparser, command=name)
        if getattr(module, "INTERMIXED", False):
            parse = functools.partial(_intermixed, subparser)
            subparser.parse_known_args = parse  # type: ignore[method-assign]
    return parser


def _intermixed(parser: argparse.ArgumentParser, args: list[str], namespace):
    """Parse as a parser of subcommands asks for it."""
    del parser.parse_known_args  # which parse_known_intermixed_args calls
    if "--" in args:  # behind it are no options
        return parser.parse_known_args(args, namespace)
    return parser.parse_known_intermixed_args(args, namespace)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status.

    Args:
        argv: Its name and arguments; None is those of the process.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    asked = [name for name in COMMANDS if argv[:1] == [name]]
    args = get_parser(asked or COMMANDS).parse_args(argv)
    prepare_imports()
    try:
        with interruptible():
            return args.run(args)
    except UserError as error:
        print(f"error: {plain_lines(error)}", file=sys.stderr)
        return 2
    except Interrupted as error:
        print("\ninterrupted", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        # The reader, such as head, has enough; nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        message = disk_message(error)
        if message is None:
            raise
        print(f"error: {plain_lines(message)}", file=sys.stderr)
        return 2
