"""What is said in parts of recordings, and the attention that is on each word."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from espnet_sentiment.asr.recogniser import SAMPLE_RATE, LazyRecogniser
from espnet_sentiment.asr.word_attention import WordWeight, word_attention
from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.data.audio import resample
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder
from espnet_sentiment.inference.parts import Part


class PartWords:
    """Recognises what is said, and weighs its words.

    Args:
        recogniser: Recognises and aligns waveforms.
        encoder: Whose rate waveforms have, and whose frames the attention is on.
    """

    def __init__(self, recogniser: LazyRecogniser, encoder: SpeechEncoder):
        self.recogniser, self._encoder = recogniser, encoder

    def texts(self, waves: Sequence[np.ndarray]) -> list[str]:
        """Recognise waveforms (N,) at the encoder's rate."""
        return self.recogniser.texts([self._for_asr(wave) for wave in waves])

    def aligned(self, wave: np.ndarray, text: str | None) -> list[AlignedWord]:
        """Align what is said in a waveform (N,); of nothing, there are no words."""
        return self.recogniser.words(self._for_asr(wave), text) if text else []

    def weighed(
        self, part: Part, attention: np.ndarray, words: Sequence[AlignedWord]
    ) -> list[WordWeight]:
        """Weigh a part's words by attention (n_heads, T).

        Returns:
            Words whose times are those of the recording.
        """
        weights = word_attention(attention, self._encoder.frame_shift, words)
        start, end = part.span
        # The last frame may be longer than what is left.
        return [
            dataclasses.replace(
                word, start=start + word.start, end=min(start + word.end, end)
            )
            for word in weights
            if word.word is not None
        ]

    def _for_asr(self, wave: np.ndarray) -> np.ndarray:
        return resample(wave, self._encoder.sample_rate, SAMPLE_RATE)
