"""Names on the Hugging Face Hub and in model zoos, and the Hub's own folders."""

import re
from pathlib import Path

# https://huggingface.co/docs/huggingface_hub/guides/manage-cache
HUB_CACHE = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/[0-9a-f]{40}")
HUB = "https://huggingface.co/"
# owner/name@revision; ESPnet's model zoo has owners of two words, and names with a "+".
HUB_NAME = re.compile(
    r"[A-Za-z0-9]\w*(?:[ .-]\w+)*/[A-Za-z0-9](?:[\w+=-]|\.(?!\.)){0,255}"
    r"(?:@[A-Za-z0-9](?:[\w/-]|\.(?!\.)){0,255})?",
    re.ASCII,
)
BUNDLE_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


def is_hub_name(text: str) -> bool:
    """Tell whether a text is ``owner/name`` or ``owner/name@revision``, no more."""
    return HUB_NAME.fullmatch(text) is not None


def is_bundle_name(text: str) -> bool:
    """Tell whether torchaudio, which is not imported, may call a bundle so."""
    return BUNDLE_NAME.fullmatch(text) is not None


def split_revision(source: str) -> tuple[str, str | None]:
    """Split ``owner/name@revision``; None is no revision."""
    name, _, revision = source.partition("@")
    return name, revision or None


def hub_name(path: Path) -> str | None:
    """Return the ``owner/name`` of a model in the Hub's cache, if it lies there."""
    cached = HUB_CACHE.search(str(path))
    return None if cached is None else "/".join(cached.groups())


def hub_url(source: str) -> str | None:
    """Return the page of ``owner/name``; None for any other name."""
    name, revision = split_revision(source)
    if name.count("/") != 1 or " " in name:
        return None
    return f"{HUB}{name}" + (f"/tree/{revision}" if revision else "")
