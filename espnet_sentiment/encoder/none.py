"""The acoustic baseline: filter bank features without an encoder."""

import torch
from typeguard import typechecked

from espnet_sentiment.data.fbank_options import FRAME_SHIFT
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.fbank import FbankFrontend


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
