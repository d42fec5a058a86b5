"""Markdown of the generated pages."""

import re
from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """Return a text as it may stand in a cell of a table."""
    flat = " ".join(str(text).split())
    # HTML's brackets outside of code, and what RST calls code and roles.
    flat = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", flat).replace("``", "`")
    parts = flat.split("`")
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(r"([<>*_\[\]{}$])", r"\\\1", parts[number])
    return "`".join(parts).replace("|", "\\|")


def code(value: object) -> str:
    """Return a value as code in a cell; nothing where it is empty."""
    text = " ".join(str(value).split()).replace("|", "\\|")
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"
