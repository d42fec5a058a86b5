"""Where a layer stands among those that an encoder's output holds side by side."""

from collections.abc import Sequence


def layer_numbers(read: str | Sequence[int], n_layers: int) -> list[int]:
    """Return the numbers of an encoder's layers as they stand in its output.

    Args:
        read: ``encoder_conf.layer``: several numbers, or ``weighted_sum``, all.
        n_layers: Layers L of the output.
    """
    return list(range(n_layers)) if isinstance(read, str) else list(read)


def layer_channels(
    layer: int, read: str | Sequence[int], n_layers: int, size: int
) -> slice:
    """Return the channels of one layer.

    Args:
        layer: Its number.
        read: As of :func:`layer_numbers`.
        n_layers: Layers L of the output.
        size: Channels of the output, L * D.
    """
    dim = size // n_layers
    begin = layer_numbers(read, n_layers).index(layer) * dim
    return slice(begin, begin + dim)
