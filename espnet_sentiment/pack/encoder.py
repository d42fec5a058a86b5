"""An encoder's own files, laid out in a pack so that their SHA-256 stays the same."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_sentiment.encoder.kinds import kind_of
from espnet_sentiment.pack.layout import ENCODER


@dataclasses.dataclass(frozen=True)
class PackedEncoder:
    """Where an encoder's files go.

    Attributes:
        path: The model's path in the pack, what ``--encoder_model`` would be.
        files: What to copy, by its name in the pack.
    """

    path: str
    files: dict[str, Path]


def pack_encoder(name: str, path: Path) -> PackedEncoder:
    """Say which files of an encoder a pack takes, and where they go.

    Args:
        name: A kind of encoder that has a model.
        path: The model; relative names between its files are kept.

    Raises:
        DataError: A file is missing, or cannot be found again in another folder.
    """
    path = path.absolute()
    files, root = kind_of(name).pack_layout(path)
    found = {_name(file, root): file for file in files}
    return PackedEncoder(_name(path, root), dict(sorted(found.items())))


def _name(path: Path, root: Path) -> str:
    return (Path(ENCODER) / path.relative_to(root)).as_posix()


def known_source(reference: Mapping[str, Any], model: str | None) -> str | None:
    """Return the name by which an encoder can be downloaded; None if none is known.

    A path or an address is none, wherever it leads today.

    Args:
        reference: The checkpoint's.
        model: ``encoder_conf.model`` of the training's config.
    """
    # A packed model says what was known.
    if "source" in reference or reference["name"] == "none":
        return reference.get("source")
    kind = kind_of(reference["name"])
    if model and kind.names_source(model) and not Path(model).exists():
        return model
    return kind.source_of(Path(reference.get("path") or ""))


def source_url(name: str, source: str | None) -> str | None:
    """Return the page or file that a source is downloaded from."""
    return None if source is None else kind_of(name).source_url(source)
