"""An ONNX file run by onnxruntime, one utterance at a time."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from espnet_sentiment.core.errors import DataError, first_line
from espnet_sentiment.core.extras import import_extra
from espnet_sentiment.core.fork_lock import ForkLock
from espnet_sentiment.encoder.onnx_files import EXTRA

FLOATS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def open_session(path: Path, n_threads: int, providers: Sequence[str] = (CPU,)) -> Any:
    """Open an ONNX file by onnxruntime.

    Args:
        path: The file.
        n_threads: Threads of one call.
        providers: Where it computes, the best first.

    Raises:
        DataError: onnxruntime does not take it; its cause has onnxruntime's own words.
        UserError: The extra is not installed.
    """
    ort = import_extra("onnxruntime", EXTRA)
    options = ort.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it raises says the same
    try:
        return ort.InferenceSession(str(path), options, providers=list(providers))
    # Its own errors derive from Exception.
    except Exception as error:
        raise DataError(
            f"{path} cannot be opened by onnxruntime {ort.__version__} "
            f"({first_line(error)}): copy it anew, or install a newer onnxruntime"
        ) from DataError(first_line(error))


class OnnxSession:
    """Gives named outputs for named inputs; several threads may call it.

    A call computes on one thread: calls stand side by side, as batches do elsewhere
    (``core/threads.py``). On CUDA it computes where onnxruntime can, which is said.

    Args:
        path: The file.

    Attributes:
        inputs: onnxruntime's ``NodeArg`` (name, type, shape) by name.
        outputs: The same of the outputs.
        metadata: What the file says of itself.

    Raises:
        DataError: onnxruntime cannot open it.
        UserError: The extra is not installed.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = ForkLock()
        self._sessions: dict[str, Any] = {}
        session = self._on("cpu")
        self.inputs = {arg.name: arg for arg in session.get_inputs()}
        self.outputs = {arg.name: arg for arg in session.get_outputs()}
        self.metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map

    def __deepcopy__(self, memo: dict) -> Self:
        """Return itself: runs leave no state behind."""
        return self

    def run(
        self, outputs: list[str], feeds: dict[str, np.ndarray], device: str = "cpu"
    ) -> list[np.ndarray]:
        """Compute outputs.

        Args:
            outputs: Names of those that are wanted.
            feeds: Inputs by name.
            device: ``cpu`` or ``cuda``.
        """
        return self._on(device).run(outputs, feeds)

    def _on(self, device: str) -> Any:
        with self._lock:
            if device not in self._sessions:
                self._sessions[device] = self._open(device)
            return self._sessions[device]

    def _open(self, device: str) -> Any:
        ort = import_extra("onnxruntime", EXTRA)
        asked = [CUDA] if device == "cuda" else []
        there = [name for name in asked if name in ort.get_available_providers()]
        session = open_session(self.path, 1, [*there, CPU])
        if asked and CUDA not in session.get_providers():
            logging.getLogger(__name__).warning(
                f"{self.path} computes on the CPU: onnxruntime {ort.__version__} has "
                "no CUDA here (pip install onnxruntime-gpu)"
            )
        return session


class OnnxStates:
    """Hidden states of one utterance, by the names that a file gives its tensors.

    Args:
        session: The file.
        feed: The input with the speech, its name.
        lengths: The input with its length, if there is one.
        outputs: Those with the hidden states, the first layer first.
        output_lengths: That with their length, if there is one.
        constants: Values of the other inputs.
    """

    def __init__(
        self,
        session: OnnxSession,
        feed: str,
        lengths: str | None,
        outputs: list[str],
        output_lengths: str | None,
        constants: dict[str, Any],
    ):
        self.session, self.feed, self.lengths = session, feed, lengths
        self.outputs, self.output_lengths = outputs, output_lengths
        self._dtype = FLOATS[session.inputs[feed].type]
        self._rank = len(session.inputs[feed].shape)
        self._constants = {}
        for name, value in constants.items():
            kind = (FLOATS | INTEGERS)[session.inputs[name].type]
            rank = len(session.inputs[name].shape)
            array = np.asarray(value, kind)
            self._constants[name] = array.reshape(
                (1,) * (rank - array.ndim) + array.shape
            )

    def __call__(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Encode samples (N,) or frames (T, F) to layers (T2, D) each."""
        array = x.detach().cpu().numpy().astype(self._dtype)
        batch = array.reshape((1,) * (self._rank - array.ndim) + array.shape)
        feeds = {self.feed: batch, **self._constants}
        if self.lengths is not None:
            kind = INTEGERS[self.session.inputs[self.lengths].type]
            feeds[self.lengths] = np.array([len(array)], kind)
        wanted = [*self.outputs, *filter(None, [self.output_lengths])]
        found = self.session.run(wanted, feeds, x.device.type)
        states = [state[0] if state.ndim == 3 else state for state in found]
        if self.output_lengths is not None:
            n = int(states.pop().reshape(-1)[0])
            states = [state[:n] for state in states]
        return [torch.from_numpy(np.float32(s)).to(x.device) for s in states]
