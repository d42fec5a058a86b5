"""Pairs of names that options give, such as ``exc=happiness,neu=neutral``."""

import json
import os
from collections import Counter
from pathlib import Path

from espnet_sentiment.core.errors import DataError, UserError, refuse
from espnet_sentiment.core.names import nfc
from espnet_sentiment.data.encoding import decode


def read_pairs(option: str, given: str) -> dict[str, str]:
    """Read pairs of names; blanks around names count nothing.

    Args:
        option: The option, ``--map``, for messages.
        given: ``a=b,c=d``; or a file of ``a=b`` a line and comments (``# ...``); or,
            where names hold ``=``, ``.json`` of an object.

    Raises:
        UserError: What was given is neither.
        DataError: The file cannot be read, what is no pair, or a name stands first
            twice; the message names all.
    """
    if not given.strip():
        return {}
    path = Path(given)
    if not os.path.isfile(given):  # which takes names that are too long for one
        if "=" in given:
            return _pairs(option, [(option, item) for item in given.split(",")])
        raise UserError(
            f"{option} {given} is neither pairs, a=b,c=d, nor a file that exists: "
            "check the name"
        )
    text = decode(path, path.read_bytes())
    if path.suffix == ".json":
        return _object(path, text)
    lines = [
        (f"{path}:{number}", line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    return _pairs(str(path), lines)


def _pairs(where: str, items: list[tuple[str, str]]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    errors = []
    for place, item in items:
        name, equals, other = (nfc(part.strip()) for part in item.partition("="))
        if not (equals and name):
            errors.append(f"{place}: {item.strip()!r} is no pair: write name=other")
        elif pairs.setdefault(name, other) != other:
            errors.append(f"{place}: {name!r} is given twice: keep one of them")
    if errors:
        refuse(f"{where}: {len(errors)} pairs cannot be used", errors)
    return pairs


def _object(path: Path, text: str) -> dict[str, str]:
    wrong = f'{path}: write an object of texts, {{"exc": "happiness"}}'
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{wrong} ({error})") from None
    if not isinstance(pairs, list) or not all(
        isinstance(pair, tuple) and isinstance(pair[1], str) for pair in pairs
    ):
        raise DataError(wrong)
    counts = Counter(name for name, _ in pairs)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataError(f"{path}: {', '.join(twice)} stands there twice: keep one")
    return {nfc(name.strip()): nfc(other.strip()) for name, other in pairs}
