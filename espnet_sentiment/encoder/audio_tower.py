"""The part of a transformers model that hears: found in its structure, loaded alone.

A model is a tree of ``PreTrainedModel`` instances. Its audio tower is the first, from
the top, whose forward takes audio and nothing of a decoder: all of HuBERT, the encoder
of Moonshine, the tower of Qwen2-Audio.
"""

import inspect
from typing import TYPE_CHECKING, Any

from espnet_sentiment.core.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

AUDIO = ("input_features", "input_values")
# What audio is called by encoders that name no such main input.
HIDDEN = ("hidden_states", "audio_mel")
# Whoever takes these has a head, a decoder or a codebook below it.
NOT_ALONE = {
    "audio_codes",
    "decoder_input_ids",
    "decoder_input_values",
    "encoder_hidden_states",
    "input_ids",
    "labels",
}
INSTEAD = (
    "name a speech encoder that can be, such as openai/whisper-base or "
    "microsoft/wavlm-base"
)


def refusal(name: str, config: "PreTrainedConfig", why: str) -> DataError:
    """Return the error that a model is refused by, with what to name instead.

    Args:
        name: The model, for messages.
        config: transformers' configuration of it.
        why: What cannot be read.
    """
    return DataError(
        f"{name} is a {config.model_type} model, which cannot be read: {why}; {INSTEAD}"
    )


def tower_class(config: "PreTrainedConfig", name: str) -> "type[PreTrainedModel]":
    """Return a class that builds and loads a model's audio tower and nothing else.

    Its ``from_pretrained`` reads the weights as transformers reads those of the whole
    model, whose other parts exist on PyTorch's device ``meta`` alone, for a moment.

    Args:
        config: transformers' configuration of the whole model.
        name: The model, for messages.

    Raises:
        DataError: transformers has no class for it.
    """
    whole = _whole_class(config)
    if whole is None:
        raise refusal(name, config, "transformers has no class that loads all of it")

    def build(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        whole.__init__(self, config, *args, **kwargs)
        path = find_tower(self)
        if path is None:
            raise refusal(
                name, config, f"no part of {whole.__name__} turns audio into frames"
            )
        _prune(self, path)
        self.tower_path = path

    def tie_weights(self: Any, *args: Any, **kwargs: Any) -> None:
        # Some classes tie by parts that are gone.
        if self.all_tied_weights_keys:
            whole.tie_weights(self, *args, **kwargs)

    return type(
        # The name and the module decide by which rules old weights are renamed.
        whole.__name__,
        (whole,),
        {
            "__init__": build,
            "tie_weights": tie_weights,
            "__module__": whole.__module__,
            "_keys_to_ignore_on_load_unexpected": (".",),
        },
    )


def _whole_class(config: "PreTrainedConfig") -> "type[PreTrainedModel] | None":
    import transformers

    for name in config.architectures or ():
        cls = getattr(transformers, name, None)
        if isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel):
            return cls
    cls = transformers.MODEL_MAPPING.get(type(config), None)
    return cls[0] if isinstance(cls, tuple) else cls


def find_tower(model: "PreTrainedModel") -> str | None:
    """Return the path of a model's audio tower; "" is all of it, None is nowhere."""
    from transformers import PreTrainedModel

    for path, module in model.named_modules():
        if isinstance(module, PreTrainedModel) and _reads_audio(module):
            return path
    return None


def audio_tower(model: "PreTrainedModel") -> "PreTrainedModel":
    """Return the audio tower of a model of a ``tower_class``."""
    return model.get_submodule(str(model.tower_path))


def _reads_audio(module: "PreTrainedModel") -> bool:
    parameters = list(inspect.signature(module.forward).parameters)
    if not parameters or NOT_ALONE.intersection(parameters):
        return False
    first = parameters[0]
    if first in AUDIO:
        return True
    heard = module.input_modalities in ("audio", ("audio",))
    return heard and first in HIDDEN and module.main_input_name in (first, "input_ids")


def _prune(model: "PreTrainedModel", path: str) -> None:
    """Delete all that does not lead to a part."""
    module: Any = model
    for step in path.split(".") if path else ():
        # How it would fill its own weights may look at parts that are gone.
        module._is_hf_initialized = True
        children = dict(module.named_children())
        for name in children.keys() - {step}:
            delattr(module, name)
        module = children[step]
    if path:
        names = {name for name, _ in model.named_parameters()}
        tied = model.all_tied_weights_keys
        model.all_tied_weights_keys = {
            a: b for a, b in tied.items() if a in names and b in names
        }
