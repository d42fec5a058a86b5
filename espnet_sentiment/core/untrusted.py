"""YAML and JSON whose author is not known: read within bounds, and nothing executed.

A few lines of YAML can stand for billions of values (an alias of a list of aliases of
...), which nothing that walks through them would end.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from espnet_sentiment.core.files import PathLike

MOST_BYTES = 4 << 20
MOST_VALUES = 1_000_000  # with what every alias stands for
MOST_DEPTH = 100
MOST_DIGITS = 100  # of a number; YAML's base 60 takes quadratic time
NUMBERS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
# The same by libyaml, where PyYAML has it, in a tenth of the time.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_bounded(path: PathLike) -> str:
    """Read a UTF-8 text.

    Raises:
        ValueError: It has more than MOST_BYTES, or is not UTF-8.
        OSError: It cannot be read.
    """
    with Path(path).open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 20} MB")
    return content.decode("utf-8")


def parse_yaml(text: str) -> Any:
    """Return what a YAML document holds; anchors, aliases and merges are followed.

    Raises:
        ValueError: It is not YAML, or exceeds one of the bounds.
    """
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, 0)
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError(f"it is nested more than {MOST_DEPTH} deep") from None
    # Values that are none of their own tags end PyYAML's constructors in many ways.
    except (yaml.YAMLError, ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int | None], depth: int) -> int:
    """Count the values that a node stands for; each node is walked through once."""
    if depth > MOST_DEPTH:
        raise ValueError(f"it is nested more than {MOST_DEPTH} deep")
    if isinstance(node, yaml.ScalarNode):
        if node.tag in NUMBERS and len(node.value) > MOST_DIGITS:
            raise ValueError(f"it holds a number of {len(node.value)} digits")
        return 1
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise ValueError("it holds an alias of what it stands in")
        return found
    known[id(node)] = None
    total = 1
    for item in node.value:
        for part in item if isinstance(item, tuple) else (item,):
            total += _count(part, known, depth + 1)
    if total > MOST_VALUES:
        raise ValueError(f"it stands for more than {MOST_VALUES} values by its aliases")
    known[id(node)] = total
    return total


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    Raises:
        ValueError: It is not JSON, or exceeds one of the bounds.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 20} MB")
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {MOST_DEPTH} deep") from None
    level = [data]
    for _ in range(MOST_DEPTH):
        level = [part for item in level for part in _parts(item)]
        if not level:
            return data
    raise ValueError(f"it is nested more than {MOST_DEPTH} deep")


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
