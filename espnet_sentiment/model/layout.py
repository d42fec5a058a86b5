"""The files of a trained model: what they are called, and its training config.

Whoever made a model may have written anything into it: a name leads nowhere but into
the model's folder, and a list is a list, not the path of one.
"""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.names import check_seen, unseen

# What training writes, and what a model folder holds.
CHECKPOINT = "sentiment.pth"

CONFIG = "config.yaml"

TEXT = "text"

# Beside the folds: the model to deploy, of all utterances or of all folds.
FINAL = "final"
DEPLOYED = ("all", "ensemble")
FINALS = ("none", *DEPLOYED)

CALIBRATION = "calibration.json"  # beside that: what its temperature is worth

ANEW = "copy it anew from where the model was trained"
RENAME = "rename it in the data and train again"


def check_name(name: Any, where: str | Path) -> None:
    """Check that a name stays in the folder that it is unpacked into.

    Args:
        name: As an archive or a description has it.
        where: The archive or description, for the message.

    Raises:
        DataError: It is absolute, empty, has ``..`` or ``.`` or an empty part, or
            characters that some system takes for a separator or a control.
    """
    text = name if isinstance(name, str) else ""
    parts = text.split("/")
    if (
        not text
        or any(part in ("", ".", "..") for part in parts)
        or any(char in '\\:*?"<>|' for char in text)
        or unseen(text) is not None
    ):
        raise DataError(
            f"{where} names {name!r}, which may leave the model's folder: do not use "
            "it, ask for a sound copy"
        )


def read_training_config(path: Path) -> dict[str, Any]:
    """Read the ``config.yaml`` that ESPnet's training wrote.

    Raises:
        DataError: It is missing, or is no config of a sentiment model; a list in it is
            a path; or a class has a character that nobody sees.
    """
    config = read_config(
        path,
        "copy it there from where the model was trained, or run stage 4 (training)",
        "copy it anew",
    )
    if "token_list" not in config:
        raise DataError(f"{path} is no config of a sentiment model: copy it anew")
    for key in config:
        if not isinstance(key, str):
            raise DataError(f"{path}: {key!r} is the key of no setting: copy it anew")
    for key in ("token_list", "text_token_list"):
        _check_list(path, key, config.get(key))
    for name in config["token_list"]:
        check_seen(f"{path}: the class", name, RENAME)
    for key in ("encoder_conf", "encoder_reference", "normalize_conf"):
        if not isinstance(config.get(key) or {}, dict):
            raise DataError(f"{path}: {key} is no mapping of keys to values: {ANEW}")
    return config


def _check_list(path: Path, key: str, tokens: Any) -> None:
    """Check that a config holds a list of texts, as training writes it."""
    if tokens is None and key != "token_list":
        return
    if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
        raise DataError(f"{path}: {key} is no list of texts: {ANEW}")


def chosen_layer(config: Mapping) -> int | None:
    """Return the layer that a training chose by ``layer: best``, which is read alone.

    None of any other training, and where the encoder gives a single layer.
    """
    layer = (config.get("encoder_conf") or {}).get("layer")
    return layer if config.get("layer") == "best" and type(layer) is int else None


def ensemble_of(config: Mapping) -> list[str]:
    """Return the folds whose models an ensemble's config joins; none of another's.

    Raises:
        DataError: It is no list of texts.
    """
    folds = config.get("ensemble") or []
    if not isinstance(folds, list) or not all(isinstance(f, str) for f in folds):
        raise DataError(f"{CONFIG}: ensemble is no list of folds: {ANEW}")
    return folds


def stats_name(config: Mapping) -> str | None:
    """Return what the statistics that a config normalises by are called in its folder.

    Training writes where it put them; the folder may have been moved since.

    Raises:
        DataError: It is no path of a file.
    """
    name = (config.get("normalize_conf") or {}).get("stats_file")
    return None if name is None else _file_name("normalize_conf.stats_file", name)


def pieces_name(config: Mapping) -> str | None:
    """Return what a text branch's sentencepieces are called in its folder ``text``.

    Raises:
        DataError: It is no path of a file.
    """
    name = config.get("text_bpemodel")
    return None if name is None else _file_name("text_bpemodel", name)


def _file_name(key: str, path: Any) -> str:
    name = PurePath(path).name if isinstance(path, str) else ""
    check_name(name, f"{CONFIG}: {key}")
    return name
