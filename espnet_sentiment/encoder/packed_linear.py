"""Linear layers by oneDNN, whose weights lie in the order that its kernels read.

PyTorch's float32 matrix products on x86 are MKL's, which on AMD's processors leaves
AVX-512 unused; oneDNN, which PyTorch brings along, does not. The numbers are the same
to rounding.
"""

from typing import Self

import torch

from espnet_sentiment.compat import has_onednn_linear, onednn_linear, onednn_weight

# A layer and what follows it, as transformers names them: Whisper's, wav2vec 2.0's.
FOLLOWED = (("fc1", "activation_fn"), ("intermediate_dense", "intermediate_act_fn"))


class PackedLinear(torch.nn.Module):
    """Maps (..., in) to (..., out) as a linear layer does; it cannot be trained.

    Args:
        linear: The layer, on the CPU.
        dtype: What to compute in: float32 or bfloat16.
        gelu: Whether GELU follows, which then is computed while the output is in cache.
    """

    def __init__(self, linear: torch.nn.Linear, dtype: torch.dtype, gelu: bool = False):
        super().__init__()
        self.dtype, self.out_features = dtype, linear.out_features
        self.in_features = linear.in_features
        weight = linear.weight.detach().to(dtype)
        self._packed = onednn_weight(weight)
        bias = None if linear.bias is None else linear.bias.detach().to(dtype)
        self.bias = None if bias is None else torch.nn.Parameter(bias, False)
        self._linear = onednn_linear(self._packed, self.bias, gelu)
        # In float32 the operator itself: a model calls it a hundred times a batch.
        self.forward = self._linear if dtype == torch.float32 else self._cast

    @property
    def weight(self) -> torch.Tensor:
        """The weight (out, in), unpacked for code that does not call the layer."""
        return self._packed.to_dense()

    def __deepcopy__(self, memo: dict) -> Self:
        """Return itself: it has no state."""
        return self

    def _cast(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., in) of any floating type to (..., out) in ``dtype``."""
        return self._linear(x.to(self.dtype))


def can_pack(dtype: torch.dtype) -> bool:
    """Tell whether this PyTorch has the kernels, on this processor."""
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    return has_onednn_linear(bfloat16=dtype == torch.bfloat16)


def pack_linears(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Replace the linear layers of a frozen module on the CPU.

    Args:
        module: In evaluation mode; changed in place.
        dtype: See ``PackedLinear``.
    """
    for linear, activation in FOLLOWED:
        if _is_gelu(module, linear, activation):
            layer = getattr(module, linear)
            setattr(module, linear, PackedLinear(layer, dtype, gelu=True))
            setattr(module, activation, torch.nn.Identity())
    for name, child in module.named_children():
        # Subclasses are read by their owners in other ways.
        if type(child) is torch.nn.Linear:
            setattr(module, name, PackedLinear(child, dtype))
        else:
            pack_linears(child, dtype)


def _is_gelu(module: torch.nn.Module, linear: str, activation: str) -> bool:
    """Tell whether a module's layer is a plain one, and the exact GELU follows."""
    function = getattr(module, activation, None)
    exact = isinstance(function, torch.nn.GELU) and function.approximate == "none"
    # transformers' GELUActivation.
    exact |= getattr(function, "act", None) is torch.nn.functional.gelu
    return exact and type(getattr(module, linear, None)) is torch.nn.Linear
