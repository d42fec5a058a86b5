"""Options of a task from a config file and a command line, checked."""

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from espnet2.tasks.abs_task import AbsTask

from espnet_sentiment.compat import parser_actions, suppress_defaults
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.train.served import ALL, Served, check_batches

# YAML 1.1 takes 1e-5 for text.
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def task_options(
    task: type[AbsTask],
    config: Mapping,
    path: Path,
    extra: Sequence[str],
    name: str,
    served: Served = ALL,
) -> dict:
    """Complete a config with the task's defaults.

    Args:
        task: The task.
        config: Contents of its config file.
        path: That file, for messages.
        extra: Options that override it, as on a command line.
        name: Where the options were given, for messages.
        served: What the stage makes of them.

    Raises:
        DataError: A key or an option that the task does not know, or that the stage
            does not serve.
    """
    parser = task.get_parser()
    known = {action.dest for action in parser_actions(parser)} - {"help"}
    defaults = _parse(parser, [], name)
    for key in config:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=3)
            hint = f"see --help of {task.__name__}"
            if near:
                hint = f"did you mean {' or '.join(near)}?"
            raise DataError(f"{path}: unknown key {key!r}: {hint}")
    parser.set_defaults(**_with_numbers(config))
    # Before --config is read, which could name anything.
    given = _given(task, extra, name)
    if "config" in config or "config" in given:
        _check(("config",), {"config": None}, defaults, served, name)
    options = _parse(parser, [], str(path))
    _check_choices(parser, config, options, defaults, task, path)
    _check(config, options, defaults, served, str(path))
    for key in given:
        if key in served.in_config:
            raise DataError(
                f"{name}: write {key} into a config of your own: "
                f"{served.in_config[key]}"
            )
    options = _with_numbers(_parse(parser, extra, name))
    _check(given, options, defaults, served, name)
    return options


def _parse(
    parser: argparse.ArgumentParser, extra: Sequence[str], name: str
) -> dict[str, Any]:
    def error(message: str) -> NoReturn:
        raise DataError(f"{name}: {message}")

    parser.error = error  # type: ignore[method-assign]
    args, rest = parser.parse_known_args(list(extra))
    if rest:
        raise DataError(f"{name}: unknown option {' '.join(rest)}")
    return vars(args)


def _given(task: type[AbsTask], extra: Sequence[str], name: str) -> list[str]:
    """Return which options a command line names, abbreviated ones as well."""
    parser = task.get_parser()
    suppress_defaults(parser)
    parse = argparse.ArgumentParser.parse_known_args

    def error(message: str) -> NoReturn:
        raise DataError(f"{name}: {message}")

    parser.error = error
    return list(vars(parse(parser, list(extra))[0]))


def _check(
    keys: Sequence[str] | Mapping,
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    served: Served,
    where: str,
) -> None:
    for key in sorted(keys):
        complaint = served.complaint(key, keys, options, defaults)
        if complaint is not None:
            raise DataError(f"{where}: {complaint}")
    if "batch_type" in options and served.n_shapes:
        complaint = check_batches(keys, options, served.n_shapes)
        if complaint is not None:
            raise DataError(f"{where}: {complaint}")


def _check_choices(
    parser: argparse.ArgumentParser,
    config: Mapping,
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    task: type[AbsTask],
    path: Path,
) -> None:
    """Check what argparse checks on a command line alone; parts have their own."""
    parts = {choices.name for choices in task.class_choices_list}
    for action in parser_actions(parser):
        key, choices = action.dest, action.choices
        if key not in config or choices is None or key in parts | {"optim"}:
            continue
        if options[key] not in (*choices, defaults[key]):
            raise DataError(
                f"{path}: {key} is {options[key]!r}: choose one of "
                f"{', '.join(map(str, choices))}"
            )


def _with_numbers(value: Any) -> Any:
    """Take text like 1e-5 for the number that it is."""
    if isinstance(value, Mapping):
        return {key: _with_numbers(item) for key, item in value.items()}
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    return value
