"""Frozen means frozen."""

from collections.abc import Callable
from typing import Any, Protocol, Self, cast

import torch

from espnet_sentiment.compat import apply_to_tensors


class HasOutputSize(Protocol):
    """What knows the channels of its output, as ESPnet's encoders do."""

    def output_size(self) -> int:
        """Return the channels."""


class FrozenEncoder[Wrapped: torch.nn.Module](torch.nn.Module):
    """Run an encoder, or a front end, that training cannot touch.

    ESPnet's ``freeze_param`` only clears ``requires_grad``. Here the wrapped module
    also stays in evaluation mode whatever the parent's mode is (no dropout, no drift
    of batch-norm statistics), runs without a graph (no activations kept), and is
    absent from the parent's ``parameters()``, ``modules()`` and ``state_dict()``;
    yet it follows the parent's ``.to()``, ``.half()`` and the like.

    Args:
        encoder: The module; it is frozen in place.
    """

    def __init__(self, encoder: Wrapped):
        super().__init__()
        # A tuple hides it from torch.nn.Module, which would register an attribute.
        self._hidden = (encoder.eval().requires_grad_(False),)

    @property
    def encoder(self) -> Wrapped:
        """The wrapped module; do not assign it to another module."""
        return self._hidden[0]

    def output_size(self) -> int:
        """Return the channels of the output."""
        return cast(HasOutputSize, self.encoder).output_size()

    def _apply(self, fn: Callable, recurse: bool = True) -> Self:
        """Override what ``.to()`` and its like call, private in PyTorch 2.14."""
        apply_to_tensors(self.encoder, fn, recurse)
        return super()._apply(fn, recurse)

    @torch.no_grad()
    def forward(self, *args, **kwargs) -> Any:
        """Call the wrapped module."""
        return self.encoder(*args, **kwargs)
