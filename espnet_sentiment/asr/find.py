"""The ASR models that can write transcripts, found by their encoder's config."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.encoder.espnet_files import (
    averaged_checkpoint,
    find_espnet,
    open_experiment,
)
from espnet_sentiment.encoder.huggingface_files import (
    find_huggingface,
    huggingface_files,
    tokenizer_files,
)
from espnet_sentiment.encoder.reference import hash_encoder
from espnet_sentiment.recipe.stage import content_hash

THOSE_THAT_CAN = (
    "transcripts are written by Whisper (conf/encoder/whisper_*.yaml) and by an RNN-T "
    "on fbank (conf/encoder/rnnt.yaml): name one by --transcripts, or 'reference' for "
    "the corpus' own"
)

# Heavy imports wait until a model is loaded.


@dataclasses.dataclass(frozen=True)
class WhisperModel:
    """A Whisper of the transformers library.

    Args:
        path: Its folder.
        identity: Hashes of what defines its output.
    """

    path: Path
    identity: dict[str, str]
    kind: ClassVar[str] = "audio"
    beam_size: ClassVar[int] = 1
    sizes: ClassVar[str] = "utt2num_samples"
    hop: ClassVar[int] = 160  # 10 ms at 16 kHz
    window: ClassVar[int] = 3000  # frames to which it pads: 30 s

    def transcribe(
        self,
        dump: Path,
        num_frames: Mapping[str, int],
        parts: Path,
        beam_size: int,
        batch_frames: int,
        device: str,
    ) -> dict[str, str]:
        """Recognise utterances, see ``core/resumable.py``.

        Args:
            dump: What stage 1 wrote of kind ``kind``.
            num_frames: Frames of 10 ms of every utterance.
            parts: Folder of what is finished.
            beam_size: 1 decodes greedily.
            batch_frames: Most frames that are recognised together.
            device: Where to compute.
        """
        from espnet_sentiment.asr.whisper import WhisperRecogniser
        from espnet_sentiment.core.resumable import transcribe
        from espnet_sentiment.data.audio import read_audio

        whisper = WhisperRecogniser(self.path, beam_size, device)
        wavs = read_table(dump / "wav.scp")

        def recognise(utts):
            waves = [read_audio(wavs[utt], whisper.sample_rate) for utt in utts]
            return dict(zip(utts, whisper(waves), strict=True))

        texts: dict[str, str] = {}
        # In batches apart, as long ones are recognised otherwise.
        for is_long in (True, False):
            group = {
                utt: n for utt, n in num_frames.items() if (n > self.window) == is_long
            }
            folder = parts / ("long" if is_long else "short")
            if group:
                texts |= transcribe(recognise, group, batch_frames, folder, self.window)
        return texts


@dataclasses.dataclass(frozen=True)
class RNNTOnFbank:
    """An RNN-T that ``RNNTTask`` trained on fbank.

    Args:
        path: Its checkpoint or archive.
        identity: Hash of what defines its output.
    """

    path: Path
    identity: dict[str, str]
    kind: ClassVar[str] = "fbank"
    beam_size: ClassVar[int] = 4
    sizes: ClassVar[str] = "utt2num_frames"
    hop: ClassVar[int] = 1

    def transcribe(
        self,
        dump: Path,
        num_frames: Mapping[str, int],
        parts: Path,
        beam_size: int,
        batch_frames: int,
        device: str,
    ) -> dict[str, str]:
        """Recognise utterances, see ``WhisperModel.transcribe``."""
        from espnet_sentiment.asr.decode_rnnt import decode_batch
        from espnet_sentiment.asr.rnnt_checkpoint import load_rnnt
        from espnet_sentiment.core.resumable import transcribe

        model = load_rnnt(self.path, device)
        feats = read_table(dump / "feats.scp")
        return transcribe(
            lambda utts: decode_batch(model, feats, utts, beam_size, device),
            num_frames,
            batch_frames,
            parts,
        )


def find_asr_model(config: Mapping) -> WhisperModel | RNNTOnFbank:
    """Find the ASR model whose encoder a config names; nothing is loaded yet.

    Args:
        config: What ``load_encoder_config`` returned.

    Raises:
        DataError: It is not there or not complete, or cannot transcribe.
    """
    name, conf = config["encoder"], config["encoder_conf"]
    if name == "huggingface":
        return _find_whisper(conf["model"], conf.get("download_dir"))
    if name == "espnet":
        return _find_rnnt(conf["model"], conf.get("download_dir"))
    raise DataError(f"encoder {name or 'none'} has no decoder: {THOSE_THAT_CAN}")


def _find_whisper(model: str, download_dir: str | None) -> WhisperModel:
    path = find_huggingface(model, download_dir, tokenizer=True)
    huggingface_files(path)
    model_type = read_json(path / "config.json").get("model_type")
    if model_type != "whisper":
        raise DataError(f"{path} is a {model_type} model: {THOSE_THAT_CAN}")
    tokenizer = content_hash(tokenizer_files(path))
    sha256 = hash_encoder("huggingface", path)
    return WhisperModel(path, {"sha256": sha256, "tokenizer": tokenizer})


def _find_rnnt(model: str, download_dir: str | None) -> RNNTOnFbank:
    path = find_espnet(model, download_dir)
    with open_experiment(path) as experiment:
        config = experiment.config
    if config.get("model") != "rnnt" or config.get("frontend") is not None:
        raise DataError(f"{path} is no RNN-T on fbank: {THOSE_THAT_CAN}")
    path = path if path.is_file() else averaged_checkpoint(path)
    return RNNTOnFbank(path, {"sha256": hash_encoder("espnet", path)})
