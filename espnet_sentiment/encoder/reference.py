"""A checkpoint's reference to its encoder: name, path and SHA-256."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import hash_file, sha256_of
from espnet_sentiment.data.fbank_options import FBANK_OPTIONS, SCALE
from espnet_sentiment.encoder.kinds import KINDS, encoder_name, kind_of

PLACES = ("model", "download_dir")  # where files lie, not what they hold


class EncoderMismatchError(DataError):
    """The encoder's files are not those that a sentiment model was trained with."""


def encoder_reference(encoder: str | None, conf: Mapping[str, Any]) -> dict[str, Any]:
    """Say what defines an encoder, without loading it.

    Args:
        encoder: One of ``KINDS``; None is ``none``.
        conf: The arguments of its class.

    Returns:
        ``name``; ``path`` of the model, None for ``none``; and ``sha256``, see
        ``hash_encoder``.

    Raises:
        DataError: A file of the model is missing.
    """
    name = encoder_name(encoder)
    if name == "none":
        return {"name": name, "path": None, "sha256": hash_encoder(name, None)}
    path = KINDS[name].find_model(conf["model"], conf.get("download_dir")).absolute()
    return {"name": name, "path": str(path), "sha256": hash_encoder(name, path)}


def without_places(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ``encoder_conf`` without what says where files lie."""
    return {key: conf[key] for key in conf if key not in PLACES}


def describe_encoder(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what defines an encoder's output, wherever its files lie.

    Args:
        config: What ``load_encoder_config`` returned.

    Raises:
        DataError: As :func:`encoder_reference`.
    """
    reference = encoder_reference(config["encoder"], config["encoder_conf"])
    return {
        "name": reference["name"],
        "sha256": reference["sha256"],
        "encoder_conf": without_places(config["encoder_conf"]),
    }


def verify_reference(
    reference: Mapping[str, Any], path: str | Path | None = None
) -> None:
    """Check that an encoder is the one that a reference names.

    Args:
        reference: What ``encoder_reference`` returned.
        path: Where the model lies now; None is where it lay.

    Raises:
        EncoderMismatchError: It is another; the message names both hashes.
        DataError: A file of the model is missing.
    """
    where = reference.get("path") if path is None else path
    if where is not None and not Path(where).exists():
        raise DataError(
            f"{where} is missing, the encoder that this sentiment model was trained "
            "with: copy it there, or point --encoder_model to it"
        )
    found = hash_encoder(reference["name"], None if where is None else Path(where))
    if found != reference["sha256"]:
        raise EncoderMismatchError(
            f"{where or 'fbank'} is not the encoder that this sentiment model was "
            f"trained with: its SHA-256 is {found}, the model's {reference['sha256']}. "
            "Point --encoder_model to the original, or train again on this one"
        )


def hash_encoder(name: str, path: Path | None) -> str:
    """Hash what defines an encoder.

    One file (a packed model, a checkpoint that needs no other) is hashed as it is; of a
    directory, the lines that ``sha256sum`` would print for its configurations and
    weights, by relative name; for ``none``, the parameters of fbank as JSON.
    """
    if path is None:
        return sha256_of(FBANK_OPTIONS | {"scale": SCALE})
    files = kind_of(name).model_files(path)
    if len(files) == 1:
        return hash_file(files[0])
    folder = path if path.is_dir() else path.parent
    lines = (f"{hash_file(f)}  {os.path.relpath(f, folder)}\n" for f in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
