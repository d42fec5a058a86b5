"""Where a transformers model lies, and which of its files define it."""

import contextlib
import functools
import itertools
from collections.abc import Callable
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.encoder.hub_names import split_revision
from espnet_sentiment.encoder.kinds import ASR, OTHER, SELF_SUPERVISED
from espnet_sentiment.encoder.notices import notices

CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json")
# How Whisper's decoder starts and stops, and which text its tokens are.
GENERATION = "generation_config.json"
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
TOKENIZER_OPTIONS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
# Weights in the order of preference: the names that transformers reads.
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
SHARDS = {SAFETENSORS: "model-*.safetensors", PICKLED: "pytorch_model-*.bin"}

# Model types that are trained on audio alone, until a head is trained with them.
SELF_SUPERVISED_TYPES = {
    *("wav2vec2", "wav2vec2-bert", "wav2vec2-conformer", "hubert", "wavlm"),
    *("data2vec-audio", "sew", "sew-d", "unispeech-sat"),
}
# Ends of the names of transformers' classes.
RECOGNISERS = ("ForCTC", "ForConditionalGeneration", "ForSpeechToText")
CLASSIFIERS = (
    *("ForSequenceClassification", "ForAudioClassification"),
    *("ForAudioFrameClassification", "ForXVector"),
)
HEADLESS = ("Model", "ForPreTraining")


def find_huggingface(
    model: str, download_dir: str | None = None, tokenizer: bool = False
) -> Path:
    """Return the directory of a model, downloaded if there is none of that name.

    Args:
        model: A local directory, else a name on the Hugging Face Hub, ``owner/name``
            or ``owner/name@revision``.
        download_dir: Where downloads are kept; None is the Hub's own cache.
        tokenizer: Download also what turns the model's output into text.

    Raises:
        DataError: Nothing is there and nothing can be downloaded.
    """
    path = Path(model).expanduser()
    if path.exists():
        return path
    from huggingface_hub import snapshot_download

    name, revision = split_revision(model)
    download = functools.partial(
        snapshot_download, name, revision=revision, cache_dir=download_dir
    )
    try:
        return Path(_snapshot(download, tokenizer))
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"no encoder at {model}: it is no local directory, and the Hugging Face "
            f"Hub gave nothing of that name ({reason}). Give the path of a directory "
            "with the model's files by --encoder_model, or repair the connection"
        ) from None


def kept_huggingface(source: str) -> Path | None:
    """Return a model's directory in the Hub's cache; nothing is asked of the Hub."""
    from huggingface_hub import snapshot_download

    name, revision = split_revision(source)
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (OSError, ValueError):
        return None


def _snapshot(download: Callable[..., str], tokenizer: bool) -> str:
    configs = [*CONFIGS, *SAFETENSORS, SHARDS[SAFETENSORS]]
    if tokenizer:
        configs += [GENERATION, *TOKENIZER_OPTIONS, *itertools.chain(*TOKENIZERS)]
    path = download(allow_patterns=configs)
    if not any((Path(path) / name).exists() for name in SAFETENSORS):
        pickled = [*PICKLED, SHARDS[PICKLED]]
        path = download(allow_patterns=pickled)
    return path


def huggingface_files(directory: Path) -> list[Path]:
    """Return the files that define a model: configurations and weights.

    Raises:
        DataError: Not a directory, or a file that it must have is missing.
    """
    if not directory.is_dir():
        raise DataError(
            f"{directory} is not a directory: a transformers model is one that holds "
            "config.json, preprocessor_config.json and model.safetensors"
        )
    files = [directory / name for name in CONFIGS if (directory / name).is_file()]
    names = {path.name for path in files}
    if "config.json" not in names:
        raise _missing(directory, "config.json")
    if len(names) < 2:
        raise _missing(directory, "preprocessor_config.json")
    for weights in (SAFETENSORS, PICKLED):
        found = [directory / name for name in weights if (directory / name).is_file()]
        if found:
            return sorted({*files, *found, *directory.glob(SHARDS[weights])})
    raise _missing(directory, "model.safetensors")


def huggingface_pretraining(directory: Path) -> str | None:
    """Tell how a model was trained, by the class that its config.json names.

    ``Wav2Vec2ForCTC`` recognises speech; ``Wav2Vec2Model``, ``Wav2Vec2ForPreTraining``
    learned from audio alone; ``WavLMForXVector`` from other labels.

    Returns:
        One of ``PRETRAINING``; None where no class is named, or it tells nothing.
    """
    config = read_json(directory / "config.json")
    named = config.get("architectures")
    if not named or not all(isinstance(name, str) for name in named):
        return None
    if any(name.endswith(RECOGNISERS) for name in named):
        return ASR
    if any(name.endswith(CLASSIFIERS) for name in named):
        return OTHER
    if config.get("model_type") in SELF_SUPERVISED_TYPES and all(
        name.endswith(HEADLESS) for name in named
    ):
        return SELF_SUPERVISED
    return None


def huggingface_layout(directory: Path) -> tuple[list[Path], Path]:
    """Return the files that a pack takes, and their folder.

    Raises:
        DataError: See ``huggingface_files``.
    """
    files = huggingface_files(directory)
    if read_json(directory / "config.json").get("model_type") == "whisper":
        # Without them it is an encoder still, which writes no transcripts.
        with contextlib.suppress(DataError):
            files += tokenizer_files(directory)
    return [*files, *notices(directory)], directory


def tokenizer_files(directory: Path) -> list[Path]:
    """Return the files that turn what a model generates into text.

    Raises:
        DataError: One that it must have is missing.
    """
    if not (directory / GENERATION).is_file():
        raise _missing(directory, GENERATION)
    for names in TOKENIZERS:
        if all((directory / name).is_file() for name in names):
            found = [directory / name for name in (*names, *TOKENIZER_OPTIONS)]
            return [directory / GENERATION, *filter(Path.is_file, found)]
    raise _missing(directory, TOKENIZERS[0][0])


def _missing(directory: Path, name: str) -> DataError:
    return DataError(
        f"{directory / name} is missing: copy it there from where the model came, or "
        "point --encoder_model to a complete model"
    )
