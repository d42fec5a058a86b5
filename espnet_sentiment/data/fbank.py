"""80-dimensional log-mel filter bank features (paper, Section 3.1)."""

import math

import torch
from torchaudio.compliance import kaldi

from espnet_sentiment.data.fbank_options import (
    FBANK_OPTIONS,
    FRAME_LENGTH,
    FRAME_SHIFT,
    N_MELS,
    SCALE,
)
from espnet_sentiment.layers.spectrum import MelSpectrum

# Of Kaldi's that are not among FBANK_OPTIONS.
PREEMPHASIS, LOWEST = 0.97, 20.0  # of 1, Hz
FLOOR = torch.finfo(torch.float32).eps


def fbank(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Compute Kaldi's filter bank features.

    Windows of 25 ms every 10 ms, no dither, only whole windows (Kaldi's
    ``snip_edges``): T = 1 + floor((N / sample_rate - 0.025) / 0.01).

    Args:
        waveform: Samples (N,) in [-1, 1].
        sample_rate: Rate in Hz.

    Returns:
        Features (T, 80); T is 0 for less than 25 ms.
    """
    if len(waveform) < round(FRAME_LENGTH * sample_rate):
        return waveform.new_empty(0, N_MELS)
    return kaldi.fbank(
        waveform[None] * SCALE, sample_frequency=float(sample_rate), **FBANK_OPTIONS
    )


class FbankModule(torch.nn.Module):
    """The same features as a module without FFT, samples (1, N) -> (1, T, 80).

    Args:
        sample_rate: Rate in Hz.
    """

    def __init__(self, sample_rate: int):
        super().__init__()
        size = int(sample_rate * FRAME_LENGTH)
        n_fft = 1 << (size - 1).bit_length()
        # A window loses its mean, is pre-emphasised, and tapered ("Povey").
        centre = torch.eye(size, dtype=torch.float64) - 1 / size
        emphasis = torch.eye(size, dtype=torch.float64)
        emphasis -= PREEMPHASIS * emphasis.roll(-1, dims=1).tril()
        emphasis[0, 0] -= PREEMPHASIS
        hann = torch.hann_window(size, periodic=False, dtype=torch.float64)
        window = hann.pow(0.85)[:, None] * emphasis @ centre
        mel, _ = kaldi.get_mel_banks(
            N_MELS, n_fft, float(sample_rate), LOWEST, 0.0, 100.0, -500.0, 1.0
        )
        mel = torch.nn.functional.pad(mel, (0, 1))
        hop = int(sample_rate * FRAME_SHIFT)
        self.spectrum = MelSpectrum(window, n_fft, hop, mel)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Compute the features."""
        power = self.spectrum(samples) * math.pow(SCALE, 2)
        return power.clamp(min=FLOOR).log()
