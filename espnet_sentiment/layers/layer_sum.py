"""Learned weighted sum of an encoder's layers."""

import torch

# The logits move this many times faster than the other parameters: from equal weights
# to a choice of layers they have units to go, within the few steps of a small corpus.
SPEED = 10.0


class WeightedLayerSum(torch.nn.Module):
    """Mix layers by softmax weights that start equal.

    The form is SUPERB's (Yang et al., 2021, https://arxiv.org/abs/2105.01051). Single
    layers are badly scaled, so normalise every one before summing.

    Args:
        n_layers: Number of layers L; with 1 the input passes unchanged.
    """

    one: torch.Tensor

    def __init__(self, n_layers: int):
        super().__init__()
        self.n_layers = n_layers
        if n_layers > 1:
            self.logits = torch.nn.Parameter(torch.zeros(n_layers))
        else:  # a buffer, for it goes to the model's device
            self.register_buffer("one", torch.ones(1), persistent=False)

    @property
    def weights(self) -> torch.Tensor:
        """Weights (L,), summing to one."""
        if self.n_layers == 1:
            return self.one
        return (SPEED * self.logits).softmax(dim=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix (B, T, L * D), layers one after another, to (B, T, D)."""
        if self.n_layers == 1:
            return x
        return torch.matmul(self.weights, x.unflatten(2, (self.n_layers, -1)))
