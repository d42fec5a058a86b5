"""YAML files of settings."""

from pathlib import Path
from typing import Any

import yaml

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike


def read_config(
    path: PathLike,
    missing: str = "name a file in conf/",
    broken: str = "name a YAML file of `key: value` lines",
) -> dict[str, Any]:
    """Read a YAML mapping; nothing in it is executed.

    Args:
        path: The file.
        missing: The remedy where there is none.
        broken: The remedy where it is no mapping.

    Raises:
        DataError: The file is missing, not YAML, or not a mapping.
    """
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {missing}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read as YAML ({error}): {broken}") from None
    if not isinstance(config, dict):
        raise DataError(f"{path} holds no settings: {broken}")
    return config
