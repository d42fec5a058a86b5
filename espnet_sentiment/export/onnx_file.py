"""ONNX files: traced, and described."""

import contextlib
import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from espnet_sentiment.core.errors import DataError, first_line
from espnet_sentiment.core.extras import import_extra
from espnet_sentiment.encoder.onnx_files import EXTRA

# The first that has all of our operators; runtimes of 2022 read it.
OPSET = 17
# A protocol buffer holds 2 GiB; the graph takes little.
MOST_BYTES = 2_000_000_000


def trace(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    path: Path,
    inputs: Mapping[str, Mapping[int, str]],
    outputs: Mapping[str, Mapping[int, str]],
    what: str,
) -> None:
    """Write a module as an ONNX file.

    By tracing: PyTorch 2.14's newer exporter keeps the example's length in LSTMs.

    Args:
        module: In evaluation mode.
        example: Its inputs, of a length that is like no other.
        path: File to write.
        inputs: Names of the inputs, and those of their axes that vary.
        outputs: The same of the outputs.
        what: The module, for messages.

    Raises:
        DataError: It is too large, or has what ONNX does not.
        UserError: The extra is not installed.
    """
    import_extra("onnx", EXTRA)
    tensors = {id(t): t for t in (*module.parameters(), *module.buffers())}.values()
    size = sum(t.numel() * t.element_size() for t in tensors)
    if size > MOST_BYTES:
        raise DataError(
            f"{what} has {size / 1e9:.1f} GB of weights, and one ONNX file holds 2: "
            "export the decoder alone (--part decoder), or take a smaller encoder"
        )
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                module.eval(),
                example,
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={**inputs, **outputs},
            )
    # Exporters and what is traced fail in many ways.
    except Exception as error:
        reason = first_line(error)
        raise DataError(
            f"{what} cannot be exported to ONNX ({type(error).__name__}: {reason}): "
            "take another, or export the decoder alone (--part decoder)"
        ) from error


@contextlib.contextmanager
def _quiet():
    """Keep to ourselves what PyTorch says of every branch, and of its new exporter."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with _no_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _no_output():
    """Drop what C++ prints: where the exporter fails, that is the whole graph."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def describe(path: Path, metadata: Mapping[str, Any]) -> None:
    """Put metadata into an ONNX file: texts as they are, anything else as JSON.

    Args:
        path: The file; it is written anew.
        metadata: By name; ``batch`` 1 says so of the outputs' shapes, too.
    """
    onnx = import_extra("onnx", EXTRA)
    model = onnx.load(path)
    texts = {key: _text(value) for key, value in metadata.items()}
    onnx.helper.set_model_props(model, texts)
    if metadata.get("batch") == "1":  # which tracing does not tell of the outputs
        for output in model.graph.output:
            output.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
