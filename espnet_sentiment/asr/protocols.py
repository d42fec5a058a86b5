"""What an ASR model that is loaded can do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from espnet_sentiment.asr.words import Alignment

if TYPE_CHECKING:
    import torch


class Recogniser(Protocol):
    """Turns speech into text."""

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the waveforms that it takes, or that its fbank is made from."""
        ...

    def __call__(self, speech: "Sequence[torch.Tensor]") -> list[str]:
        """Recognise a batch.

        Args:
            speech: Waveforms (N,) or fbank (T, 80), as the model's ``input_kind`` says.

        Returns:
            Their texts, single spaces between words.

        Raises:
            TooShortUttError: One is too short for the encoder.
        """
        ...


class Aligner(Protocol):
    """Finds the times of a transcript's words."""

    @property
    def sample_rate(self) -> int:
        """Rate in Hz, see ``Recogniser``."""
        ...

    def __call__(self, speech: "torch.Tensor", text: str) -> Alignment:
        """Align an utterance.

        Args:
            speech: A waveform (N,) or fbank (T, 80), as the model's ``input_kind``
                says.
            text: Transcript.

        Raises:
            NotAlignedError: It has no word that the model can spell, or too few frames.
        """
        ...
