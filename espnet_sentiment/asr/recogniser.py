"""Words for a classifier, by the ASR model that its encoder belongs to."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

from espnet_sentiment.asr.find import find_asr_model, find_transcriber
from espnet_sentiment.asr.models import ASRModel
from espnet_sentiment.asr.protocols import Aligner, Recogniser
from espnet_sentiment.asr.words import AlignedWord, NotAlignedError
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.fork_lock import ForkLock
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


class LazyRecogniser:
    """Recognises and aligns waveforms; models are loaded when they are first needed.

    Args:
        config: What ``asr_config`` returned.
        device: Where to compute.
    """

    def __init__(self, config: Mapping, device: str = "cpu"):
        self.config, self.device = config, device
        # Beam search and forced alignment set state in the models.
        self._lock = ForkLock()

    def texts(self, waveforms: Sequence[np.ndarray]) -> list[str]:
        """Recognise waveforms (N,) at ``SAMPLE_RATE``.

        Raises:
            DataError: The model cannot transcribe, or its files are not complete.
        """
        with self._lock:
            window = self._transcriber.window
            together = window is not None and all(
                len(wave) <= SAMPLE_RATE // 100 * window for wave in waveforms
            )
            if together:
                return self._recognise(waveforms)
            # A long one would have the others recognised otherwise.
            return [text for wave in waveforms for text in self._recognise([wave])]

    def words(self, waveform: np.ndarray, text: str) -> list[AlignedWord]:
        """Align a transcript's words; none where it cannot be aligned.

        Raises:
            DataError: The model cannot align, or its files are not complete.
        """
        with self._lock:
            kind, align = self._aligner
            try:
                return align(_as_input(waveform, kind), text).words
            except NotAlignedError:
                return []

    def _recognise(self, waveforms: Sequence[np.ndarray]) -> list[str]:
        kind = self._transcriber.input_kind
        try:
            return self._recogniser([_as_input(wave, kind) for wave in waveforms])
        except TooShortUttError:
            return [""] * len(waveforms)

    @functools.cached_property
    def _transcriber(self) -> ASRModel:
        return self._find(find_transcriber)

    @functools.cached_property
    def _recogniser(self) -> Recogniser:
        return self._transcriber.load_recogniser(self.device)

    @functools.cached_property
    def _aligner(self) -> tuple[str, Aligner]:
        model = self._find(find_asr_model)
        return model.input_kind, model.load_aligner(self.device)

    def _find(self, find: Callable[[Mapping], ASRModel]) -> ASRModel:
        try:
            return find(self.config)
        except DataError as error:
            raise DataError(
                f"no transcript can be written: {error}. Or name another model by "
                "asr_model (--asr_model)"
            ) from None


def _as_input(waveform: np.ndarray, kind: str) -> torch.Tensor:
    """Return what a model of an ``input_kind`` takes."""
    samples = torch.from_numpy(waveform)
    return fbank(samples, SAMPLE_RATE) if kind == "fbank" else samples
