"""Utterances of a batch one behind the other, so that convolutions read no padding.

In a batch of a corpus' utterances, in any order, half of the frames may be padding.
Here zeros stand between utterances, as many as the widest convolution reads beyond an
end; and every utterance begins where all strides step on it. The numbers are those of
the padded batch to rounding (``benchmarks/convolution.py``).
"""

import math
from collections.abc import Sequence

import torch

from espnet_sentiment.layers.padding import pad_mask

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
        # Of the input, and of what every layer gives.
        self.lengths = [lengths]
        for stride in strides:
            self.lengths.append((self.lengths[-1] - 1) // stride + 1)
        # Frames of the input that a frame spans there.
        spans = [math.prod(strides[:i]) for i in range(len(strides) + 1)]
        step = spans[-1]
        beyond = max(
            span * (size // 2 + 1) - 1
            for span, size in zip(spans, kernel_sizes, strict=False)
        )
        # In steps of all strides together.
        room = -((lengths + beyond) // -step)
        grain = math.lcm(GRAIN, step) // step
        size = -(int(room.sum()) // -grain) * grain
        # Where valid frames are (N,), before every layer and after the last.
        self.valid = [
            _valid(inside, room * (step // span), size * (step // span))
            for inside, span in zip(self.lengths, spans, strict=True)
        ]

    def line_up(self, x: torch.Tensor) -> torch.Tensor:
        """Put a padded batch (B, T, D) in one line (1, N, D), zero between."""
        valid = self.valid[0]
        inside = ~pad_mask(self.lengths[0], x.size(1))
        return x.new_zeros(len(valid), x.size(2)).index_put((valid,), x[inside])[None]

    def batch(self, x: torch.Tensor) -> torch.Tensor:
        """Make a padded batch (B, T', C) of what the last layer gave (1, N', C)."""
        lengths = self.lengths[-1]
        inside = ~pad_mask(lengths, int(lengths.max()))
        out = x.new_zeros(*inside.shape, x.size(2))
        return out.index_put((inside,), x[0][self.valid[-1]])


def _valid(lengths: torch.Tensor, room: torch.Tensor, size: int) -> torch.Tensor:
    """Mark the first frames of every utterance's room in a line (size,)."""
    begins = (room.cumsum(0) - room).repeat_interleave(room)
    time = torch.arange(len(begins)) - begins
    valid = torch.zeros(size, dtype=torch.bool)
    valid[: len(begins)] = time < lengths.repeat_interleave(room)
    return valid
