"""Word times by Whisper: dynamic time warping over the decoder's cross-attention.

The transcript's tokens are forced through the decoder; certain heads attend to where
their tokens are in the audio. transformers picks the heads, normalises and smooths
their attention and warps:
https://huggingface.co/docs/transformers/model_doc/whisper#transformers.WhisperForConditionalGeneration.generate
"""

from pathlib import Path

import numpy as np
import torch
from typeguard import typechecked

from espnet_sentiment.asr.pauses import pauses, trim
from espnet_sentiment.asr.whisper import WhisperRecogniser
from espnet_sentiment.asr.words import AlignedWord, Alignment, NotAlignedError
from espnet_sentiment.compat import whisper_token_times
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.fbank import fbank


class WhisperAligner:
    """Aligns words by Whisper, in the language that it detects.

    Bracketed tokens such as ``[LAUGHTER]`` are left out: Whisper is kept from writing
    brackets.

    Args:
        directory: Local folder of the model.
        device: Where to put it.

    Raises:
        DataError: A file is missing or unreadable, or does not say which heads align.
    """

    @typechecked
    def __init__(self, directory: Path, device: str = "cpu"):
        whisper = WhisperRecogniser(directory, device=device)
        self.model, self.extractor = whisper.model, whisper.extractor
        self.tokenizer, self.sample_rate = whisper.tokenizer, whisper.sample_rate
        heads = getattr(self.model.generation_config, "alignment_heads", None)
        if not heads:
            raise DataError(
                f"{directory / 'generation_config.json'} names no alignment_heads: "
                "copy the file anew from where the model came, or align by another "
                "model"
            )
        self.heads: list[list[int]] = heads
        # Other kernels do not return attention.
        self.model.set_attn_implementation("eager")

    @torch.no_grad()
    def __call__(self, speech: torch.Tensor | np.ndarray, text: str) -> Alignment:
        """Align an utterance.

        Args:
            speech: Mono float32 (N,) at ``sample_rate``, at most 30 s.
            text: Transcript.

        Raises:
            NotAlignedError: It is longer than Whisper's window, has too many tokens
                or no word.
        """
        waveform = np.asarray(speech)
        words = [word for word in text.split() if not word.startswith("[")]
        left_out = [word for word in text.split() if word.startswith("[")]
        if not words:
            raise NotAlignedError("the transcript has no words")
        if len(waveform) > self.extractor.n_samples:
            raise NotAlignedError(
                f"{len(waveform) / self.sample_rate:.1f} s are more than Whisper hears "
                "at once"
            )
        duration = len(waveform) / self.sample_rate
        starts, end = self._starts(waveform, words)
        aligned = [
            AlignedWord(start, stop, word)
            for word, start, stop in zip(words, starts, [*starts[1:], end], strict=True)
        ]
        found = pauses(fbank(torch.from_numpy(waveform), self.sample_rate))
        return Alignment(trim(aligned, found, duration), left_out)

    def _starts(
        self, waveform: np.ndarray, words: list[str]
    ) -> tuple[list[float], float]:
        """Return when every word starts and when the last one ends, in seconds."""
        inputs = self.extractor(
            [waveform], sampling_rate=self.sample_rate, return_tensors="pt"
        ).to(self.model.device)
        encoded = self.model.get_encoder()(inputs["input_features"])
        pieces = [
            self.tokenizer.encode(f" {word}", add_special_tokens=False)
            for word in words
        ]
        prompt = self._prompt(encoded)
        tokens = torch.tensor([prompt + sum(pieces, [])], device=self.model.device)
        if tokens.size(1) > self.model.config.max_target_positions:
            raise NotAlignedError(f"{tokens.size(1)} tokens are too many for Whisper")
        output = self.model(
            encoder_outputs=encoded,
            decoder_input_ids=tokens,
            output_attentions=True,
            use_cache=False,
        )
        # Row n of the attention is the search for token n + 1, as in Whisper's own
        # timing.py: the last token of the prompt has the row of the first piece.
        times = whisper_token_times(
            self.model,
            tokens,
            output.cross_attentions,
            self.heads,
            n_frames=-(-len(waveform) // self.extractor.hop_length),
            n_prompt=len(prompt) - 1,
        )
        ends = np.cumsum([len(piece) for piece in pieces]).tolist()
        return [times[n] for n in [0, *ends[:-1]]], times[ends[-1]]

    def _prompt(self, encoded) -> list[int]:
        config = self.model.generation_config
        prompt = [config.decoder_start_token_id]
        if getattr(config, "is_multilingual", False):
            prompt.append(int(self.model.detect_language(encoder_outputs=encoded)))
            prompt.append(config.task_to_id["transcribe"])
        return [*prompt, config.no_timestamps_token_id]
