"""The parts that a task's options name, each with its ``PART_conf``: do they fit?"""

import difflib
import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from espnet2.tasks.abs_task import optim_classes, scheduler_classes
from typeguard import TypeCheckError

# What constructors raise at values that they cannot take.
_UNFIT = (ValueError, TypeError, TypeCheckError, ArithmeticError, RuntimeError)


class Part(NamedTuple):
    """How to check a part.

    Args:
        find: From its name to its class.
        build: Builds it, small, from its class and its ``conf``.
    """

    find: Callable[[str], type]
    build: Callable[[type, Mapping[str, Any]], object]


def optimisation(options: Mapping[str, Any]) -> dict[str, Part]:
    """Return the parts ``optim`` and ``scheduler``."""

    def optimizer(cls: type, conf: Mapping[str, Any]) -> torch.optim.Optimizer:
        return cls([torch.nn.Parameter(torch.zeros(1))], **conf)

    def scheduler(cls: type, conf: Mapping[str, Any]) -> object:
        optim = optim_classes[options["optim"]]
        return cls(optimizer(optim, options["optim_conf"]), **conf)

    return {
        "optim": Part(optim_classes.__getitem__, optimizer),
        "scheduler": Part(scheduler_classes.__getitem__, scheduler),
    }


def part_faults(
    parts: Mapping[str, Part], options: Mapping[str, Any]
) -> dict[str, str]:
    """Say of every part what its constructor would refuse; nothing where all fit.

    Args:
        parts: The parts by their names.
        options: A task's options, complete.
    """
    found = {}
    for name, part in parts.items():
        if options.get(name) is None:
            continue
        try:
            cls = part.find(options[name])
        except (ValueError, KeyError) as error:
            found[name] = f"unknown {name} {options[name]!r}: {error}"
            continue
        if fault := _fault(cls, options[f"{name}_conf"] or {}, part.build):
            found[name] = f"{name}_conf: {fault}"
    # A scheduler is built on an optimiser.
    if "optim" in found and "scheduler" in found:
        del found["scheduler"]
    return found


def _fault(cls: type, conf: Mapping[str, Any], build: Callable) -> str | None:
    parameters = inspect.signature(cls).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None  # it takes what it does not name
    if faults := [text for key in conf if (text := _misfit(parameters, conf, key))]:
        return "; ".join(faults)
    sizes = [key for key in conf if _is_no_size(parameters[key].default, conf[key])]
    says = "; ".join(
        f"{key} is {conf[key]!r}: it must be a whole number from 1" for key in sizes
    )
    try:
        with warnings.catch_warnings(action="ignore"):  # of empty tensors, named below
            built = build(cls, conf)
    except _UNFIT as error:
        return says or f"{dict(conf)}: {str(error) or type(error).__name__}"
    tensors = built.named_parameters() if isinstance(built, torch.nn.Module) else ()
    if empty := [name for name, tensor in tensors if not tensor.numel()]:
        return says or f"{dict(conf)} leaves {empty[0]} empty"
    return None


def _misfit(
    parameters: Mapping[str, inspect.Parameter], conf: Mapping[str, Any], key: str
) -> str | None:
    """Say what is wrong with a key or the type of its value."""
    value = conf[key]
    if key not in parameters:
        near = difflib.get_close_matches(str(key), parameters)
        known = ", ".join(
            near or [k for k, p in parameters.items() if p.default != p.empty]
        )
        return f"unknown key {key!r}: {'did you mean' if near else 'it has'} {known}"
    default = parameters[key].default
    if _is_number(default) and isinstance(value, str | bool | dict):
        return f"{key} is {value!r}: it must be a number"
    if _are_numbers(default) and not _are_numbers(value):
        return f"{key} is {value!r}: it must be a list of numbers"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{key} is {value!r}: it must be a finite number"
    if key == "lr" and _is_number(value) and value <= 0:
        return f"lr is {value!r}: it must be above 0"
    return None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _are_numbers(value: Any) -> bool:
    return bool(
        isinstance(value, list | tuple) and value and all(map(_is_number, value))
    )


def _is_no_size(default: Any, value: Any) -> bool:
    """Tell whether a value is below 1 where a whole number from 1 is usual."""
    if isinstance(default, list | tuple) and isinstance(value, list | tuple):
        least = min([x for x in default if type(x) is int], default=0)
        return any(_is_no_size(least, item) for item in value)
    return type(default) is int and default >= 1 and _is_number(value) and value < 1
