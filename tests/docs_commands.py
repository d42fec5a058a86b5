"""Commands and Python of pages that no test runs: what they name is there.

Bash itself reads a block, in a copy of the repository whose programs only note how they
are called; the programs' own parsers then read that. A recipe's run.sh is the real one,
and ends where it would install.
"""

import argparse
import ast
import contextlib
import importlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from recipe_fixtures import ROOT

from espnet_sentiment.cli import main as cli

# What sh scripts of recipes source; the others of local/ are programs.
SOURCED = (
    *("recipe", "asr_recipe", "stages", "parse_options", "other_names"),
    *("attend", "server"),
)
# Programs of others, of which no parser is here: ESPnet's wheel has no egs2, the others
# come with the system.
FOREIGN = ("arecord", "cls.sh", "ffmpeg")
PROGRAMS = ("espnet-sentiment", "python", "python3.12", "pip", "uv")
# What the reader writes; all other files of conf/ are ours.
READERS_OWN = ("conf/train.yaml", "conf/training.yaml")
NOTE = """\
#!/bin/sh
printf '%s\\0' "$PWD" "$0" "$@" >"$(mktemp "$DOCS_CALLS/XXXXXX")"
"""
# Bash runs this before a script: run.sh ends when its options are read and its files
# are found.
STOP = """\
set -T
trap 'if [[ $BASH_COMMAND == prepare_environment ]]; then exit 0; fi' DEBUG
"""


class Call(NamedTuple):
    """How a program was called."""

    folder: Path
    program: str
    arguments: list[str]


class Parsed(BaseException):
    """A program's parser took its arguments; beyond what programs catch."""


def make_shadow(root: Path) -> Path:
    """Make a copy of the repository in which nothing is done; return its folder."""
    for shared in ("conf", "constraints.txt", "setup.cfg", "benchmarks"):
        (root / shared).symlink_to(ROOT / shared)
    (root / "local").mkdir()
    for script in (ROOT / "local").glob("*.sh"):
        if script.stem in SOURCED:
            (root / "local" / script.name).symlink_to(script)
        else:
            _note(root / "local" / script.name)
    for recipe in (ROOT / "egs").glob("*/run.sh"):
        folder = root / "egs" / recipe.parent.name
        folder.mkdir(parents=True)
        for name in ("run.sh", "local"):
            (folder / name).symlink_to(recipe.parent / name)
        (folder / "conf").symlink_to("../../conf")
    for name in (*PROGRAMS, *FOREIGN):
        _note(root / "bin" / name)
    # Pages call it in the folder of a recipe.
    _note(root / "egs" / "emodb" / "cls.sh")
    for name in ("python", "espnet-sentiment"):
        _note(root / ".venv" / "bin" / name)
    (root / "env" / "bin").mkdir(parents=True)
    (root / "env" / "bin" / "activate").touch()
    (root / "stop.bash").write_text(STOP)
    return root


def _note(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NOTE)
    path.chmod(0o755)


def calls(code: str, shadow: Path, where: Path, log: Path) -> list[Call]:
    """Return how a block of shell calls programs.

    Args:
        code: The block.
        shadow: What ``make_shadow`` made.
        where: The folder in it in which the block is run.
        log: A new folder.

    Raises:
        AssertionError: Bash or a run.sh refuses it, or it calls what is not there.
    """
    log.mkdir()
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=shadow / where,
        env={
            "PATH": f"{shadow / 'bin'}:/usr/bin:/bin",
            "DOCS_CALLS": str(log),
            "BASH_ENV": str(shadow / "stop.bash"),
        },
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"{code}\n{ran.stdout}{ran.stderr}"
    found = []
    for path in log.iterdir():
        folder, program, *arguments = path.read_text().split("\0")[:-1]
        found.append(Call(Path(folder), Path(program).name, arguments))
    return found


def check(call: Call) -> None:
    """Check a call by the program's own parser.

    Raises:
        AssertionError: The program refuses it, or there is none.
    """
    for word in call.arguments:
        name = re.sub(r"^(\.\./)+", "", word)
        if re.fullmatch(r"conf/\S+\.yaml", name) and name not in READERS_OWN:
            assert (call.folder / word).is_file(), f"{word} is not there"
    # What a page leaves to the reader.
    arguments = [word for word in call.arguments if word != "..."]
    if call.program in FOREIGN:
        return
    if call.program.endswith(".sh"):
        _check_script(call.program, arguments)
    elif call.program.startswith("python"):
        _check_python(call.folder, arguments)
    else:
        {
            "espnet-sentiment": _check_command,
            "pip": _check_pip,
            "uv": _check_uv,
        }[call.program](arguments)


def _check_command(arguments: list[str]) -> None:
    if arguments in (["--help"], ["--version"]):
        return
    assert arguments[0] in cli.COMMANDS, arguments[0]
    parse(cli.get_parser(arguments[:1]), arguments)


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Let a parser read arguments.

    Raises:
        AssertionError: It refuses them.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser.parse_args(arguments)
    except SystemExit:
        raise AssertionError(f"{' '.join(arguments)}\n{said.getvalue()}") from None


def _check_python(folder: Path, arguments: list[str]) -> None:
    first, *rest = arguments
    if first != "-m":
        return _check_program(folder / first, rest)
    module, *rest = rest
    if module != "espnet_sentiment":
        return _check_module(module, rest)
    # python -m espnet_sentiment: see its __main__.py.
    first, *rest = rest
    if first == "-c":
        code, *rest = rest
        return _check_task(code, rest)
    if first == "run.py":  # ESPnet 3's, which asks for Lightning
        return _check_espnet3(rest)
    return _check_module(first, rest)


def _check_espnet3(arguments: list[str]) -> None:
    """Check options of ``run.py``, which are the attributes of a system."""
    system = importlib.util.find_spec("espnet3").submodule_search_locations[0]
    text = Path(system, "systems", "esp2_asr", "system.py").read_text()
    for word in arguments[::2]:
        assert f"self.{word.removeprefix('--')}" in text, word


def _check_module(name: str, arguments: list[str]) -> None:
    assert importlib.util.find_spec(name) is not None, name
    if name.split(".")[0] in ("espnet2", "espnet_sentiment"):
        parser = importlib.import_module(name).get_parser()
        # Options of a file are not read: it is the reader's.
        parse(parser, _without(arguments, "--config"))


def _without(arguments: list[str], option: str) -> list[str]:
    if option not in arguments:
        return arguments
    at = arguments.index(option)
    return arguments[:at] + arguments[at + 2 :]


def _check_task(code: str, arguments: list[str]) -> None:
    """Check ``-c`` of a task's main, such as ``from ... import Task; Task.main()``."""
    check_python(code)
    *imports, last = ast.parse(code).body
    names: dict[str, type] = {}
    exec(compile(ast.Module(imports, []), "<docs>", "exec"), names)
    task = names[last.value.func.value.id]
    parse(task.get_parser(), _without(arguments, "--config"))


def _check_program(path: Path, arguments: list[str]) -> None:
    """Run a script until its parser has read the arguments."""
    real = argparse.ArgumentParser.parse_known_args

    def parse_known_args(parser, args=None, namespace=None):
        _, more = real(parser, args, namespace)
        assert not more, f"{path.name} has no {more}"
        raise Parsed

    said = io.StringIO()
    names = {"__name__": "__main__", "__file__": str(path.resolve()), "__doc__": ""}
    code = compile(path.read_text(), path.name, "exec")
    with (
        mock.patch.object(
            argparse.ArgumentParser, "parse_known_args", parse_known_args
        ),
        mock.patch.object(sys, "argv", [str(path), *arguments]),
        mock.patch.object(sys, "path", [str(path.resolve().parent), *sys.path]),
        contextlib.redirect_stderr(said),
    ):
        try:
            exec(code, names)
        except Parsed:
            return
        except SystemExit:
            pass
    raise AssertionError(f"{path.name} {' '.join(arguments)}\n{said.getvalue()}")


def _check_script(name: str, arguments: list[str]) -> None:
    """Check a script of local/: options that its help names, and env.sh's extras."""
    script = ROOT / "local" / name
    assert os.access(script, os.X_OK), name
    if name == "env.sh":
        for extra in ",".join(arguments).split(","):
            _check_extra(extra)
        return
    told = subprocess.run(
        [script, "--help"], capture_output=True, text=True, check=True
    )
    for word in arguments:
        assert word in told.stdout, f"{name} has no {word}"


def _check_extra(name: str) -> None:
    setup = (ROOT / "setup.cfg").read_text()
    assert re.search(rf"^{re.escape(name)} =$", setup, re.MULTILINE), name


def _check_pip(arguments: list[str]) -> None:
    assert arguments == ["install", "uv"]


def _check_uv(arguments: list[str]) -> None:
    """uv's own help knows its options; extras and constraints are the repository's."""
    told = subprocess.run(
        [Path(sys.executable).with_name("uv"), *arguments[:2], "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for word in arguments[2:]:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", told), word
    assert (ROOT / arguments[arguments.index("-c") + 1]).is_file()
    _check_extra(re.fullmatch(r"\.\[(\w+)\]", arguments[-1])[1])


def check_python(code: str) -> None:
    """Check that Python compiles, and that what it imports is there.

    Attributes of imported names are looked up, too.

    Raises:
        AssertionError: A module has no such name, or a class no such attribute.
    """
    known: dict[str, object] = {}
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = importlib.import_module(alias.name)
                known[alias.asname or alias.name] = module
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}: no {alias.name}"
                known[alias.asname or alias.name] = getattr(module, alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = known.get(node.value.id)
            if owner is not None:
                assert hasattr(owner, node.attr), f"{node.value.id}: no {node.attr}"
    compile(tree, "<docs>", "exec")
