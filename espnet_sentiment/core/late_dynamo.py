"""Functions decorated for TorchDynamo, PyTorch's compiler, without importing it.

PyTorch, ESPnet and transformers decorate functions for it, and import it for that: as
they are imported, or as such a function is first called (an optimiser's, what fills an
embedding). It takes a second or two, and nothing is compiled here. Decorations wait
until it is imported, whoever does that; until then nobody looks at them.

Written for PyTorch 2.14: ``torch._dynamo``, which ``torch`` imports when it is asked
for it; its decorators, and those of ``torch.compiler`` that do the same;
``torch._compile._disable_dynamo``, which is PyTorch's own for its functions. A PyTorch
without them imports what it likes.
"""

import functools
import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import wrapt

DYNAMO = "torch._dynamo"
# They return the very function, and let TorchDynamo remember something about it.
MARKS = ("allow_in_graph", "assume_constant_result")


def import_dynamo_late() -> None:
    """Let this process import TorchDynamo when it is asked for by name, or compiles.

    Call it before PyTorch is imported; behind that, its own functions import it.
    """
    wrapt.register_post_import_hook(_let_torch, "torch._compile")
    wrapt.register_post_import_hook(_let_others, "torch")


def _let_torch(compile_module: Any) -> None:
    """Decorate PyTorch's own functions late."""
    if hasattr(compile_module, "_disable_dynamo"):
        late = _late_disable(compile_module._disable_dynamo)
        compile_module._disable_dynamo = late


def _let_others(torch: Any) -> None:
    """Decorate others' functions late."""
    has_all = all(hasattr(torch.compiler, name) for name in (*MARKS, "disable"))
    if DYNAMO in sys.modules or not has_all:
        return
    for name in MARKS:
        setattr(torch.compiler, name, _late_mark(getattr(torch.compiler, name)))
    torch.compiler.disable = _late_disable(torch.compiler.disable)
    # Who imports TorchDynamo puts it in this one's place.
    torch._dynamo = _LateDynamo(DYNAMO)


class _LateDynamo(types.ModuleType):
    """``torch._dynamo`` until somebody asks it for more than decorators."""

    def __getattr__(self, name: str) -> Any:
        if name in (*MARKS, "disable") and DYNAMO not in sys.modules:
            return getattr(sys.modules["torch"].compiler, name)
        return getattr(importlib.import_module(DYNAMO), name)


def _late_mark(mark: Callable) -> Callable:
    @functools.wraps(mark)
    def late_mark(fn: Any) -> Any:
        if DYNAMO in sys.modules:
            return mark(fn)
        wrapt.register_post_import_hook(lambda _: mark(fn), DYNAMO)
        return fn

    return late_mark


def _late_disable(disable: Callable) -> Callable:
    @functools.wraps(disable)
    def late_disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
        if DYNAMO in sys.modules:
            return disable(fn, recursive, **options)
        if fn is None:
            return functools.partial(late_disable, recursive=recursive, **options)
        if not isinstance(fn, types.FunctionType):
            return disable(fn, recursive, **options)

        @functools.cache
        def disabled() -> Callable:
            return disable(fn, recursive, **options)

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            return (disabled() if DYNAMO in sys.modules else fn)(*args, **kwargs)

        return call

    return late_disable
