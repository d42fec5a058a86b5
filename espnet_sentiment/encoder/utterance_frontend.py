"""What all front ends share: one utterance at a time, so none changes another."""

from abc import abstractmethod

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from torch.nn.utils.rnn import pad_sequence


def check_lengths(
    lengths: torch.Tensor, minimum: int, rate: float, unit: str, reader: str
) -> None:
    """Refuse utterances that are shorter than their reader needs.

    Args:
        lengths: Samples or frames (B,).
        minimum: The fewest that ``reader`` can use.
        rate: Samples or frames per second.
        unit: What is counted, for the message.
        reader: Who reads them, for the message.

    Raises:
        TooShortUttError: The message names the utterance's index in the batch.
    """
    for index, length in enumerate(lengths.tolist()):
        if length < minimum:
            raise TooShortUttError(
                f"utterance {index} of the batch has {length} {unit} "
                f"({length / rate:.3f} s), but {reader} needs at least {minimum} "
                f"({minimum / rate:.3f} s): remove it from the data, or fix its "
                "recording or segment",
                length,
                minimum,
            )


class UtteranceFrontend(AbsFrontend):
    """Waveform (B, N), lengths (B,) -> frames (B, T, F), lengths (B,).

    Args:
        name: The encoder it belongs to, for messages.
        sample_rate: Rate in Hz of the audio it takes.
        size: Channels F of a frame.
        min_samples: Samples in the shortest usable utterance.
    """

    def __init__(self, name: str, sample_rate: int, size: int, min_samples: int):
        super().__init__()
        self.name = name
        self.sample_rate = sample_rate
        self.size = size
        self.min_samples = min_samples

    def output_size(self) -> int:
        """Return F."""
        return self.size

    @abstractmethod
    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn one waveform (N,) in [-1, 1] into frames (T, F)."""

    def traceable(self) -> torch.nn.Module | None:
        """Return the same as tensor operations alone, samples (1, N) -> (1, T, F).

        Exports need it; None where there is none.
        """
        return None

    def forward(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the frames of a batch, zero on padding.

        Raises:
            TooShortUttError: An utterance has fewer than ``min_samples`` samples.
        """
        check_lengths(
            input_lengths, self.min_samples, self.sample_rate, "samples", self.name
        )
        feats = [
            self.features(waveform[:length]).to(input.device)
            for waveform, length in zip(input, input_lengths.tolist(), strict=True)
        ]
        lengths = [len(frames) for frames in feats]
        return pad_sequence(feats, batch_first=True), input_lengths.new_tensor(lengths)
