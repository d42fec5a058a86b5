"""80-dimensional log-mel filter bank features (paper, Section 3.1)."""

import torch
from typeguard import typechecked

from espnet_sentiment.data.fbank import FbankModule, fbank
from espnet_sentiment.data.fbank_options import FRAME_LENGTH, FRAME_SHIFT, N_MELS
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.sample_rate import parse_rate
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend


class FbankFrontend(UtteranceFrontend):
    """Filter bank features of raw audio.

    Args:
        sample_rate: Rate in Hz of the audio.
        name: The encoder it belongs to, for messages.
        fs: ``sample_rate`` under the name by which ESPnet's recipes pass it.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        name: str = "fbank",
        fs: int | str | None = None,
    ):
        sample_rate = sample_rate if fs is None else parse_rate(fs)
        super().__init__(
            name,
            sample_rate,
            size=N_MELS,
            min_samples=round(FRAME_LENGTH * sample_rate),
        )

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into features (T, 80)."""
        return fbank(waveform, self.sample_rate)

    def traceable(self) -> torch.nn.Module:
        """Return the same without FFT, samples (1, N) -> (1, T, 80)."""
        return FbankModule(self.sample_rate)


class FbankEncoder(AbsPretrainedEncoder):
    """Pass 80-d fbank on, averaged.

    Args:
        subsample: Frames of 10 ms averaged to one.
        sample_rate: Rate in Hz of the audio.
    """

    @typechecked
    def __init__(self, subsample: int = 8, sample_rate: int = 16000):
        frontend = FbankFrontend(sample_rate)
        super().__init__(
            name="fbank",
            frontend=frontend,
            input_kind="fbank",
            frame_shift=FRAME_SHIFT,
            min_frames=1,
            n_states=1,
            dim=frontend.output_size(),
            layer="last",
            subsample=subsample,
        )

    def hidden_states(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the features as they are."""
        return [feats], lengths
