"""Names on the Hugging Face Hub, and the folders that it keeps downloads in."""

import re
from pathlib import Path

# https://huggingface.co/docs/huggingface_hub/guides/manage-cache
HUB_CACHE = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/[0-9a-f]{40}")
HUB = "https://huggingface.co/"


def hub_name(path: Path) -> str | None:
    """Return the ``owner/name`` of a model in the Hub's cache, if it lies there."""
    cached = HUB_CACHE.search(str(path))
    return None if cached is None else "/".join(cached.groups())


def hub_url(source: str) -> str | None:
    """Return the page of ``owner/name``; None for any other name."""
    return f"{HUB}{source}" if source.count("/") == 1 else None
