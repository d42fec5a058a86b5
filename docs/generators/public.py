"""Pages of the Python reference: one a package, all public names of all its modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import espnet_sentiment

PACKAGE = Path(espnet_sentiment.__file__).parent
NAME = PACKAGE.name


def modules() -> dict[str, Path]:
    """Return the files of all modules by their names."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "__main__" not in parts:
            found[".".join(p for p in parts if p != "__init__")] = path
    return found


def public_names(path: Path) -> Iterator[str]:
    """Give the classes and functions of a module whose names begin with a letter.

    Those of a package's interface, ``__all__``, stand in the modules that have them.
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node.name


def _module(name: str, *options: str) -> str:
    lines = (f".. automodule:: {name}", *(f"   :{option}:" for option in options))
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```\n\n"


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    packages: dict[str, list[str]] = {}
    files = modules()
    for module, path in files.items():
        parts = module.split(".")
        alone = len(parts) == 1 or (len(parts) == 2 and path.name != "__init__.py")
        packages.setdefault(NAME if alone else f"{NAME}.{parts[1]}", []).append(module)
    written = {}
    for package, members in packages.items():
        text = f"# {package}\n\n"
        for module in members:
            is_package = files[module].name == "__init__.py"
            if module != package:
                text += f"## {module.removeprefix(package + '.')}\n\n"
            text += _module(module, *["no-members"] * is_package)
        if package == NAME:
            names = "".join(
                f"- {{py:obj}}`{name} <{where}.{name}>`\n"
                for name, where in {
                    **espnet_sentiment._MODULES,
                    "register": f"{NAME}.registration",
                }.items()
            )
            text = text.replace(
                "## ", f"`from {NAME} import` offers:\n\n{names}\n## ", 1
            )
        written[f"python_{package.replace('.', '_')}.md"] = text
    return written
