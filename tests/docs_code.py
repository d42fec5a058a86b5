"""Code blocks of Markdown pages, and how they are run, as docs/building.md says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# A fence, its language, what is in it; before it, the reason why it is not run.
FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+?) -->\s*\n)?"
    r"^(?P<indent> *)```(?P<language>[a-z{}-]*)\n(?P<code>.*?)^(?P=indent)```\s*$",
    re.MULTILINE | re.DOTALL,
)
RUN = ("sh", "python")
SHOWN = ("text", "yaml", "json", "{toctree}")
NEEDS_DATA = "<!-- needs: real data -->"


class Block(NamedTuple):
    """A block of code, and why it is not run; None where it is."""

    language: str
    code: str
    why: str | None


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
        found.append(Block(language, code, match["why"]))
    return found


def run_page(page: Path, folder: Path) -> str:
    """Run a page's blocks in a folder, each a process of its own; return what they say.

    Nothing is downloaded: the proxy is nowhere, and hubs are offline.
    """
    nowhere = "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ESPNET_SENTIMENT_CACHE": str(folder / ".cache"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        **dict.fromkeys(("http_proxy", "https_proxy"), nowhere),
        "no_proxy": "127.0.0.1,localhost",
    }
    environment.pop("ESPNET_SENTIMENT_MODEL", None)
    said = []
    for block in blocks(page):
        if block.why is not None:
            continue
        command = {
            "sh": ["bash", "-euo", "pipefail", "-c", block.code],
            "python": [sys.executable, "-c", block.code],
        }[block.language]
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True
        )
        said.append(ran.stdout)
        output = f"{ran.stdout}{ran.stderr}"
        assert ran.returncode == 0, f"{page.name}\n{block.code}\n{output}"
    return "".join(said)
