"""From waveforms to posteriors and attention, as stages 3 and 5 compute them."""

import copy
import functools
import itertools
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.encoder.probing import noise
from espnet_sentiment.inference.packed_linear import can_pack, pack_linears
from espnet_sentiment.model.checkpoint import load_sentiment_model, text_to_tokens

DTYPES = ("float32", "float16", "bfloat16")
# Frames of an encoder's front end; their difference is enough to tell by how many the
# encoder divides them, up to 16.
PROBES = (64, 576)


class Scores(NamedTuple):
    """Posteriors (n_classes,) and attention (n_heads, T) or None."""

    posteriors: np.ndarray
    attention: np.ndarray | None


class Classifier:
    """A decoder and its encoder, which threads may call at the same time.

    What the encoder says is rounded to float16, as the feature store keeps it: the
    decoder has learned on that, and stage 5 reads it.

    Args:
        model_file: Checkpoint; its ``config.yaml`` lies beside it.
        encoder_model: Where the encoder is now, if not where it was.
        device: Where to compute.
        dtype: What the encoder computes in; the front end and the decoder stay with
            float32.

    Raises:
        UserError: The device, the dtype or a file is wrong.
    """

    def __init__(
        self,
        model_file: PathLike,
        encoder_model: PathLike | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ):
        check_device(device)
        if dtype not in DTYPES:
            raise UserError(f"dtype is {dtype!r}: choose one of {', '.join(DTYPES)}")
        self.device, self.dtype = torch.device(device), getattr(torch, dtype)
        self.decoder = load_sentiment_model(model_file, encoder_model)
        self.encoder = self.decoder.encoder.encoder
        # What it is given from now on is features.
        self.decoder.attach_encoder(None, None)
        if self.device.type == "cpu" and can_pack(self.dtype):
            pack_linears(self.encoder, self.dtype)
        self.encoder.to(self.device)
        self.decoder.to(self.device)
        self.tokens = text_to_tokens(model_file)
        self._replicas = threading.local()
        self._lock = threading.Lock()

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self.decoder.token_list

    @property
    def sample_rate(self) -> int:
        """Samples a second of the waveforms."""
        return self.encoder.sample_rate

    @functools.cached_property
    def frame_shift(self) -> float:
        """Seconds a frame of the attention."""
        frames = [
            int(
                self._encode(noise(1, n, self.encoder.input_size), torch.tensor([n]))[1]
            )
            for n in PROBES
        ]
        ratio = (PROBES[1] - PROBES[0]) / (frames[1] - frames[0])
        return round(ratio) * self.encoder.frame_shift

    @torch.inference_mode()
    def __call__(
        self, waveforms: Sequence[np.ndarray], texts: Sequence[str] | None = None
    ) -> list[Scores]:
        """Classify a batch.

        Args:
            waveforms: Mono float32 (N,) at ``sample_rate``.
            texts: Transcripts, for a model with a text branch.

        Raises:
            TooShortUttError: One is too short for the encoder.
        """
        waves = [torch.from_numpy(wave) for wave in waveforms]
        samples, lengths = self._pad(waves)
        feats, lengths = self._encode(*self._own.frontend(samples, lengths))
        text = ()
        if self.tokens is not None:
            text = self._pad([torch.from_numpy(self.tokens(text)) for text in texts])
        has_attention = getattr(self.decoder.decoder, "has_attention", False)
        logits, attention = self.decoder.classify(
            feats.half().float(), lengths, has_attention, *text
        )
        posteriors = logits.double().softmax(dim=-1).cpu().numpy()
        if attention is None:
            return [Scores(row, None) for row in posteriors]
        weights = attention.float().cpu().numpy()
        # Copies: a slice would keep the batch.
        return [
            Scores(row, weights[i, :, :n].copy())
            for i, (row, n) in enumerate(zip(posteriors, lengths.tolist(), strict=True))
        ]

    def _pad(self, rows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        return pad_sequence(rows, batch_first=True).to(self.device), lengths

    @torch.inference_mode()
    def _encode(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(
            self.device.type, self.dtype, enabled=self.dtype != torch.float32
        ):
            out, lengths, _ = self._own(feats.to(self.device), lengths.to(self.device))
        return out, lengths

    @property
    def _own(self) -> torch.nn.Module:
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
