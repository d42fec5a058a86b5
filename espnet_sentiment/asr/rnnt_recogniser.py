"""Recognise fbank by an RNN-T."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.model.rnnt_model import RNNTModel


class RNNTRecogniser:
    """An RNN-T that ``RNNTTask`` trained on fbank of 16 kHz audio.

    Args:
        model: In evaluation mode, on ``device``.
        beam_size: 1 decodes greedily.
        device: Where the model is.
    """

    sample_rate = 16000

    def __init__(self, model: RNNTModel, beam_size: int = 1, device: str = "cpu"):
        self.model, self.beam_size, self.device = model, beam_size, device

    @torch.no_grad()
    def __call__(self, speech: Sequence[torch.Tensor]) -> list[str]:
        """Recognise fbank (T, 80) together.

        Raises:
            TooShortUttError: One is too short for the encoder.
        """
        lengths = torch.tensor([len(x) for x in speech], device=self.device)
        batch = pad_sequence(list(speech), batch_first=True).to(self.device)
        hyps = self.model.decode(batch, lengths, self.beam_size)
        return [" ".join(self.model.to_text(hyp).split()) for hyp in hyps]
