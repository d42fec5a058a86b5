"""What stage 5 wrote, read without anything heavy."""

import json
from pathlib import Path
from typing import NoReturn

from espnet_sentiment.core.errors import DataError


def read_predictions(path: Path) -> list[dict]:
    """Read ``predictions.jsonl``.

    Raises:
        DataError: The file is missing or a line is broken.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line, parse_constant=_refuse_constant) for line in lines]
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run stage 5 (decoding)") from None
    except ValueError as error:
        raise DataError(
            f"{path} is broken ({error}): delete it and run stage 5"
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
