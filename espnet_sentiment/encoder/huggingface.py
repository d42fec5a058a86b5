"""Speech encoders of the transformers library."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from typeguard import typechecked

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.backbone import Backbone, BackboneEncoder
from espnet_sentiment.encoder.huggingface_files import (
    find_huggingface,
    huggingface_files,
)
from espnet_sentiment.encoder.layers import LayerChoice
from espnet_sentiment.encoder.no_random import NoRandomOnMeta
from espnet_sentiment.encoder.random_weights import check_seed, draw

if TYPE_CHECKING:
    from transformers import (
        FeatureExtractionMixin,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

# Weights that no encoder reads: a decoder's, the mask of pre-training.
UNREAD = ("decoder.", "masked_spec_embed")


class HuggingFaceEncoder(BackboneEncoder):
    """The encoder of a transformers speech model.

    Whisper; wav2vec 2.0, HuBERT, WavLM and their kin; the audio tower of any other that
    turns ``input_features`` or ``input_values`` into hidden states, see
    ``benchmarks/ARCHITECTURES.md``. What else a model has is not loaded. Weights are
    float32 whatever the file holds, and no code from a repository is ever run.

    Args:
        model: A local directory, else a name on the Hugging Face Hub.
        layer: ``last``, a layer's number, several, or ``weighted_sum``.
        subsample: Frames averaged to one.
        download_dir: Where downloads are kept; None is the Hub's own cache.
        random_weights: Seed of untrained weights, which replace the model's; None takes
            the model's.

    Raises:
        DataError: The model's files are missing or unreadable, or the architecture is
            no speech encoder that can be read here.
        ValueError: There is no such layer, or ``random_weights`` is no seed.
    """

    @typechecked
    def __init__(
        self,
        model: str,
        layer: LayerChoice = "last",
        subsample: int = 1,
        download_dir: str | None = None,
        random_weights: int | None = None,
    ):
        check_seed(random_weights)
        directory = find_huggingface(model, download_dir)
        huggingface_files(directory)
        backbone = build_backbone(directory, layer, random_weights)
        name = str(directory)
        if random_weights is not None:
            name += f", untrained (random weights, seed {random_weights})"
        super().__init__(name, backbone, layer, subsample)


def build_backbone(
    directory: Path, layer: LayerChoice, random_weights: int | None = None
) -> Backbone:
    """Load a model's encoder and wrap it by how it takes its input.

    Raises:
        DataError: See ``HuggingFaceEncoder``.
        ValueError: What ``last`` would read is not supported.
    """
    from espnet_sentiment.encoder.any_speech import SpeechBackbone
    from espnet_sentiment.encoder.audio_tower import audio_tower, refusal
    from espnet_sentiment.encoder.even_pace import check_pace
    from espnet_sentiment.encoder.wav2vec2 import Wav2Vec2Backbone, is_kin
    from espnet_sentiment.encoder.whisper import WhisperBackbone
    from espnet_sentiment.encoder.whisper_kin import WhisperKin
    from espnet_sentiment.encoder.whisper_kin import is_kin as is_whisper_kin

    name = str(directory)
    model, extractor = load_pretrained(directory, random_weights=random_weights)
    if model.config.model_type == "whisper":
        return WhisperBackbone(model, extractor, name)
    encoder = audio_tower(model)
    config = encoder.config
    # One that a decoder was trained on is no addition to what is read.
    if getattr(config, "add_adapter", False) and not config.is_encoder_decoder:
        if layer == "last":
            raise ValueError(
                f"{name} ends in an adapter that lowers the frame rate, which is not "
                "read here: set layer to a number or to weighted_sum"
            )
        encoder.adapter = None
    if is_kin(encoder):
        return Wav2Vec2Backbone(encoder, extractor, name)
    wrap = WhisperKin if is_whisper_kin(encoder) else SpeechBackbone
    try:
        backbone = wrap(encoder, extractor, name, layer)
        check_pace(backbone)
        return backbone
    # Every architecture fails in its own way where it is called amiss.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        why = f"its {type(encoder).__name__} fails on plain noise ({reason})"
        raise refusal(name, model.config, why) from error


def load_pretrained(
    directory: Path,
    model_class: "type[PreTrainedModel] | None" = None,
    unread: Sequence[str] = UNREAD,
    random_weights: int | None = None,
) -> "tuple[PreTrainedModel, FeatureExtractionMixin]":
    """Load a model and its feature extractor from a local directory.

    Args:
        directory: Where the model lies.
        model_class: Its class in transformers; None is that of its audio tower alone.
        unread: Parts of the names of weights that may be missing.
        random_weights: Seed of weights that are drawn, and not read; None reads them.

    Raises:
        DataError: A file is unreadable, or weights that are read are not in it.
    """
    from transformers import AutoConfig, AutoFeatureExtractor
    from transformers.utils import logging

    options = {"local_files_only": True, "trust_remote_code": False}
    had_progress_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        extractor = AutoFeatureExtractor.from_pretrained(directory, **options)
        model_class = model_class or _encoder_class(directory, options)
        if random_weights is not None:
            config = AutoConfig.from_pretrained(directory, **options)
            return draw(model_class, config, random_weights), extractor
        with NoRandomOnMeta():
            model, info = model_class.from_pretrained(
                directory, dtype=torch.float32, output_loading_info=True, **options
            )
    except DataError:
        raise
    # Each file format has its own errors; safetensors' derives from Exception.
    except Exception as error:
        # Files are in order where transformers' class misses a part that is left out.
        remedy = "" if isinstance(error, AttributeError) else "copy the model anew, or "
        raise DataError(
            f"{directory} cannot be loaded ({type(error).__name__}: {error}): {remedy}"
            "point --encoder_model to another"
        ) from error
    finally:
        if had_progress_bar:
            logging.enable_progress_bar()
    tower = str(getattr(model, "tower_path", ""))
    missing = [
        key
        for key in info["missing_keys"]
        if key.startswith(tower) and not any(part in key for part in unread)
    ]
    if missing:
        raise DataError(
            f"{directory} lacks {len(missing)} of the model's weights, "
            f"{min(missing)} among them: copy the model anew"
        )
    return model, extractor


def _encoder_class(directory: Path, options: dict[str, bool]) -> Any:
    """Return the class that reads what the encoder of a model needs."""
    from transformers import AutoConfig

    from espnet_sentiment.encoder.audio_tower import tower_class

    config = AutoConfig.from_pretrained(directory, **options)
    if config.model_type != "whisper":
        return tower_class(config, str(directory))
    from espnet_sentiment.encoder.whisper import EncoderOfWhisper

    return EncoderOfWhisper


def load_tokenizer(
    directory: Path, tokenizer_class: "type[PreTrainedTokenizerBase] | None" = None
) -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a model from its local directory.

    Args:
        directory: Where the model lies.
        tokenizer_class: Its class in transformers; None leaves it to AutoTokenizer.

    Raises:
        DataError: A file is missing or unreadable.
    """
    from transformers import AutoTokenizer

    try:
        return (tokenizer_class or AutoTokenizer).from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    # json and tokenizers each have their own errors.
    except Exception as error:
        raise DataError(
            f"the tokenizer in {directory} cannot be loaded "
            f"({type(error).__name__}: {error}): copy its files anew"
        ) from error
