"""Read the layers of an encoder whose own code gives only its last."""

from collections.abc import Callable, Iterable

import torch

Layers = torch.nn.ModuleList | torch.nn.Sequential
# What is read: ``last``, ``weighted_sum`` (all), a layer's number, or several.
LayerChoice = str | int | list[int]


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


def check_layer(name: str, layer: LayerChoice, n_states: int) -> None:
    """Refuse layers that an encoder does not have.

    Args:
        name: The model, for messages.
        layer: What is to be read.
        n_states: How many layers there are, the input of the first one included.

    Raises:
        ValueError: The message says which layers there are.
    """
    if layer in ("last", "weighted_sum"):
        return
    numbers = layer if isinstance(layer, list) else [layer]
    # True and False are no numbers here.
    valid = [n for n in numbers if type(n) is int and 0 <= n < n_states]
    if not numbers or valid != numbers:
        raise ValueError(
            f"layer is {layer!r}, but {name} has {n_states} layers: choose 'last', "
            f"'weighted_sum', a number from 0 (the input of the first layer) to "
            f"{n_states - 1}, or a list of such numbers"
        )
    if (rising := sorted(set(valid))) != valid:
        raise ValueError(
            f"layer is {layer!r}: name every layer once, the lowest first: {rising}"
        )


def layers_read(layer: LayerChoice, n_states: int) -> list[int]:
    """Return the numbers of what is read; -1 stands for ``last``."""
    if isinstance(layer, list):
        return layer
    if isinstance(layer, int):
        return [layer]
    return list(range(n_states)) if layer == "weighted_sum" else [-1]


def drop_unread(layers: Layers, layer: LayerChoice) -> None:
    """Delete the layers above those that are read: they would be computed in vain."""
    if not isinstance(layer, str):
        highest = max(layers_read(layer, len(layers)))
        del layers[max(highest, 1) :]
