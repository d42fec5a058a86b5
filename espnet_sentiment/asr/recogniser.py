"""Words for a classifier, by the ASR model that its encoder belongs to."""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

from espnet_sentiment.asr.aligners import RNNTSource, find_aligner
from espnet_sentiment.asr.find import RNNTOnFbank, find_asr_model
from espnet_sentiment.asr.words import NotAlignedError, Word
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.fbank import fbank

SAMPLE_RATE = 16000  # Hz; of Whisper, and of the fbank that RNN-Ts learn on


def asr_config(encoder: str | None, conf: Mapping, asr_model: str | None) -> dict:
    """Say which ASR model writes transcripts, in the form of ``conf/encoder``.

    Args:
        encoder: The classifier's encoder.
        conf: Its arguments.
        asr_model: Another model: Whisper's folder or name, or an RNN-T's experiment.
    """
    if asr_model is None:
        return {"encoder": encoder, "encoder_conf": dict(conf)}
    path = Path(asr_model).expanduser()
    is_espnet = path.exists() and not (path / "preprocessor_config.json").exists()
    name = "espnet" if is_espnet else "huggingface"
    return {"encoder": name, "encoder_conf": {"model": str(asr_model)}}


class Recogniser:
    """Recognises and aligns; models are loaded when they are first needed.

    Args:
        config: What ``asr_config`` returned.
        device: Where to compute.
    """

    def __init__(self, config: Mapping, device: str = "cpu"):
        self.config, self.device = config, device
        # Beam search and forced alignment set state in the models.
        self._lock = threading.Lock()

    def texts(self, waveforms: Sequence[np.ndarray]) -> list[str]:
        """Recognise waveforms (N,) at ``SAMPLE_RATE``.

        Raises:
            DataError: The model cannot transcribe, or its files are not complete.
        """
        with self._lock:
            return self._recognise(waveforms)

    def words(self, waveform: np.ndarray, text: str) -> list[Word]:
        """Align a transcript's words; none where it cannot be aligned.

        Raises:
            DataError: The model cannot align, or its files are not complete.
        """
        try:
            with self._lock:
                return self._align(waveform, text)
        except NotAlignedError:
            return []

    @functools.cached_property
    def _recognise(self) -> Callable[[Sequence[np.ndarray]], list[str]]:
        model = self._find(find_asr_model)
        if isinstance(model, RNNTOnFbank):
            from espnet_sentiment.asr.rnnt_checkpoint import load_rnnt

            rnnt = load_rnnt(model.path, self.device)
            return lambda waves: [self._decode(rnnt, x, model.beam_size) for x in waves]
        from espnet_sentiment.asr.whisper import WhisperRecogniser

        whisper = WhisperRecogniser(model.path, model.beam_size, self.device)
        window = whisper.extractor.n_samples

        def recognise(waves):
            if all(len(wave) <= window for wave in waves):
                return whisper(waves)
            # A long one would have the others recognised otherwise.
            return [whisper([wave])[0] for wave in waves]

        return recognise

    def _decode(self, model, waveform: np.ndarray, beam_size: int) -> str:
        feats = fbank(torch.from_numpy(waveform), SAMPLE_RATE)[None].to(self.device)
        try:
            [tokens] = model.decode(feats, torch.tensor([feats.size(1)]), beam_size)
        except TooShortUttError:
            return ""
        return " ".join(model.to_text(tokens).split())

    @functools.cached_property
    def _align(self) -> Callable[[np.ndarray, str], list[Word]]:
        source = self._find(find_aligner)
        if isinstance(source, RNNTSource):
            align = source.load_aligner(self.device)
            return lambda wave, text: (
                align(fbank(torch.from_numpy(wave), SAMPLE_RATE), text).words
            )
        from espnet_sentiment.asr.align_whisper import WhisperAligner

        whisper = WhisperAligner(source.path, self.device)
        return lambda wave, text: whisper(wave, text).words

    def _find(self, find: Callable):
        try:
            return find(self.config)
        except DataError as error:
            raise DataError(
                f"no transcript can be written: {error}. Or name another model by "
                "asr_model (--asr_model)"
            ) from None
