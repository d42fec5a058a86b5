"""Small models with random weights of any speech architecture of transformers."""

import inspect
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto import feature_extraction_auto

SEED = 0
N_LAYERS = 3
SIZES = {
    "hidden_size": 32,
    "d_model": 32,
    "intermediate_size": 48,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "head_dim": 8,
    "vocab_size": 128,
    "vocab_size_per_layer_input": 128,
    "num_experts": 2,
    "num_local_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 16,
}
DEPTHS = (
    "num_hidden_layers",
    "encoder_layers",
    "decoder_layers",
    "speech_encoder_layers",
    "num_layers",
    "t2u_encoder_layers",
    "t2u_decoder_layers",
)


# What the rules above would make inconsistent: keys kept as they are, by type.
KEPT = {
    "bark": ("hidden_size",),
    "csm": ("hidden_size", "head_dim"),
    "mimi": ("hidden_size", "head_dim"),
    "kyutai_speech_to_text": ("vocab_size", "head_dim"),
    "moonshine_streaming": ("num_key_value_heads",),
}


def shrink(conf: dict[str, Any], kept: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a configuration's dictionary with fewer and narrower layers."""
    small: dict[str, Any] = {}
    for key, value in conf.items():
        if isinstance(value, dict) and key == "per_layer_config":
            continue  # by number, of layers that are gone
        if key in kept:
            small[key] = value
        elif isinstance(value, dict):
            small[key] = shrink(value, kept)
        elif key in DEPTHS and isinstance(value, int):
            small[key] = min(value, N_LAYERS)
        elif key in SIZES and isinstance(value, int):
            small[key] = min(value, SIZES[key])
        elif key == "conv_dim" and isinstance(value, list | tuple):
            small[key] = [8] * len(value)
        elif key in ("layer_types", "mlp_layer_types") and isinstance(value, list):
            small[key] = value[-N_LAYERS:]
        elif key == "pad_token_id" and isinstance(value, int):
            small[key] = 0
        else:
            small[key] = value
    return small


def make_small(name: str, folder: Path) -> transformers.PreTrainedModel:
    """Save a small model of a type, and its feature extractor.

    Args:
        name: The model type.
        folder: Where to.

    Returns:
        The model.
    """
    cls = transformers.CONFIG_MAPPING[name]
    config = cls.from_dict(shrink(cls().to_dict(), KEPT.get(name, ())))
    torch.manual_seed(SEED)
    model = model_class(config)(config).eval()
    model.save_pretrained(folder)
    make_extractor(name, model).save_pretrained(folder)
    return model


def model_class(config: Any) -> type[transformers.PreTrainedModel]:
    """Return the class of a configuration: speech to text before a bare model."""
    for mapping in ("MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING", "MODEL_MAPPING"):
        found = getattr(transformers, mapping).get(type(config), None)
        if found is not None:
            return found[0] if isinstance(found, tuple) else found
    for mapping in ("MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING", "MODEL_FOR_CTC_MAPPING"):
        found = getattr(transformers, mapping).get(type(config), None)
        if found is not None:
            return found
    raise ValueError("transformers has no class for it")


def make_extractor(name: str, model: Any) -> Any:
    """Return the feature extractor of a model type, in its default configuration."""
    # transformers' table names the extractor of waveforms here.
    names = dict(feature_extraction_auto.FEATURE_EXTRACTOR_MAPPING_NAMES)
    names["wav2vec2-bert"] = "SeamlessM4TFeatureExtractor"
    cls = getattr(transformers, names.get(name, "Wav2Vec2FeatureExtractor"))
    bins = mel_bins(model.config.to_dict())
    if bins and "feature_size" in inspect.signature(cls.__init__).parameters:
        return cls(feature_size=bins)
    return cls()


def mel_bins(conf: dict[str, Any]) -> int | None:
    """Return how many mel channels a configuration's dictionary names, if any."""
    for key, value in conf.items():
        if key in ("num_mel_bins", "n_mels") and isinstance(value, int):
            return value
        if isinstance(value, dict) and (found := mel_bins(value)):
            return found
    return None
