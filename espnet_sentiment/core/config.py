"""YAML files of settings."""

from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.core.untrusted import parse_yaml, read_bounded


def read_config(
    path: PathLike,
    missing: str = "name a file in conf/",
    broken: str = "name a YAML file of `key: value` lines",
) -> dict[str, Any]:
    """Read a YAML mapping within bounds; nothing in it is executed.

    Args:
        path: The file.
        missing: The remedy where there is none.
        broken: The remedy where it is no mapping.

    Raises:
        DataError: The file is missing, too large, not YAML, or not a mapping.
    """
    try:
        config = parse_yaml(read_bounded(path))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {missing}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as YAML ({error}): {broken}") from None
    if not isinstance(config, dict):
        raise DataError(f"{path} holds no settings: {broken}")
    return config
