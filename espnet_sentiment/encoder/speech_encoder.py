"""A frozen encoder as stage 3 and inference run it, from several threads."""

import copy
import functools
import itertools
import threading
from collections.abc import Sequence

import numpy as np
import torch

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.fork_lock import ForkLock
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.dtype import choose_dtype
from espnet_sentiment.encoder.fused_attention import fuse_attention
from espnet_sentiment.encoder.output_size import measure_step
from espnet_sentiment.encoder.packed_linear import (
    PackedLinear,
    can_pack,
    pack_linears,
)
from espnet_sentiment.layers.finite import find_nonfinite
from espnet_sentiment.layers.padding import pad


class SpeechEncoder:
    """An encoder and its front end, which threads may call at the same time.

    Args:
        encoder: Frozen encoder; it is moved to the device.
        device: Where to compute.
        dtype: What the encoder computes in, see ``choose_dtype``. The front end stays
            with float32.

    On the CPU, linear layers are computed by oneDNN where that is possible, which is
    faster and the same to rounding.

    Attributes:
        dtype: What it computes in.
        gain: How many times as fast as float32 bfloat16 was, where that was measured.

    Raises:
        UserError: The device or the dtype is wrong.
    """

    def __init__(
        self,
        encoder: AbsPretrainedEncoder,
        device: str = "cpu",
        dtype: str = "float32",
    ):
        check_device(device)
        self.device = torch.device(device)
        self.dtype, self.gain = choose_dtype(dtype, encoder, self.device)
        self.encoder = encoder
        fuse_attention(self.encoder)
        if self.device.type == "cpu" and can_pack(self.dtype):
            pack_linears(self.encoder, self.dtype)
        self.encoder.to(self.device)
        self._replicas = threading.local()
        self._lock = ForkLock()

    @property
    def dtype_name(self) -> str:
        """What it computes in, as options name it."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def why_dtype(self) -> str:
        """Why ``auto`` took the type that it did."""
        if self.gain is None:
            return "as bfloat16 cannot be faster here"
        share = 1 / self.gain
        return f"as bfloat16's products take {share:.2f} times float32's seconds here"

    @property
    def name(self) -> str:
        """The model, as its config names it."""
        return self.encoder.name

    @property
    def sample_rate(self) -> int:
        """Samples a second of the waveforms."""
        return self.encoder.sample_rate

    @functools.cached_property
    def frame_shift(self) -> float:
        """Seconds a frame of the features."""
        step = measure_step(self._own, self.device)
        return step * self.encoder.subsample * self.encoder.frame_shift

    @torch.inference_mode()
    def __call__(
        self, waveforms: Sequence[np.ndarray]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch.

        Args:
            waveforms: Mono float32 (N,) at ``sample_rate``.

        Returns:
            Features (B, T, L * D) and their lengths (B,).

        Raises:
            TooShortUttError: One is too short for the encoder.
        """
        return self.from_frames(*self.to_frames(waveforms))

    @torch.no_grad()
    def to_frames(
        self, waveforms: Sequence[np.ndarray]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn waveforms into frames (B, T, F) of the front end, and their lengths."""
        return self._own.frontend(*pad(waveforms, self.device))

    @torch.inference_mode()
    def from_frames(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode frames (B, T, F) of the front end, of lengths (B,)."""
        with torch.autocast(
            self.device.type, self.dtype, enabled=self.dtype != torch.float32
        ):
            out, lengths, _ = self._own(feats.to(self.device), lengths.to(self.device))
        return out, lengths

    def check_weights(self) -> None:
        """Refuse an encoder that no input makes say a number.

        Raises:
            UserError: Its weights are not finite.
        """
        packed = (
            (f"{name}.weight", module.weight)
            for name, module in self.encoder.named_modules()
            if isinstance(module, PackedLinear)
        )
        name = find_nonfinite(
            itertools.chain(self.encoder.state_dict().items(), packed)
        )
        if name is not None:
            raise UserError(
                f"the encoder {self.name} holds weights that are not finite ({name}): "
                "download or copy it anew"
            )

    @property
    def _own(self) -> AbsPretrainedEncoder:
        """The calling thread's encoder, on the same weights.

        Some encoders' layers are read by hooks, which other threads would set off.
        """
        if not hasattr(self._replicas, "encoder"):
            with self._lock:
                tensors = itertools.chain(
                    self.encoder.parameters(), self.encoder.buffers()
                )
                memo = {id(tensor): tensor for tensor in tensors}
                self._replicas.encoder = copy.deepcopy(self.encoder, memo)
        return self._replicas.encoder


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        UserError: The message says what there is.
    """
    try:
        kind = torch.device(device)
    except RuntimeError:
        raise UserError(f"device is {device!r}: choose cpu, cuda or cuda:0") from None
    n_gpus = torch.cuda.device_count()
    if kind.type == "cuda" and (kind.index or 0) >= n_gpus:
        raise UserError(
            f"device is {device!r}, but PyTorch sees {n_gpus} CUDA GPUs here: choose "
            "cpu, or look at nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
