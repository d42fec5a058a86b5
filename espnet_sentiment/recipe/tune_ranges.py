"""The settings that tuning tries: drawn once from a file's ranges, for all rows."""

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import PathLike

GROUPS = ("decoder_conf", "model_conf", "optim_conf")
RANGES = "conf/tune/decoder.yaml"
# What folds may choose each for itself, and still be one model's members.
SHAPELESS = {("decoder_conf", "dropout"), ("model_conf", "label_smoothing")}

Setting = dict[str, dict[str, Any]]


def add_tune_arguments(
    parser: argparse.ArgumentParser, ranges: PathLike = RANGES
) -> None:
    """Add what the drawing takes besides ``--tune``.

    Args:
        parser: What gets it.
        ranges: The file that is drawn from by default.
    """
    parser.add_argument(
        "--tune_ranges",
        default=str(ranges),
        metavar="FILE",
        help=f"what --tune draws from (default: {RANGES})",
    )
    parser.add_argument(
        "--tune_seed", type=int, default=0, help="seed of the drawing (default: 0)"
    )


def check_tune(n_settings: int, seed: int) -> None:
    """Check the numbers of the drawing.

    Raises:
        UserError: There is nothing to choose from, or no such seed.
    """
    if n_settings < 2:
        raise UserError(
            f"--tune {n_settings}: give 2 or more settings, the first of which is the "
            "recipe's own; without --tune it alone is trained"
        )
    if not 0 <= seed < 1 << 32:
        raise UserError(f"--tune_seed {seed}: a whole number from 0, below 2^32")


def draw_settings(path: PathLike, n_settings: int, seed: int) -> list[Setting]:
    """Draw settings from a file's ranges; the first is the recipe's own, ``{}``.

    Args:
        path: ``GROUP: {KEY: {log_uniform: [low, high]}}``, or ``uniform``, or
            ``choice``, a list; numbers are drawn to three significant digits.
        n_settings: How many, from 2.
        seed: Seed of the drawing.

    Returns:
        Values by group and key, as a sentiment config has them.

    Raises:
        DataError: The file cannot be read, has an unknown key, no range, or lists of
            fewer settings than are asked for.
    """
    ranges = read_ranges(path)
    # It brings SciPy along, which takes a second.
    from sklearn.model_selection import ParameterSampler

    spaces = {key: _space(*ranges[key]) for key in sorted(ranges)}
    if all(isinstance(space, list) for space in spaces.values()):
        n_drawn = math.prod(map(len, spaces.values()))
        if n_drawn < n_settings - 1:
            raise DataError(
                f"{path} has {n_drawn} settings besides the recipe's own: take --tune "
                f"{n_drawn + 1}, or give it more"
            )
    settings: list[Setting] = [{}]
    for drawn in ParameterSampler(spaces, n_settings - 1, random_state=seed):
        setting: Setting = {}
        for group, key in sorted(drawn):
            value = drawn[group, key]
            if ranges[group, key][0] != "choice":
                value = float(f"{value:.3g}")
            setting.setdefault(group, {})[key] = value
        settings.append(setting)
    return settings


def setting_options(setting: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a setting as options of the task on a command line."""
    return [
        text
        for group, values in setting.items()
        for key, value in values.items()
        for text in (f"--{group}", f"{key}={value}")
    ]


def setting_text(setting: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a setting in a line for people."""
    values = [f"{k} {v}" for group in setting.values() for k, v in group.items()]
    return ", ".join(values) or "the recipe's own"


def tuning_inputs(settings: Sequence[Setting]) -> dict[str, Any]:
    """Return what a fold's choice depends on beside its training, for its stamp."""
    return {"tuning": {"settings": settings, "ties": "valid_loss"}} if settings else {}


def check_ensemble(path: PathLike, settings: Sequence[Setting], final: str) -> None:
    """Check that folds which choose different settings can be joined if they are to be.

    Args:
        path: The file of the ranges.
        settings: What was drawn from it.
        final: ``none``, ``all`` or ``ensemble``.

    Raises:
        DataError: The settings are of models of different shapes.
    """
    tuned = {(group, key) for s in settings for group in s for key in s[group]}
    shapes = [
        f"{group}.{key}"
        for group, key in sorted(tuned - SHAPELESS)
        if group != "optim_conf"
    ]
    if final == "ensemble" and shapes:
        raise DataError(
            f"{path}: --final ensemble joins models of one shape, and every fold "
            f"chooses {', '.join(shapes)} for itself: leave that out of the ranges, or "
            "take --final all"
        )


def read_ranges(path: PathLike) -> dict[tuple[str, str], tuple[str, list]]:
    """Read kind and values of every range, by group and key.

    Raises:
        DataError: See ``draw_settings``.
    """
    found = {}
    for group, keys in read_config(path, "name a file as conf/tune/*.yaml").items():
        if group not in GROUPS:
            raise DataError(
                f"{path}: unknown key {group!r}: what can be tuned are keys of "
                f"{', '.join(GROUPS)}; write what is to be fixed into the sentiment "
                "config or --sentiment_args"
            )
        if not isinstance(keys, dict) or not keys:
            raise DataError(
                f"{path}: {group} names no range: write 'KEY: {{uniform: [0, 1]}}' "
                "under it, or leave it out"
            )
        for key, given in keys.items():
            found[group, str(key)] = _range(f"{path}: {group}.{key}", given)
    if not found:
        raise DataError(f"{path} names no range: see conf/tune/decoder.yaml")
    return found


def _range(where: str, given: Any) -> tuple[str, list]:
    kinds = ("log_uniform", "uniform", "choice")
    if not isinstance(given, dict) or len(given) != 1:
        raise DataError(f"{where} is {given!r}: name one of {', '.join(kinds)}")
    ((kind, values),) = given.items()
    if kind not in kinds:
        raise DataError(f"{where}: unknown key {kind!r}: name {', '.join(kinds)}")
    if kind == "choice":
        if not isinstance(values, list) or not values:
            raise DataError(f"{where}: choice is {values!r}: give a list")
        if wrong := [v for v in values if not isinstance(v, str | int | float)]:
            raise DataError(
                f"{where}: {wrong[0]!r} is neither a number nor a text, true or false"
            )
        return kind, values
    try:
        low, high = map(_number, values if isinstance(values, list) else ())
    except (TypeError, ValueError):
        raise DataError(
            f"{where}: {kind} is {values!r}: give two numbers, [low, high]"
        ) from None
    if not low < high or (kind == "log_uniform" and low <= 0):
        above = " above 0" * (kind == "log_uniform")
        raise DataError(
            f"{where}: {kind} is [{low}, {high}]: give the lower number{above} first"
        )
    return kind, [low, high]


def _number(value: Any) -> float:
    number = float(value)  # YAML 1.1 takes 1e-5 for text
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(value)
    return number


def _space(kind: str, values: list) -> Any:
    """Return what scikit-learn draws from."""
    from scipy.stats import loguniform, uniform

    if kind == "choice":
        return values
    low, high = values
    return loguniform(low, high) if kind == "log_uniform" else uniform(low, high - low)
