"""Options of a task from a config file and a command line, checked."""

import argparse
import difflib
import functools
import re
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import Any, NoReturn

from espnet2.tasks.abs_task import AbsTask
from espnet2.utils.types import int_or_none

from espnet_sentiment.compat import parser_actions, suppress_defaults
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.train.served import ALL, Served, check_batches

# YAML 1.1 takes 1e-5 for text.
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
# What argparse says of a value.
_INVALID = re.compile(r"argument --(?P<key>\w+): invalid \w+ value: (?P<value>.*)")


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
            does not serve; all of them are named.
    """
    parser = task.get_parser()
    known = {action.dest for action in parser_actions(parser)} - {"help"}
    refuse_all(
        f"{path}: unknown key {key!r}: {_hint(key, known, task)}"
        for key in config
        if key not in known
    )
    defaults = _parse(parser, [], name, served)
    parser.set_defaults(**_with_numbers(config))
    # Before --config is read, which could name anything.
    given = _given(task, extra, name, served)
    for where, keys in ((path, config), (name, given)):
        if "config" in keys:
            refuse_all(_faults(("config",), {"config": None}, defaults, served, where))
    options = _with_numbers(_parse(parser, [], str(path), served))
    faults = [
        *(
            f"{path}: {key} is no part of a model: leave it out, and give it by {name} "
            f"'--{key} ...'"
            for key in config
            if key in served.by_option
        ),
        *_wrong_choices(parser, config, options, defaults, task, path),
        *_faults(config, options, defaults, served, path),
        *(
            f"{name}: write {key} into a config of your own: {served.in_config[key]}"
            for key in given
            if key in served.in_config
        ),
    ]
    options = _with_numbers(_parse(parser, extra, name, served))
    refuse_all([*faults, *_faults(given, options, defaults, served, name)])
    return options


def checked_options(
    task: type[AbsTask],
    config: Mapping,
    path: Path,
    extra: Sequence[str],
    name: str,
    served: Served,
    find_faults: Callable[[Mapping], Mapping[str, str]],
) -> dict:
    """Complete a config as ``task_options`` does, and check the parts that it names.

    Args:
        task: As of :func:`task_options`, like all but the last.
        config: Its config.
        path: Its file.
        extra: What overrides it.
        name: Where that was given.
        served: What the stage makes of them.
        find_faults: Says of complete options what is wrong, by part. What is wrong with
            the file alone stands there, else in ``extra``.

    Raises:
        DataError: As :func:`task_options`, or parts have faults; all are named.
    """
    options = task_options(task, config, path, extra, name, served)
    if faults := find_faults(options):
        own = find_faults(task_options(task, config, path, (), name, served))
        refuse_all(
            f"{path if own.get(part) == fault else name}: {fault}"
            for part, fault in faults.items()
        )
    return options


def refuse_all(faults: Iterable[str]) -> None:
    """Refuse options for all that is wrong with them, if anything is.

    Raises:
        DataError: Something is.
    """
    found = list(dict.fromkeys(faults))
    if len(found) == 1:
        raise DataError(found[0])
    if found:
        refuse(f"{len(found)} options cannot be followed:", found)


def _hint(key: str, known: Collection[str], task: type[AbsTask]) -> str:
    near = difflib.get_close_matches(str(key), known, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"see --help of {task.__name__}"


def _parse(
    parser: argparse.ArgumentParser, extra: Sequence[str], name: str, served: Served
) -> dict[str, Any]:
    _adapt(parser, name, served)
    args, rest = parser.parse_known_args(list(extra))
    if rest:
        is_key = "=" in rest[0] and not rest[0].startswith("-")
        hint = ": name before it what it is a key of, such as --optim_conf" * is_key
        raise DataError(f"{name}: unknown option {' '.join(rest)}{hint}")
    return vars(args)


def _adapt(parser: argparse.ArgumentParser, name: str, served: Served) -> None:
    """Let a parser take 1e4 for a whole number, and raise what it refuses."""
    parser.error = _refusing(name, served)  # type: ignore[method-assign,assignment]
    for action in parser_actions(parser):
        convert = action.type
        if callable(convert) and convert in (int, int_or_none):
            action.type = _exponents_too(convert)


def _refusing(name: str, served: Served) -> Callable[[str], NoReturn]:
    """Return what argparse calls where it cannot take an option."""

    def error(message: str) -> NoReturn:
        # ESPnet's says at length how a mapping is written.
        message = message.splitlines()[0]
        found = _INVALID.fullmatch(message)
        if found and found["key"] in served.rules:
            says = served.rules[found["key"]].says
            message = f"{found['key']} is {found['value']}: {says}"
        elif "str2triple" in message:
            message += ": write it with commas, such as valid,loss,min"
        raise DataError(f"{name}: {message}")

    return error


def _given(
    task: type[AbsTask], extra: Sequence[str], name: str, served: Served
) -> list[str]:
    """Return which options a command line names, abbreviated ones as well."""
    parser = task.get_parser()
    suppress_defaults(parser)
    parse = argparse.ArgumentParser.parse_known_args
    _adapt(parser, name, served)
    return list(vars(parse(parser, list(extra))[0]))


def _faults(
    keys: Sequence[str] | Mapping,
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    served: Served,
    where: PathLike,
) -> list[str]:
    found = (served.complaint(key, keys, options, defaults) for key in sorted(keys))
    complaints = list(filter(None, found))
    if not complaints and "batch_type" in options and served.n_shapes:
        complaints += filter(None, [check_batches(keys, options, served.n_shapes)])
    return [f"{where}: {complaint}" for complaint in complaints]


def _wrong_choices(
    parser: argparse.ArgumentParser,
    config: Mapping,
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    task: type[AbsTask],
    path: Path,
) -> Iterator[str]:
    """Check what argparse checks on a command line alone; parts have their own."""
    parts = {choices.name for choices in task.class_choices_list}
    for action in parser_actions(parser):
        key, choices = action.dest, action.choices
        if key not in config or choices is None or key in parts | {"optim"}:
            continue
        if options[key] not in (*choices, defaults[key]):
            yield (
                f"{path}: {key} is {options[key]!r}: choose one of "
                f"{', '.join(map(str, choices))}"
            )


def _exponents_too(convert: Callable) -> Callable:
    """Let what reads whole numbers read 1e4 as well."""

    @functools.wraps(convert, updated=())
    def read(text: str) -> Any:
        number = _with_numbers(text)
        return number if type(number) is int else convert(text)

    return read


def _with_numbers(value: Any) -> Any:
    """Take text like 1e-5 for the number that it is, and 1e4 for a whole one."""
    if isinstance(value, Mapping):
        return {key: _with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        number = float(value)
        return int(number) if number.is_integer() else number
    return value
