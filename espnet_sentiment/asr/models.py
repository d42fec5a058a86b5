"""The ASR models that can recognise or align, found but not loaded.

Heavy imports wait until one is loaded.
"""

import dataclasses
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from espnet_sentiment.asr.protocols import Aligner, Recogniser
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.espnet_files import (
    ESPnetExperiment,
    named_file,
    open_experiment,
)

ASR_MODELS = (
    "transcripts are written by Whisper (conf/encoder/whisper_*.yaml) and by an RNN-T "
    "on fbank (conf/encoder/rnnt.yaml); these and CTC models of transformers align"
)


@dataclasses.dataclass(frozen=True)
class ASRModel(ABC):
    """An ASR model and how it is loaded.

    Args:
        path: Where it lies.
        identity: Hashes of what defines its output.

    Attributes:
        input_kind: The dump of stage 1 that it eats: ``audio`` or ``fbank``.
        method: By which of ``options.METHODS`` it aligns, unless it is told another.
        transcribes: Whether it writes transcripts, and does not only align.
        beam_size: With which it decodes, unless it is told another.
        window: Frames of 10 ms to which it pads every utterance, and beyond which it
            recognises otherwise; None if there is no such window.
    """

    path: Path
    identity: dict[str, str]
    input_kind: ClassVar[str] = "audio"
    method: ClassVar[str]
    transcribes: ClassVar[bool] = True
    beam_size: ClassVar[int] = 1
    window: ClassVar[int | None] = None

    @abstractmethod
    def load_recogniser(
        self, device: str = "cpu", beam_size: int | None = None
    ) -> Recogniser:
        """Load what recognises; a beam of 1 decodes greedily."""

    @abstractmethod
    def load_aligner(self, device: str = "cpu", method: str | None = None) -> Aligner:
        """Load what aligns, by one of ``options.METHODS``."""

    def check_method(self, method: str | None) -> str:
        """Return the method by which to align; None is the model's own.

        Raises:
            DataError: The model cannot align so.
        """
        if method not in (None, self.method):
            raise DataError(
                f"--method {method}: {self.path} aligns by {self.method}: leave the "
                "option out"
            )
        return self.method


class WhisperASR(ASRModel):
    """A Whisper of the transformers library, in its folder."""

    method = "whisper"
    window = 3000  # 30 s

    def load_recogniser(
        self, device: str = "cpu", beam_size: int | None = None
    ) -> Recogniser:
        """Load what recognises."""
        from espnet_sentiment.asr.whisper import WhisperRecogniser

        return WhisperRecogniser(self.path, beam_size or self.beam_size, device)

    def load_aligner(self, device: str = "cpu", method: str | None = None) -> Aligner:
        """Load what aligns."""
        from espnet_sentiment.asr.align_whisper import WhisperAligner

        self.check_method(method)
        return WhisperAligner(self.path, device)


class CTCASR(ASRModel):
    """A CTC model of the transformers library, in its folder: it only aligns here."""

    method = "ctc"
    transcribes = False

    def load_recogniser(
        self, device: str = "cpu", beam_size: int | None = None
    ) -> Recogniser:
        """Refuse.

        Raises:
            DataError: Always.
        """
        raise DataError(f"{self.path} is a CTC model: {ASR_MODELS}")

    def load_aligner(self, device: str = "cpu", method: str | None = None) -> Aligner:
        """Load what aligns."""
        from espnet_sentiment.asr.align_ctc import CTCAligner

        self.check_method(method)
        return CTCAligner(self.path, device)


class RNNTASR(ASRModel):
    """An RNN-T that ``RNNTTask`` trained on fbank: its checkpoint or archive.

    It aligns by its own lattice, or by the auxiliary CTC on its encoder.
    """

    input_kind = "fbank"
    method = "rnnt"
    beam_size = 4

    def load_recogniser(
        self, device: str = "cpu", beam_size: int | None = None
    ) -> Recogniser:
        """Load what recognises."""
        from espnet_sentiment.asr.rnnt_checkpoint import load_rnnt
        from espnet_sentiment.asr.rnnt_recogniser import RNNTRecogniser

        return RNNTRecogniser(
            load_rnnt(self.path, device), beam_size or self.beam_size, device
        )

    def load_aligner(self, device: str = "cpu", method: str | None = None) -> Aligner:
        """Load what aligns."""
        from espnet2.text.build_tokenizer import build_tokenizer

        from espnet_sentiment.asr.align_rnnt import RNNTAligner
        from espnet_sentiment.asr.rnnt_checkpoint import load_rnnt
        from espnet_sentiment.data.fbank_options import FRAME_SHIFT
        from espnet_sentiment.model.rnnt_model import frame_reduction

        by_ctc = self.check_method(method) == "ctc"
        model = load_rnnt(self.path)
        with open_experiment(self.path) as experiment:
            # sentencepiece reads its file when it splits the first text.
            tokenizer = build_tokenizer(**_tokenizer_options(experiment))
            tokenizer.text2tokens("")
        frame_shift = frame_reduction(model) * FRAME_SHIFT
        return RNNTAligner(model.to(device), tokenizer.text2tokens, frame_shift, by_ctc)

    def check_method(self, method: str | None) -> str:
        """Return the method by which to align, see ``ASRModel.check_method``."""
        if method != "ctc":
            return super().check_method(method)
        with open_experiment(self.path) as experiment:
            weight = (experiment.config.get("model_conf") or {}).get("ctc_weight", 0.0)
        if not weight:
            raise DataError(
                f"--method ctc: {self.path} was trained without CTC (ctc_weight 0): "
                "leave the option out"
            )
        return method


def _tokenizer_options(experiment: ESPnetExperiment) -> dict:
    config = experiment.config
    options = {"token_type": config["token_type"]}
    for name in ("bpemodel", "non_linguistic_symbols"):
        value = config.get(name)
        if isinstance(value, str):
            value = str(named_file(experiment, value))
        options[name] = value
    return options
