"""Weights that a training is told to begin with, as an input of its stage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.files import hash_file

OPTION = "--init_param"


def init_inputs(config: Mapping[str, Any], extra: Sequence[str]) -> dict[str, Any]:
    """Hash the files that ``init_param`` names; nothing where it names none.

    A file that is missing is left to the training, which refuses it.

    Args:
        config: A task's config.
        extra: Options that override it.
    """
    named = [*(config.get("init_param") or []), *_given(extra)]
    # ESPnet's FILE:FROM:TO:EXCLUDED.
    paths = sorted({Path(str(name).split(":")[0]) for name in named})
    found = {str(path): hash_file(path) for path in paths if path.is_file()}
    return {"init_param": found} if found else {}


def _given(extra: Sequence[str]) -> list[str]:
    """Return what an option names, which may be cut short as argparse takes it."""
    names: list[str] = []
    inside = False
    for text in extra:
        name, equals, value = text.partition("=")
        if name.startswith("--"):
            inside = len(name) > len("--init") and OPTION.startswith(name)
            names += [value] * bool(inside and equals)
        elif inside:
            names.append(text)
    return names
