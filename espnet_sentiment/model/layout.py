"""The files of a trained model: what they are called, and its training config."""

from pathlib import Path
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError

# What training writes, and what a model folder holds.
CHECKPOINT = "sentiment.pth"

CONFIG = "config.yaml"

TEXT = "text"


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
        or any(ord(char) < 32 or char in '\\:*?"<>|' for char in text)
    ):
        raise DataError(
            f"{where} names {name!r}, which may leave the model's folder: do not use "
            "it, ask for a sound copy"
        )


def read_training_config(path: Path) -> dict[str, Any]:
    """Read the ``config.yaml`` that ESPnet's training wrote.

    Raises:
        DataError: It is missing, or is no config of a sentiment model.
    """
    config = read_config(
        path,
        "copy it there from where the model was trained, or run stage 4 (training)",
        "copy it anew",
    )
    if "token_list" not in config:
        raise DataError(f"{path} is no config of a sentiment model: copy it anew")
    return config
