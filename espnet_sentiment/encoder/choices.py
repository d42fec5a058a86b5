"""Which encoders there are.

Toolkits are imported when an encoder is built. What only reads configurations does
well to import ``espnet_sentiment.encoder.config``, which does without torch, too.
"""

from typing import Any

from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.train.class_choices import ClassChoices
from typeguard import TypeCheckError

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.config import (
    encoder_name,
    input_kind,
    load_encoder_config,
)
from espnet_sentiment.encoder.espnet_asr import ESPnetEncoder
from espnet_sentiment.encoder.fbank import FbankEncoder
from espnet_sentiment.encoder.huggingface import HuggingFaceEncoder
from espnet_sentiment.encoder.torchaudio_models import TorchaudioEncoder

__all__ = ["build_encoder", "encoder_choices", "input_kind", "load_encoder_config"]

# ESPnet reserves "none", which is the acoustic baseline on fbank here.
encoder_choices = ClassChoices(
    "encoder",
    {
        "espnet": ESPnetEncoder,
        "huggingface": HuggingFaceEncoder,
        "torchaudio": TorchaudioEncoder,
    },
    type_check=AbsEncoder,
    default="huggingface",
    optional=True,
)


def build_encoder(name: str | None, conf: dict[str, Any]) -> AbsPretrainedEncoder:
    """Build the encoder that a config names.

    Args:
        name: ``espnet``, ``huggingface``, ``torchaudio``, or ``none``, which None
            stands for as well.
        conf: The arguments of its class.

    Raises:
        ValueError: There is no such encoder.
        DataError: A value of ``conf`` is wrong, or the model cannot be loaded.
    """
    name = encoder_name(name)
    cls = FbankEncoder if name == "none" else encoder_choices.get_class(name)
    try:
        return cls(**conf)
    except (ValueError, TypeError, TypeCheckError) as error:
        raise DataError(f"encoder_conf: {error}") from error
