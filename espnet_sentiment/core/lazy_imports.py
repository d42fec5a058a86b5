"""What programs import at its first use, if ever: half of what transformers imports.

A frozen encoder is not compiled, sits on one machine, and learns by no loss. Yet with
any model transformers imports TorchDynamo, PyTorch's tensors on several machines, SymPy
for both, and SciPy's optimisers for the losses of boxes in images. Who asks for one of
them gets it, later.

Python's own ``importlib.util.LazyLoader`` is of no use here: they are imported by
``from module import name``, for which it loads the module at once.

Written for transformers 5.24: its functions and modules that are named here.
``tests/test_lazy_imports.py`` tells what another release imports.
"""

import contextlib
import functools
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import wrapt

from espnet_sentiment.compat import import_within
from espnet_sentiment.core.late_dynamo import DYNAMO, import_dynamo_late

# transformers imports its tensors on several machines and its attention by compiled
# masks only where these say that PyTorch has them, and runs models without.
NOT_FOR_US = ("is_torch_distributed_available", "is_torch_flex_attn_available")
SCAN = "create_import_structure_from_path"
LOSSES = "transformers.loss"
MASKS = "transformers.masking_utils"
VMAP = f"{DYNAMO}._trace_wrapped_higher_order_op"


@functools.cache
def import_lazily() -> None:
    """Let this process import late what is named above, for a program that owns it.

    What is imported already stays as it is.
    """
    import_dynamo_late()
    if "transformers" not in sys.modules:
        wrapt.register_post_import_hook(_lighten, "transformers.utils.import_utils")
        import_within(f"{LOSSES}.loss_utils", _without_scipy)
        import_within(MASKS, _without_dynamo)


def _lighten(import_utils: Any) -> None:
    """Change how transformers finds out what it has to import."""
    for name in NOT_FOR_US:
        setattr(import_utils, name, lambda: False)
    # Two modules have the 2,500 files of all models read for the names in them.
    scan = getattr(import_utils, SCAN, None)
    if scan is not None:
        setattr(import_utils, SCAN, _read_once(scan))


@contextlib.contextmanager
def _without_scipy() -> Iterator[None]:
    """Let losses import SciPy when they first match boxes to objects."""
    from transformers import utils

    is_there = utils.is_scipy_available
    utils.is_scipy_available = lambda: False
    try:
        yield
    finally:
        utils.is_scipy_available = is_there
    if is_there():
        matching = wrapt.lazy_import("scipy.optimize", "linear_sum_assignment")
        for name, module in list(sys.modules.items()):
            if name.startswith(f"{LOSSES}.") and hasattr(module, "is_scipy_available"):
                vars(module).setdefault("linear_sum_assignment", matching)


@contextlib.contextmanager
def _without_dynamo() -> Iterator[None]:
    """Let masks import TorchDynamo when a program is first exported."""
    if VMAP in sys.modules:
        yield
        return
    late = types.ModuleType(VMAP)

    def give_way() -> None:
        if sys.modules.get(VMAP) is late:
            del sys.modules[VMAP]

    def find(name: str) -> Any:
        if name.startswith("__"):  # what Python asks a module as it imports from it
            raise AttributeError(name)
        give_way()
        return getattr(importlib.import_module(VMAP), name)

    name = "TransformGetItemToIndex"
    vars(late)[name] = wrapt.lazy_import(VMAP, name)
    vars(late)["__getattr__"] = find  # for what else is imported meanwhile
    sys.modules[VMAP] = late
    try:
        yield
    finally:
        give_way()


def _read_once(scan: Callable) -> Callable:
    """Remember what a function found in a folder, or in that of a file."""
    remembered = functools.cache(scan)

    @functools.wraps(scan)
    def read_once(path: Any) -> dict:
        folder, file = os.path.split(path)
        return remembered(folder if file.endswith(".py") else os.fspath(path))

    return read_once
