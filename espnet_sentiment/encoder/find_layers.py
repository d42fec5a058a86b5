"""Find an encoder's stack of layers by watching it run."""

from collections.abc import Callable
from typing import Any

import torch

from espnet_sentiment.encoder.layers import first_tensor

STACKS = (torch.nn.ModuleList, torch.nn.Sequential)


def find_layers(encoder: torch.nn.Module, run: Callable[[], Any]) -> str | None:
    """Return the path of the stack with most weights that ``run`` goes through once.

    Args:
        encoder: Whose stack is looked for.
        run: Runs it on one utterance.

    Returns:
        The path of modules that all turn (1, T, D) into (1, T, D); None if there are
        no such.
    """
    calls: list[tuple[torch.nn.Module, Any, Any]] = []

    def watch(module, args, kwargs, output):
        calls.append((module, _shape(args or kwargs.values()), _shape(output)))

    stacks = {
        path: list(module)
        for path, module in encoder.named_modules()
        if isinstance(module, STACKS) and len(module) > 0
    }
    watched = {id(layer): layer for stack in stacks.values() for layer in stack}
    hooks = [
        layer.register_forward_hook(watch, with_kwargs=True)
        for layer in watched.values()
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()

    def weights(path: str) -> int:
        stack = stacks[path]
        seen = [call for call in calls if any(call[0] is layer for layer in stack)]
        shapes = {shape for _, before, after in seen for shape in (before, after)}
        shape = next(iter(shapes), None)
        in_order = [module for module, _, _ in seen] == stack
        if not in_order or len(shapes) != 1 or shape is None or len(shape) != 3:
            return 0
        return sum(p.numel() for layer in stack for p in layer.parameters())

    sizes = {path: weights(path) for path in stacks}
    best = max(sizes, key=lambda path: sizes[path], default=None)
    return best if best is not None and sizes[best] else None


def _shape(value: Any) -> torch.Size | None:
    try:
        return first_tensor(value).shape
    # What a layer takes first is no tensor.
    except (TypeError, StopIteration):
        return None
