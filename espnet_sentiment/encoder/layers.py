"""Read the layers of an encoder whose own code gives only its last."""

from collections.abc import Callable, Iterable

import torch

Layers = torch.nn.ModuleList | torch.nn.Sequential


def record_layers(
    layers: Layers | None, run: Callable[[], torch.Tensor]
) -> list[torch.Tensor]:
    """Run an encoder and keep the input of its first layer and every output.

    Args:
        layers: The stack that ``run`` goes through once, if it is to be read.
        run: Returns the encoder's output (B, T, D).

    Returns:
        Tensors (B, T, D): 0 is the input of the first layer, 1 to N are the layers'
        outputs; what ``run`` returns comes last if it is not the last of them.
    """
    if layers is None:
        return [run()]
    states: list[torch.Tensor] = []

    def before(module, args, kwargs):
        states.append(first_tensor(args or kwargs.values()))

    def after(module, args, output):
        states.append(first_tensor(output))

    hooks = [layers[0].register_forward_pre_hook(before, with_kwargs=True)]
    hooks += [layer.register_forward_hook(after) for layer in layers]
    try:
        output = run()
    finally:
        for hook in hooks:
            hook.remove()
    return states if output is states[-1] else [*states, output]


def first_tensor(value: torch.Tensor | Iterable) -> torch.Tensor:
    """Return the hidden state of nested tuples such as ESPnet's ((x, pos), mask)."""
    while not isinstance(value, torch.Tensor):
        value = next(iter(value))
    return value


def drop_unread(layers: Layers, layer: str | int) -> None:
    """Delete the layers above the one that is read: they would be computed in vain."""
    if isinstance(layer, int):
        del layers[max(layer, 1) :]
