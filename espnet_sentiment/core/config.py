"""YAML files of settings."""

from pathlib import Path

import yaml

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike


def read_config(path: PathLike) -> dict:
    """Read a YAML mapping.

    Raises:
        DataError: The file is missing, not YAML, or not a mapping.
    """
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: name a file in conf/") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): name a YAML file") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(config, dict):
        raise DataError(f"{path} must hold `key: value` lines")
    return config
