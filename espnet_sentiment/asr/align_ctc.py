"""Word times by CTC (Graves et al., 2006), with torchaudio's forced alignment.

https://docs.pytorch.org/audio/stable/generated/torchaudio.functional.forced_align.html
"""

from pathlib import Path

import numpy as np
import torch
import torchaudio.functional
from typeguard import typechecked

from espnet_sentiment.asr.pauses import place_words
from espnet_sentiment.asr.spelling import spell
from espnet_sentiment.asr.words import Alignment, NotAlignedError
from espnet_sentiment.data.fbank import fbank
from espnet_sentiment.encoder.huggingface import load_pretrained, load_tokenizer
from espnet_sentiment.encoder.probing import measure_frame_shift


def label_times(
    log_probs: torch.Tensor, labels: torch.Tensor, frame_shift: float, blank: int = 0
) -> list[float]:
    """Return when every label begins, in seconds.

    Args:
        log_probs: Log probabilities (T, V), on the CPU.
        labels: Label indices (U,), at least one.
        frame_shift: Seconds a frame.
        blank: Index of the blank.

    Raises:
        NotAlignedError: CTC has too few frames: it needs one a label, and one more
            between two that are the same.
    """
    needed = len(labels) + int((labels[1:] == labels[:-1]).sum())
    if len(log_probs) < needed:
        raise NotAlignedError(
            f"{len(log_probs)} frames are too few for {len(labels)} labels by CTC"
        )
    path, scores = torchaudio.functional.forced_align(
        log_probs[None], labels[None], blank=blank
    )
    spans = torchaudio.functional.merge_tokens(path[0], scores[0], blank)
    return [frame_shift * span.start for span in spans]


class CTCAligner:
    """Aligns words by a CTC model of transformers (``Wav2Vec2ForCTC`` and its kin).

    Args:
        directory: Local folder of the model.
        device: Where to put it.

    Raises:
        DataError: A file is missing or unreadable, or weights are not in it.
    """

    @typechecked
    def __init__(self, directory: Path, device: str = "cpu"):
        from transformers import AutoModelForCTC

        model, self.extractor = load_pretrained(
            directory, AutoModelForCTC, ("masked_spec_embed",)
        )
        self.model = model.to(device).eval()
        self.tokenizer = load_tokenizer(directory)
        self.known = self.tokenizer.get_vocab()
        self.frame_shift = measure_frame_shift(self._log_probs, self.sample_rate)

    @property
    def sample_rate(self) -> int:
        """Samples a second that the model asks for."""
        return self.extractor.sampling_rate

    @torch.no_grad()
    def _log_probs(self, waveform: torch.Tensor) -> torch.Tensor:
        inputs = self.extractor(
            waveform.numpy(), sampling_rate=self.sample_rate, return_tensors="pt"
        )
        logits = self.model(**inputs.to(self.model.device)).logits[0]
        return logits.float().log_softmax(dim=-1).cpu()

    def __call__(self, speech: torch.Tensor | np.ndarray, text: str) -> Alignment:
        """Align an utterance.

        Args:
            speech: Mono float32 (N,) at ``sample_rate``.
            text: Transcript.

        Raises:
            NotAlignedError: It has no word that the model can spell, or too few frames.
        """
        space = getattr(self.tokenizer, "word_delimiter_token", None)
        spelling = spell(text, self.tokenizer.tokenize, self.known, space)
        samples = torch.as_tensor(speech)
        times = label_times(
            self._log_probs(samples),
            torch.tensor(spelling.labels),
            self.frame_shift,
            self.model.config.pad_token_id,
        )
        words = place_words(
            spelling.words,
            spelling.of_words(times),
            fbank(samples, self.sample_rate),
            len(samples) / self.sample_rate,
        )
        return Alignment(words, spelling.left_out)
