"""What stages 5 and 6 wrote of every utterance, read without anything heavy."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import write_text

# Label and prediction by fold and utterance.
type Answers = Mapping[tuple[str, str], tuple[str, str]]

# What the regressions on the store answer, beside results.json.
REGRESSION_FILE = "regression.jsonl"


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


def write_answers(
    path: Path,
    keys: Sequence[tuple[str, str]],
    labels: Sequence[str],
    answers: Mapping[str, Sequence[str]],
) -> None:
    """Write what several classifiers answer, a line an utterance.

    Args:
        path: File to write.
        keys: Fold and utterance.
        labels: Their true classes.
        answers: Predicted classes by the classifier's name.
    """
    rows = [
        {"fold": fold, "utt": utt, "label": label}
        | {"predictions": {name: found[n] for name, found in answers.items()}}
        for n, ((fold, utt), label) in enumerate(zip(keys, labels, strict=True))
    ]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(path, "".join(lines))


def read_answers(path: Path) -> dict[str, Answers]:
    """Read what :func:`write_answers` wrote.

    Returns:
        Label and prediction by fold and utterance, of every classifier.

    Raises:
        DataError: A line is broken.
    """
    found: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for name, prediction in row["predictions"].items():
                of_it = found.setdefault(name, {})
                of_it[row["fold"], row["utt"]] = row["label"], prediction
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is broken ({error!r}): delete it and run stage 6"
        ) from None
    return dict(found)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
