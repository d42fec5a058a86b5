"""Normalise an encoder's layers and mix them, in one pass over stored features.

What a fold learns from a store is the mixing weights alone, so nothing between the
features and the mix has to be kept. A few frames at a time are made float32, normalised
and summed while they are in the processor's cache: padded batches of all layers, as
``GlobalMVN`` and ``WeightedLayerSum`` take them, cost seven times as much
(``benchmarks/frozen_features.py``).
"""

from collections.abc import Iterator, Sequence

import torch

CHUNK = 64  # frames; of 4,096 channels, a megabyte


def normalised_sum(
    frames: Sequence[torch.Tensor],
    mean: torch.Tensor,
    std: torch.Tensor,
    weights: torch.Tensor,
) -> torch.Tensor:
    """Compute ``sum_l weights_l (x_l - mean_l) / std_l`` for every frame.

    Args:
        frames: An utterance's features (T, L * D) each, of any floating type.
        mean: (L * D,) for all, or (B, L * D) of each, in float32, on the device where
            is computed.
        std: Of the same shape.
        weights: (L,); gradients reach them alone.

    Returns:
        A batch (B, max T, D), zero on padding.
    """
    # (1, L, D) for all, or (B, L, D).
    shape = -1, len(weights), mean.size(-1) // len(weights)
    mean, std = mean.view(shape), std.view(shape)
    return _NormalisedSum.apply(weights, tuple(frames), mean, std)


def _chunks(
    frames: Sequence[torch.Tensor], mean: torch.Tensor
) -> Iterator[tuple[tuple[int, slice], torch.Tensor]]:
    """Give a few frames (n, L, D) at a time, without their mean, and their place.

    They lie in a buffer that the next few overwrite.
    """
    chunk = CHUNK if mean.device.type == "cpu" else max(map(len, frames))
    buffer = mean.new_empty((chunk, *mean.shape[1:]))
    mean = mean.expand(len(frames), -1, -1)
    for row, utterance in enumerate(frames):
        for begin in range(0, len(utterance), chunk):
            part = utterance[begin : begin + chunk].unflatten(1, mean.shape[1:])
            place = row, slice(begin, begin + len(part))
            yield place, buffer[: len(part)].copy_(part).sub_(mean[row])


class _NormalisedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights, frames, mean, std):
        scale = 1 / std
        ctx.frames = frames
        ctx.save_for_backward(mean, scale)
        out = mean.new_zeros(len(frames), max(map(len, frames)), mean.size(2))
        scale = (scale * weights[:, None]).expand(len(frames), -1, -1)
        for place, x in _chunks(frames, mean):
            torch.sum(x.mul_(scale[place[0]]), dim=1, out=out[place])
        return out

    @staticmethod
    def backward(ctx, grad):
        mean, scale = ctx.saved_tensors
        total = torch.zeros_like(mean)
        rows = total.expand(len(ctx.frames), -1, -1)  # one sum for all that share it
        for place, x in _chunks(ctx.frames, mean):
            rows[place[0]] += x.mul_(grad[place][:, None]).sum(dim=0)
        return (total * scale).sum(dim=2).sum(dim=0), None, None, None
