"""80-dimensional log-mel filter bank features (paper, Section 3.1)."""

import torch

from espnet_sentiment.data.fbank import fbank
from espnet_sentiment.data.fbank_options import FBANK_OPTIONS, FRAME_LENGTH
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend


class FbankFrontend(UtteranceFrontend):
    """Filter bank features of raw audio.

    Args:
        sample_rate: Rate in Hz of the audio.
        name: The encoder it belongs to, for messages.
    """

    def __init__(self, sample_rate: int = 16000, name: str = "fbank"):
        super().__init__(
            name,
            sample_rate,
            size=FBANK_OPTIONS["num_mel_bins"],
            min_samples=round(FRAME_LENGTH * sample_rate),
        )

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into features (T, 80)."""
        return fbank(waveform, self.sample_rate)
