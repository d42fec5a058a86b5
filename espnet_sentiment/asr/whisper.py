"""Recognise utterances with Whisper, encoder and decoder out of one folder."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from typeguard import typechecked

from espnet_sentiment.encoder.huggingface import load_pretrained, load_tokenizer
from espnet_sentiment.encoder.huggingface_files import tokenizer_files

# The output layer is the token embedding, and need not be in the file.
TIED = ("proj_out.",)


class WhisperRecogniser:
    """Whisper (Radford et al., 2022) as transformers runs it.

    The language of every utterance is detected, what is said transcribed in it,
    without timestamps. What is longer than 30 s is recognised in windows that follow
    the predicted timestamps (Section 4.5 of the paper, without temperature fallback):
    https://huggingface.co/docs/transformers/model_doc/whisper

    Args:
        directory: Local folder of the model.
        beam_size: 1 decodes greedily.
        device: Where to put the model.

    Raises:
        DataError: A file is missing or unreadable, or weights are not in it.
    """

    @typechecked
    def __init__(self, directory: Path, beam_size: int = 1, device: str = "cpu"):
        from transformers import WhisperForConditionalGeneration, WhisperTokenizer

        tokenizer_files(directory)
        with quiet():
            model, self.extractor = load_pretrained(
                directory, WhisperForConditionalGeneration, TIED
            )
            self.tokenizer = load_tokenizer(directory, WhisperTokenizer)
        self.model = model.to(device).eval()
        self.options: dict[str, int | str] = {"num_beams": beam_size}
        # An English model knows neither languages nor tasks.
        if getattr(model.generation_config, "is_multilingual", False):
            self.options["task"] = "transcribe"

    @property
    def sample_rate(self) -> int:
        """Samples a second that the model asks for."""
        return self.extractor.sampling_rate

    @torch.no_grad()
    def __call__(self, speech: Sequence[torch.Tensor | np.ndarray]) -> list[str]:
        """Recognise a batch.

        Args:
            speech: Mono float32 (N,) at ``sample_rate``. One of more than 30 s has the
                whole batch recognised in windows.

        Returns:
            Their texts, single spaces between words.
        """
        is_long = max(map(len, speech)) > self.extractor.n_samples
        inputs = self.extractor(
            [np.asarray(waveform) for waveform in speech],
            sampling_rate=self.sample_rate,
            padding="longest" if is_long else "max_length",
            truncation=not is_long,
            return_attention_mask=True,
            return_tensors="pt",
        ).to(self.model.device)
        with quiet():
            if is_long:
                tokens = self.model.generate(
                    **inputs, return_timestamps=True, **self.options
                )
            else:
                # Given features, it would encode them for the language once more.
                encoded = self.model.get_encoder()(inputs["input_features"])
                tokens = self.model.generate(
                    encoder_outputs=encoded,
                    return_timestamps=False,
                    force_unique_generate_call=True,
                    **self.options,
                )
            texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from warning of its own defaults."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
