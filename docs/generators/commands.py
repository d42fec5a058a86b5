"""Pages of the command line: espnet-sentiment, the stages' programs, run.sh."""

import argparse
import importlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from espnet_sentiment.cli import main as cli
from espnet_sentiment.compat import parser_actions
from generators.text import cell, code, table

ROOT = Path(__file__).parents[2]
HEAD = ("option", "default", "meaning")


def programs() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of espnet_sentiment/bin by the programs' names."""
    found = {}
    for path in sorted((ROOT / "espnet_sentiment" / "bin").glob("*.py")):
        if path.stem != "__init__":
            module = importlib.import_module(f"espnet_sentiment.bin.{path.stem}")
            found[path.stem] = module.get_parser()
    return found


def subcommands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of espnet-sentiment's commands by their names."""
    parser = cli.get_parser()
    (choices,) = [
        action.choices
        for action in parser_actions(parser)
        if isinstance(action, argparse._SubParsersAction)
    ]
    return {name: choices[name] for name in cli.COMMANDS}


def recipes() -> dict[str, str]:
    """Return what every recipe's ``run.sh --help`` prints, by the recipe's name."""
    return {
        path.parent.name: subprocess.run(  # noqa: S603
            [path, "--help"], check=True, capture_output=True, text=True
        ).stdout
        for path in sorted((ROOT / "egs").glob("*/run.sh"))
    }


def shown(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Give what a parser's ``--help`` shows, but ``--help`` itself."""
    for action in parser_actions(parser):
        if action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
            yield action


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    values = {**vars(action), "prog": parser.prog}
    if action.choices is not None:
        values["choices"] = ", ".join(map(str, action.choices))
    text = (action.help or "") % values
    if action.choices is not None:
        text += f" (one of {values['choices']})"
    return cell(text)


def _default(action: argparse.Action) -> str:
    if action.required or not action.option_strings:
        return "" if action.nargs in ("?", "*") else "required"
    if action.default in (None, argparse.SUPPRESS, False, [], ""):
        return ""
    return code(action.default).replace(str(ROOT) + "/", "")


def _name(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if not action.option_strings:
        return code(value if isinstance(value, str) else value[0])
    if isinstance(value, tuple):
        value = " ".join(value)
    if action.choices is not None and action.metavar is None:
        value = "X"
    return code(f"{', '.join(action.option_strings)} {value}".strip())


def described(parser: argparse.ArgumentParser) -> str:
    """Return a parser's description, usage and options as Markdown."""
    rows = [
        (_name(action), _default(action), _meaning(parser, action))
        for action in shown(parser)
    ]
    text = f"{parser.description or ''}\n\n"
    if parser.epilog:
        text += f"```text\n{parser.epilog.strip()}\n```\n\n"
    return text.replace("<", "\\<") + table(HEAD, rows)


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    text = (
        "# espnet-sentiment\n\n`espnet-sentiment COMMAND --help` prints the same.\n\n"
    )
    for name, parser in subcommands().items():
        text += f"## {name}\n\n{described(parser)}"
    text += f"## Exit status\n\n```text\n{cli.EPILOG.strip()}\n```\n"
    stages = (
        "# Programs of the stages\n\n`run.sh` and `espnet-sentiment train` call them; "
        "`python -m espnet_sentiment.bin.NAME --help` prints the same.\n\n"
    )
    for name, parser in programs().items():
        parser.prog = name
        stages += f"## {name}\n\n{described(parser)}"
    helps = recipes()
    shell = "# run.sh\n\nWhat every recipe's `./run.sh --help` prints.\n\n"
    for name, told in helps.items():
        shell += f"## egs/{name}\n\n```text\n{told.strip()}\n```\n\n"
    return {"espnet_sentiment.md": text, "programs.md": stages, "run_sh.md": shell}
