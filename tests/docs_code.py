"""Code blocks of Markdown pages, and how they are run, as docs/building.md says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from docs_checked import CHECKED
from recipe_fixtures import ROOT

# A fence, its language, what is in it.
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[a-z{}-]*)\n(?P<code>.*?)^(?P=indent)```\s*$",
    re.MULTILINE | re.DOTALL,
)
RUN = ("sh", "python")
SHOWN = ("text", "yaml", "json", "{toctree}")
NEEDS_DATA = "<!-- needs: real data -->"


class Block(NamedTuple):
    """A block of code."""

    language: str
    code: str


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks of code.

    Raises:
        ValueError: One is of no language that is run or shown.
    """
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        language = match["language"]
        if language in SHOWN:
            continue
        if language not in RUN:
            raise ValueError(f"{page}: a block is neither run nor shown: {language!r}")
        code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        found.append(Block(language, code))
    return found


def reason(page: Path, block: Block) -> str | None:
    """Return why a block of the repository is not run; None where it is."""
    name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else ""
    for (of, begin), why in CHECKED.items():
        if of == name and block.code.startswith(begin):
            return why
    return None


def run_page(page: Path, folder: Path) -> str:
    """Run a page's blocks but those of ``CHECKED``; return what they say."""
    return "".join(
        run_block(block, folder, folder / ".cache")
        for block in blocks(page)
        if reason(page, block) is None
    )


def run_block(
    block: Block,
    folder: Path,
    cache: Path,
    programs: Path = Path(sys.executable).parent,
) -> str:
    """Run a block, a process of its own; return what it says.

    Nothing is downloaded: the proxy is nowhere, and hubs are offline.

    Args:
        block: The block.
        folder: The folder in which it runs.
        cache: Where packs are unpacked.
        programs: The folder of ``python`` and ``espnet-sentiment``.
    """
    nowhere = "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ESPNET_SENTIMENT_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        **dict.fromkeys(("http_proxy", "https_proxy"), nowhere),
        "no_proxy": "127.0.0.1,localhost",
    }
    environment.pop("ESPNET_SENTIMENT_MODEL", None)
    command = {
        "sh": ["bash", "-euo", "pipefail", "-c", block.code],
        "python": [programs / "python", "-c", block.code],
    }[block.language]
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, f"{block.code}\n{ran.stdout}{ran.stderr}"
    return ran.stdout
