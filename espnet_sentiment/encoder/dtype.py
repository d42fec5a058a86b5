"""What an encoder computes in: a type by name, or the fastest that keeps the labels.

The fastest is found by timing one product of the encoder's largest linear layer: of
two processors with the same instructions, one may be twice as fast in bfloat16 and the
other half as fast. bfloat16 keeps EmoDB's labels (egs/emodb/RESULTS.md); float16
is not tried, since some encoders' activations are beyond its range.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.threads import worker_pool
from espnet_sentiment.encoder.packed_linear import PackedLinear, can_pack

AUTO = "auto"
DTYPES = ("float32", "float16", "bfloat16")
ROWS = 512  # frames of a batch, about
TURNS = 9
# What bfloat16 must gain, so that noise does not take it where it gains nothing.
WORTH = 1.2


class Chosen(NamedTuple):
    """A type, and how many times as fast as float32's its products are, if measured."""

    dtype: torch.dtype
    gain: float | None = None


def choose_dtype(
    name: str,
    encoder: torch.nn.Module,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> Chosen:
    """Return the type that a name stands for.

    Args:
        name: One of ``DTYPES``, or ``auto``.
        encoder: Its linear layers are not packed yet.
        device: Where it will compute.
        clock: Tells seconds.

    Raises:
        UserError: There is no such type.
    """
    if name not in ("float32", AUTO) and getattr(encoder, "own_dtype", False):
        raise UserError(
            f"{getattr(encoder, 'name', 'the encoder')} computes in the types of its "
            f"own file, not in {name}: leave dtype and compute_dtype at float32"
        )
    if name in DTYPES:
        return Chosen(getattr(torch, name))
    if name != AUTO:
        raise UserError(
            f"dtype is {name!r}: choose one of {', '.join((*DTYPES, AUTO))}"
        )
    layers = [module for module in encoder.modules() if type(module) is torch.nn.Linear]
    if not layers or not _has_bfloat16(device):
        return Chosen(torch.float32)
    layer = max(layers, key=lambda layer: layer.weight.numel())
    # On one thread, as batches are computed; several would wait for each other.
    with worker_pool(device.type) as pool:
        float32, bfloat16 = pool.submit(_seconds, layer, device, clock).result()
    gain = float32 / bfloat16
    return Chosen(torch.bfloat16 if gain >= WORTH else torch.float32, gain)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cpu":
        return can_pack(torch.bfloat16)
    return torch.cuda.is_bf16_supported(including_emulation=False)


@torch.inference_mode()
def _seconds(
    layer: torch.nn.Linear, device: torch.device, clock: Callable[[], float]
) -> list[float]:
    """Time a layer's product in float32 and bfloat16, in turns; the best of each."""
    taken: list[list[float]] = [[], []]
    products = [
        _product(layer, device, dtype) for dtype in (torch.float32, torch.bfloat16)
    ]
    for _ in range(TURNS + 1):
        for product, seconds in zip(products, taken, strict=True):
            begin = clock()
            product()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(clock() - begin)
    # The first turn prepares.
    return [min(seconds[1:]) for seconds in taken]


def _product(
    layer: torch.nn.Linear, device: torch.device, dtype: torch.dtype
) -> Callable[[], torch.Tensor]:
    """Return what multiplies frames by a layer, as the encoder will."""
    x = torch.ones(ROWS, layer.in_features, device=device)
    if device.type == "cpu" and can_pack(dtype):
        packed = PackedLinear(layer, dtype)
        return lambda: packed(x)
    weight, x = layer.weight.detach().to(device, dtype), x.to(dtype)
    return lambda: torch.nn.functional.linear(x, weight)
