"""Models are built without the random numbers that their weights then replace."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# Those that modes see; what they call, modes do not.
DRAWS = (
    torch.nn.init.normal_,
    torch.nn.init.uniform_,
    torch.nn.init.kaiming_uniform_,
)


class NoRandomOnMeta(TorchFunctionMode):
    """A context in which tensors without memory are not filled at random.

    transformers builds a model on PyTorch's device ``meta`` and initialises it there,
    for which PyTorch imports SymPy. A tensor of that device holds no numbers.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call a function of PyTorch, or leave it out."""
        kwargs = kwargs or {}
        if func in DRAWS:
            tensor = kwargs["tensor"] if "tensor" in kwargs else args[0]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)
