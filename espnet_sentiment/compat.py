"""Other people's private parts, and the only place that touches them.

What begins with an underscore may change in any release of its library. So each
function says which version it was written for, and ``tests/test_compat.py`` has a test
of each that says what to do when it breaks. Two private methods are overridden, where
they belong: ESPnet's ``_calc_transducer_loss`` in ``model/rnnt_model.py``, PyTorch's
``_apply`` in ``encoder/freezing.py``; they have their tests there, too.

Libraries are imported by those functions alone that need them.
"""

import argparse
import contextlib
import functools
import importlib.abc
import importlib.machinery
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ESPNET_ATTENTION = "espnet2.legacy.nets.pytorch_backend.transformer.attention"
NO_FLASH_ATTENTION = "using ESPnet default: No module named 'flash_attn'"


def parser_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Give the options and arguments of a parser and of its subcommands.

    Written for argparse of Python 3.12 and 3.13: ``ArgumentParser._actions`` and
    ``_SubParsersAction``.
    """
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from parser_actions(subparser)


def run_exit_functions() -> None:
    """Do what Python does before it takes itself apart: threads end, then ``atexit``.

    Written for Python 3.12 and 3.13: ``threading._shutdown`` and
    ``atexit._run_exitfuncs``, which their own ``multiprocessing`` calls as well.
    """
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def bundle_paths(bundle: Any) -> list[str]:
    """Return where a torchaudio bundle's files are below its host, checkpoint first.

    Written for torchaudio 2.11, whose bundles offer no public way to their addresses:
    ``RNNTBundle._rnnt_path`` and ``_global_stats_path``, ``Wav2Vec2Bundle._path``.

    Args:
        bundle: torchaudio's ``RNNTBundle`` or ``Wav2Vec2Bundle``.
    """
    if hasattr(bundle, "_rnnt_path"):
        return [bundle._rnnt_path, bundle._global_stats_path]
    return [f"models/{bundle._path}"]


def new_rnnt(bundle: Any) -> "torch.nn.Module":
    """Build the RNN-T of a torchaudio bundle, with new parameters.

    Written for torchaudio 2.11, whose public loader looks for weights in one fixed
    place: ``RNNTBundle._rnnt_factory_func``.
    """
    return bundle._rnnt_factory_func()


def whisper_token_times(
    model: Any,
    tokens: "torch.Tensor",
    attention: Sequence["torch.Tensor"],
    heads: Sequence[Sequence[int]],
    n_frames: int,
    n_prompt: int,
) -> list[float]:
    """Return where Whisper's cross-attention passes from token to token, in seconds.

    Written for transformers 5.24, which warps time for what it generated itself alone:
    ``WhisperForConditionalGeneration._extract_token_timestamps``.

    Args:
        model: The Whisper.
        tokens: What its decoder was given (1, U).
        attention: Of every layer its cross-attention (1, n_heads, U, T).
        heads: Pairs of layer and head that align.
        n_frames: Mel frames of the recording, without padding.
        n_prompt: First tokens that nobody said; they get no times.

    Returns:
        A time for every row of attention after the prompt's, and one more.
    """
    from transformers.utils import ModelOutput

    times = model._extract_token_timestamps(
        ModelOutput(sequences=tokens, cross_attentions=[attention]),
        heads,
        num_frames=n_frames,
        num_input_ids=n_prompt,
    )
    return times[0, n_prompt:].tolist()


def computes_by_sdpa(attention: Any) -> bool:
    """Tell whether attention of transformers' is PyTorch's scaled dot product.

    Args:
        attention: The module. For transformers 5.23: its config says so in
            ``_attn_implementation``, as was asked when it was built.
    """
    return getattr(attention.config, "_attn_implementation", None) == "sdpa"


def has_onednn_linear(bfloat16: bool = False) -> bool:
    """Tell whether this PyTorch and processor have what the next two functions call.

    Written for PyTorch 2.14: ``torch.ops.mkldnn._is_mkldnn_bf16_supported``. oneDNN
    computes in bfloat16 from AVX-512 on.
    """
    import torch

    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and (not bfloat16 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def onednn_weight(weight: "torch.Tensor") -> "torch.Tensor":
    """Return a weight (out, in) in the order that oneDNN's kernels read.

    Written for PyTorch 2.14: ``torch.ops.mkldnn._reorder_linear_weight``.
    """
    import torch

    return torch.ops.mkldnn._reorder_linear_weight(weight, None)


def onednn_linear(
    weight: "torch.Tensor", bias: "torch.Tensor | None", gelu: bool = False
) -> "Callable[[torch.Tensor], torch.Tensor]":
    """Return what maps (..., in) to (..., out) by a weight of ``onednn_weight``.

    With ``gelu``, GELU (the exact one) follows.

    Written for PyTorch 2.14: ``torch.ops.mkldnn._linear_pointwise``, itself and no
    function around it, since a model calls it a hundred times a batch.
    """
    import torch

    return functools.partial(
        torch.ops.mkldnn._linear_pointwise,
        W=weight,
        B=bias,
        attr="gelu" if gelu else "none",
        scalars=[],
        algorithm="none" if gelu else "",
    )


def apply_to_tensors(
    module: "torch.nn.Module", function: Callable, recurse: bool = True
) -> None:
    """Let a module follow another's ``.to()``, ``.half()`` and the like.

    Written for PyTorch 2.14: ``torch.nn.Module._apply``, which those call with what
    they do to a tensor.
    """
    module._apply(function, recurse)


def hush_espnet() -> None:
    """Leave out what ESPnet prints of a missing flash_attn, which it can do without.

    Written for ESPnet 202611: ``ESPNET_ATTENTION`` prints it when it is imported.
    Anything else that it prints stays.
    """
    import_within(ESPNET_ATTENTION, _hushed)


def import_within(
    name: str, context: "Callable[[], contextlib.AbstractContextManager]"
) -> None:
    """Let a module that is not imported yet be executed within a context.

    Args:
        name: Its full name.
        context: Makes what the module is executed within, once.
    """
    if name not in sys.modules:
        sys.meta_path.insert(0, _Within(name, context))


class _Within(importlib.abc.MetaPathFinder):
    """Finds one module as Python does, and lets it be executed within a context."""

    def __init__(self, name: str, context: Callable) -> None:
        self._name, self._context = name, context

    def find_spec(self, fullname, path, target=None):
        if fullname != self._name:
            return None
        if self in sys.meta_path:  # not of another thread, which just found it
            sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            within = functools.partial(_execute_within, self._context, execute)
            spec.loader.exec_module = within  # type: ignore[method-assign]
        return spec


def _execute_within(context: Callable, execute: Callable, module: Any) -> None:
    with context():
        execute(module)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    finally:
        for line in said.getvalue().splitlines(keepends=True):
            if not line.rstrip().endswith(NO_FLASH_ATTENTION):
                sys.stderr.write(line)


def suppress_defaults(parser: argparse.ArgumentParser) -> None:
    """Let a parser return what it is given, and no defaults.

    Written for argparse of Python 3.12 and 3.13: ``ArgumentParser._defaults``, which
    ``set_defaults`` fills.
    """
    for action in parser_actions(parser):
        action.default = argparse.SUPPRESS
    parser._defaults.clear()


def import_in_spawned_processes(function: Callable[[], object]) -> None:
    """Let every process that multiprocessing spawns import a function's module.

    Written for Python 3.12 and 3.13: ``multiprocessing.spawn.get_preparation_data``,
    which is not documented, gives what a new process is told first. ESPnet trains on
    several GPUs in such processes, which know of nothing that this one has imported.

    Args:
        function: Of an importable module; it is not called.
    """
    import multiprocessing.spawn as spawn

    original = spawn.get_preparation_data

    @functools.wraps(original)
    def with_function(name: str) -> dict[str, Any]:
        # Pickled by its name, so that whoever unpickles it imports its module.
        return original(name) | {"function": function}

    spawn.get_preparation_data = with_function
