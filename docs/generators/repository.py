"""Pages of the repository that the site shows as well: recipes, results, changes."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = "docs/generated"
# [text](target), and ![text](target)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def sources() -> dict[str, str]:
    """Return the pages by the paths of their files in the repository."""
    paths = [
        *ROOT.glob("egs/*/README.md"),
        *ROOT.glob("egs/*/RESULTS.md"),
        *ROOT.glob("benchmarks/*.md"),
        *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
    ]
    names = sorted(path.relative_to(ROOT).as_posix() for path in paths)
    return {name: name.replace("/", "_") for name in names}


def rewritten(text: str, path: str, pages: dict[str, str]) -> str:
    """Return a file's text with links that hold from the folder of its page.

    Args:
        text: Markdown.
        path: The file's path in the repository.
        pages: As ``sources`` returns them.
    """

    def link(match: re.Match) -> str:
        picture, shown, target = match.groups()
        if re.match(r"\w+:|#", target):
            return match[0]
        file, hash_, anchor = target.partition("#")
        whole = os.path.normpath(os.path.join(os.path.dirname(path), file))
        if f"{whole}/README.md" in pages:
            whole += "/README.md"
        if whole in pages:
            whole = f"{FOLDER}/{pages[whole]}"
        elif (ROOT / whole).is_dir():
            return f"`{whole}`"
        return f"{picture}[{shown}]({os.path.relpath(whole, FOLDER)}{hash_}{anchor})"

    return LINK.sub(link, text)


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    found = sources()
    return {
        page: rewritten((ROOT / path).read_text(encoding="utf-8"), path, found)
        for path, page in found.items()
    }
