"""Writes docs/generated/: the pages of the reference that the code itself tells."""

from pathlib import Path

import figures

from generators import commands, configs, formats, public, repository

FOLDER = "generated"


def pages() -> dict[str, str]:
    """Return the generated pages, Markdown by file name."""
    parts = (public, commands, configs, formats, repository)
    return {name: text for part in parts for name, text in part.pages().items()}


def write(docs: Path) -> None:
    """Write the pages below ``docs``; those that are as they were keep their times."""
    folder = docs / FOLDER
    folder.mkdir(exist_ok=True)
    made = pages()
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    figures.draw(folder / "figures")
    for name, text in made.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
