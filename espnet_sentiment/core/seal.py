"""Seals of finished files: what one holds, and what it was made from."""

import hashlib
import json
from pathlib import Path
from typing import Any

from espnet_sentiment.core.files import PathLike, sha256_of, write_json


def seal(path: PathLike, of: str, **facts: Any) -> None:
    """Write ``PATH.seal`` beside a finished file, atomically.

    Args:
        path: The file, complete and in its place.
        of: A hash of what it was made from.
        facts: JSON values to keep with it.

    Raises:
        OSError: The file cannot be read, or the seal not written.
    """
    path = Path(path)
    # As it will be read: JSON has neither tuples nor numbers for keys.
    body = json.loads(json.dumps(_content(path) | {"of": of, "facts": facts}))
    write_json(_seal_of(path), body | {"seal": sha256_of(body)})


def sealed(path: PathLike, of: str) -> dict[str, Any] | None:
    """Return the facts of a seal that holds, and None of any other.

    None means that the file or its seal is missing or has changed since, or that it was
    made from something else. No content of the two makes it raise.

    Args:
        path: The file.
        of: A hash of what it should be made from.
    """
    path = Path(path)
    try:
        body = json.loads(_seal_of(path).read_text(encoding="utf-8"))
        # A seal vouches for its own facts, too.
        whole = body.pop("seal") == sha256_of(body)
        # The size before the hash: it costs nothing, and tells most of what is cut off.
        if not whole or body["of"] != of or body["size"] != path.stat().st_size:
            return None
        return body["facts"] if body["sha256"] == _content(path)["sha256"] else None
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def break_seal(path: PathLike) -> None:
    """Remove a file and its seal; neither need be there."""
    # The file first: a kill in between leaves a seal of nothing.
    Path(path).unlink(missing_ok=True)
    _seal_of(Path(path)).unlink(missing_ok=True)


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


def _content(path: Path) -> dict[str, Any]:
    """Size and SHA-256, read anew: ``hash_file`` trusts a file's time."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"size": file.tell(), "sha256": digest}
