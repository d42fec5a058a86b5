"""Run one of ESPnet's own programs with our components registered.

python -m espnet_sentiment espnet2.bin.cls_train --config conf/train.yaml ...

What python itself takes may follow, too: "-m MODULE", a script's path, "-c COMMAND", or
"-" for standard input. So ESPnet's recipes run whole on it:

./cls.sh --python "python3 -m espnet_sentiment" ...
"""

import importlib.util
import os
import runpy
import sys
import types
from pathlib import Path

from espnet_sentiment.compat import import_in_spawned_processes
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.escape import plain_lines
from espnet_sentiment.registration import register


def main() -> None:
    """Run what the first argument names, as python would."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        raise SystemExit(0 if len(sys.argv) > 1 else 2)
    import_in_spawned_processes(register)
    try:
        run(sys.argv[1:])
    except UserError as error:
        raise SystemExit(f"error: {plain_lines(error)}") from None


def run(words: list[str]) -> None:
    """Run python's own arguments, without its options.

    Raises:
        UserError: They name nothing that can be run.
    """
    kind = words[0]
    if kind in ("-m", "-c"):
        if len(words) < 2:
            raise UserError(f"{kind} needs an argument, as python's own does")
        words = words[1:]
    elif kind.startswith("-") and kind != "-":
        raise UserError(
            f"{kind} is no module and no script: an option of python's comes before, "
            f"python {kind} -m espnet_sentiment ..."
        )
    if kind == "-c":
        run_text(words[0], "<string>", ["-c", *words[1:]])
    elif kind == "-":
        run_text(sys.stdin.read(), "<stdin>", words)
    elif kind != "-m" and is_path(kind):
        run_script(words)
    else:
        run_module(words)


def is_path(name: str) -> bool:
    """Tell a script from a module; ``x.py`` is no module's name."""
    return os.sep in name or name.endswith(".py") or Path(name).is_file()


def run_text(text: str, name: str, argv: list[str]) -> None:
    """Run a program's text, as the main module."""
    sys.argv[:] = argv
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    # Whoever starts this program could start python as well.
    exec(compile(text, name, "exec"), module.__dict__)  # noqa: S102


def run_script(argv: list[str]) -> None:
    """Run a script; its folder comes first on the path, as python has it.

    Raises:
        UserError: It is not there.
    """
    if not Path(argv[0]).exists():
        raise UserError(f"{argv[0]} is missing: there is no such script")
    sys.argv[:] = argv
    if not sys.flags.safe_path:
        # Here python put the current folder, since it ran a module, this one.
        sys.path[0] = str(Path(argv[0]).resolve().parent)
    runpy.run_path(argv[0], run_name="__main__")


def run_module(argv: list[str]) -> None:
    """Run a module.

    Raises:
        UserError: There is none of that name.
    """
    name = argv[0]
    try:
        found = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        # A package above it; whatever that imports itself has another name.
        found = not f"{name}.".startswith(f"{error.name}.")
        if found:
            raise
    if not found:
        raise UserError(
            f"there is no module {name}: a script is named by its path, such as "
            f"./{name}"
        )
    sys.argv[:] = argv
    runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
