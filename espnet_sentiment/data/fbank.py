"""80-dimensional log-mel filter bank features (paper, Section 3.1)."""

import torch
from torchaudio.compliance import kaldi

from espnet_sentiment.data.fbank_options import (
    FBANK_OPTIONS,
    FRAME_LENGTH,
    N_MELS,
    SCALE,
)


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
