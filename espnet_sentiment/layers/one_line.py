"""Utterances of a batch one behind the other, so that convolutions read no padding.

In a batch of a corpus' utterances, in any order, half of the frames may be padding.
Here zeros stand between utterances, as many as the widest convolution reads beyond an
end; and every utterance begins where all strides step on it. The numbers are those of
the padded batch to rounding (``benchmarks/convolution.py``).
"""

import math
from collections.abc import Sequence

import torch

GRAIN = 512  # frames: so few lengths that oneDNN keeps what it compiled for each


class OneLine:
    """Where the utterances of a batch (B, T, D) lie in one line (1, N, D).

    Args:
        lengths: Valid frames (B,), on the CPU.
        kernel_sizes: Width of every convolution, odd.
        strides: Stride of every convolution.
    """

    def __init__(
        self,
        lengths: torch.Tensor,
        kernel_sizes: Sequence[int],
        strides: Sequence[int],
    ):
        self.strides = tuple(strides)
        # Frames of the input that a layer's frame spans.
        spans = [math.prod(strides[:i]) for i in range(len(strides) + 1)]
        self.step = spans[-1]
        beyond = max(
            span * (size // 2 + 1) - 1
            for span, size in zip(spans, kernel_sizes, strict=False)
        )
        self.lengths = lengths
        # In steps of all strides together.
        self.room = -((lengths + beyond) // -self.step)
        grain = math.lcm(GRAIN, self.step) // self.step
        self.size = -(int(self.room.sum()) // -grain) * grain

    def valid(self, layer: int) -> torch.Tensor:
        """Return where valid frames are (N,), before a layer or after the last."""
        lengths, span = self.lengths, self.step
        for stride in self.strides[:layer]:
            lengths, span = (lengths - 1) // stride + 1, span // stride
        room = self.room * span
        begins = (room.cumsum(0) - room).repeat_interleave(room)
        time = torch.arange(len(begins)) - begins
        valid = torch.zeros(self.size * span, dtype=torch.bool)
        valid[: len(begins)] = time < lengths.repeat_interleave(room)
        return valid

    def line_up(self, x: torch.Tensor) -> torch.Tensor:
        """Put a padded batch (B, T, D) in one line (1, N, D), zero between."""
        inside = torch.arange(x.size(1)) < self.lengths[:, None]
        line = x.new_zeros(self.size * self.step, x.size(2))
        return line.index_put((self.valid(0),), x[inside])[None]

    def batch(self, x: torch.Tensor) -> torch.Tensor:
        """Make a padded batch (B, T', C) of what the last layer gave (1, N', C)."""
        lengths = self.lengths
        for stride in self.strides:
            lengths = (lengths - 1) // stride + 1
        inside = torch.arange(int(lengths.max())) < lengths[:, None]
        out = x.new_zeros(*inside.shape, x.size(2))
        return out.index_put((inside,), x[0][self.valid(len(self.strides))])
