"""The models that can align words, found by their encoder's config."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from espnet_sentiment.asr.find import RNNTOnFbank, WhisperModel, find_asr_model
from espnet_sentiment.asr.words import Alignment
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.encoder.espnet_files import (
    Experiment,
    named_file,
    open_experiment,
)
from espnet_sentiment.encoder.huggingface_files import (
    find_huggingface,
    huggingface_files,
)
from espnet_sentiment.encoder.reference import hash_encoder
from espnet_sentiment.recipe.stage import content_hash

if TYPE_CHECKING:
    from espnet_sentiment.asr.align_rnnt import RNNTAligner

METHODS = ("rnnt", "ctc", "whisper")
TOKENIZERS = ("vocab.json", "tokenizer.json", "tokenizer_config.json")

# Utterance id, transcript -> its word times.
Aligner = Callable[[str, str], Alignment]

# Heavy imports wait until a model is loaded.


@dataclasses.dataclass(frozen=True)
class RNNTSource:
    """An RNN-T on fbank, or the auxiliary CTC on its encoder.

    Args:
        path: Its checkpoint or archive.
        identity: Hash of what defines its output.
        method: ``rnnt`` or ``ctc``.
    """

    path: Path
    identity: dict[str, str]
    method: str
    kind: ClassVar[str] = RNNTOnFbank.kind
    sizes: ClassVar[str] = RNNTOnFbank.sizes
    hop: ClassVar[int] = RNNTOnFbank.hop

    def load(self, dump: Path, device: str) -> Aligner:
        """Load the model.

        Args:
            dump: What stage 1 wrote of kind ``kind``.
            device: Where to compute.
        """
        import kaldiio
        import torch

        align = self.load_aligner(device)
        scp = read_table(dump / "feats.scp")
        return lambda utt, text: align(
            torch.from_numpy(kaldiio.load_mat(scp[utt]).copy()), text
        )

    def load_aligner(self, device: str) -> "RNNTAligner":
        """Load what aligns fbank (T, 80)."""
        from espnet2.text.build_tokenizer import build_tokenizer

        from espnet_sentiment.asr.align_rnnt import RNNTAligner
        from espnet_sentiment.asr.rnnt_checkpoint import load_rnnt
        from espnet_sentiment.data.fbank_options import FRAME_SHIFT
        from espnet_sentiment.model.rnnt_model import frame_reduction

        model = load_rnnt(self.path)
        with open_experiment(self.path) as experiment:
            # sentencepiece reads its file when it splits the first text.
            tokenizer = build_tokenizer(**_tokenizer_options(experiment))
            tokenizer.text2tokens("")
        frame_shift = frame_reduction(model) * FRAME_SHIFT
        return RNNTAligner(
            model.to(device), tokenizer.text2tokens, frame_shift, self.method == "ctc"
        )


def _tokenizer_options(experiment: Experiment) -> dict:
    config = experiment.config
    options = {"token_type": config["token_type"]}
    for name in ("bpemodel", "non_linguistic_symbols"):
        value = config.get(name)
        if isinstance(value, str):
            value = str(named_file(experiment, value))
        options[name] = value
    return options


@dataclasses.dataclass(frozen=True)
class AudioSource:
    """Whisper, or a CTC model, of the transformers library.

    Args:
        path: Its folder.
        identity: Hashes of what defines its output.
        method: ``whisper`` or ``ctc``.
    """

    path: Path
    identity: dict[str, str]
    method: str
    kind: ClassVar[str] = WhisperModel.kind
    sizes: ClassVar[str] = WhisperModel.sizes
    hop: ClassVar[int] = WhisperModel.hop

    def load(self, dump: Path, device: str) -> Aligner:
        """Load the model, see ``RNNTSource.load``."""
        from espnet_sentiment.asr.align_ctc import CTCAligner
        from espnet_sentiment.asr.align_whisper import WhisperAligner
        from espnet_sentiment.data.audio import read_audio

        aligners: dict[str, type[WhisperAligner | CTCAligner]] = {
            "whisper": WhisperAligner,
            "ctc": CTCAligner,
        }
        align = aligners[self.method](self.path, device)
        wavs = read_table(dump / "wav.scp")
        return lambda utt, text: align(read_audio(wavs[utt], align.sample_rate), text)


def find_aligner(
    config: Mapping, method: str | None = None
) -> RNNTSource | AudioSource:
    """Find the model whose encoder a config names; nothing is loaded yet.

    Args:
        config: What ``load_encoder_config`` returned.
        method: One of ``METHODS``; None takes the model's own.

    Raises:
        DataError: It is not there or not complete, or cannot align so.
    """
    source = _find_ctc(config) or _find_asr(config, method)
    if method not in (None, source.method):
        raise DataError(
            f"--method {method}: {source.path} aligns by {source.method}: leave the "
            "option out"
        )
    return source


def _find_ctc(config: Mapping) -> AudioSource | None:
    if config["encoder"] != "huggingface":
        return None
    conf = config["encoder_conf"]
    path = find_huggingface(conf["model"], conf.get("download_dir"), tokenizer=True)
    huggingface_files(path)
    architectures = read_json(path / "config.json").get("architectures") or [""]
    if not architectures[0].endswith("ForCTC"):
        return None
    identity = {
        "sha256": hash_encoder("huggingface", path),
        "tokenizer": content_hash([path / name for name in TOKENIZERS]),
    }
    return AudioSource(path, identity, "ctc")


def _find_asr(config: Mapping, method: str | None) -> RNNTSource | AudioSource:
    model = find_asr_model(config)
    if isinstance(model, WhisperModel):
        return AudioSource(model.path, model.identity, "whisper")
    if method != "ctc":
        return RNNTSource(model.path, model.identity, "rnnt")
    with open_experiment(model.path) as experiment:
        weight = (experiment.config.get("model_conf") or {}).get("ctc_weight", 0.0)
    if not weight:
        raise DataError(
            f"--method ctc: {model.path} was trained without CTC (ctc_weight 0): leave "
            "the option out"
        )
    return RNNTSource(model.path, model.identity, "ctc")
