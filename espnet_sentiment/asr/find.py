"""The ASR model behind an encoder, found by the encoder's config."""

from collections.abc import Mapping

from espnet_sentiment.asr.models import (
    ASR_MODELS,
    CTCASR,
    RNNTASR,
    ASRModel,
    WhisperASR,
)
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
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

CTC_TOKENIZERS = (
    *("vocab.json", "tokenizer.json", "tokenizer_config.json"),
    *("added_tokens.json", "special_tokens_map.json"),
)


def find_asr_model(config: Mapping) -> ASRModel:
    """Find the ASR model whose encoder a config names; nothing is loaded yet.

    Args:
        config: What ``load_encoder_config`` returned.

    Raises:
        DataError: It is not there or not complete, or is no ASR model.
    """
    name, conf = config["encoder"], config["encoder_conf"]
    if name not in FINDERS:
        raise DataError(f"encoder {name or 'none'} has no decoder: {ASR_MODELS}")
    if conf.get("random_weights") is not None:
        raise DataError(
            "an encoder with random_weights has learned no words: name the trained "
            "one, by --transcripts conf/encoder/x.yaml, or do without --align_words"
        )
    return FINDERS[name](conf["model"], conf.get("download_dir"))


def find_transcriber(config: Mapping) -> ASRModel:
    """Find an ASR model as ``find_asr_model`` does, and refuse one that only aligns.

    Raises:
        DataError: As ``find_asr_model``, or it cannot transcribe.
    """
    model = find_asr_model(config)
    if not model.transcribes:
        raise DataError(f"{model.path} is a CTC model: {ASR_MODELS}")
    return model


def _find_huggingface(model: str, download_dir: str | None) -> ASRModel:
    path = find_huggingface(model, download_dir, tokenizer=True)
    huggingface_files(path)
    config = read_json(path / "config.json")
    cls: type[ASRModel]
    if (config.get("architectures") or [""])[0].endswith("ForCTC"):
        cls, tokenizer = CTCASR, [path / name for name in CTC_TOKENIZERS]
    elif config.get("model_type") == "whisper":
        cls, tokenizer = WhisperASR, tokenizer_files(path)
    else:
        raise DataError(f"{path} is a {config.get('model_type')} model: {ASR_MODELS}")
    sha256 = hash_encoder("huggingface", path)
    return cls(path, {"sha256": sha256, "tokenizer": content_hash(tokenizer)})


def _find_rnnt(model: str, download_dir: str | None) -> ASRModel:
    path = find_espnet(model, download_dir)
    with open_experiment(path) as experiment:
        config = experiment.config
    if config.get("model") != "rnnt" or config.get("frontend") is not None:
        raise DataError(f"{path} is no RNN-T on fbank: {ASR_MODELS}")
    path = path if path.is_file() else averaged_checkpoint(path)
    return RNNTASR(path, {"sha256": hash_encoder("espnet", path)})


# Kinds of encoders that may belong to an ASR model.
FINDERS = {"huggingface": _find_huggingface, "espnet": _find_rnnt}
