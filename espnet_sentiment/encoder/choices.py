"""The encoders as ESPnet's class choices, and how they are built.

Toolkits are imported when an encoder is built. What only reads configurations does
well to import ``config`` and ``kinds``, which do without torch, too.
"""

from typing import Any

from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.train.class_choices import ClassChoices
from typeguard import TypeCheckError

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.kinds import KINDS, encoder_name

# ESPnet reserves "none", which is the acoustic baseline on fbank here.
encoder_choices = ClassChoices(
    "encoder",
    {name: kind.load_class() for name, kind in KINDS.items() if name != "none"},
    type_check=AbsEncoder,
    default="huggingface",
    optional=True,
)


def build_encoder(name: str | None, conf: dict[str, Any]) -> AbsPretrainedEncoder:
    """Build the encoder that a config names.

    Args:
        name: One of ``KINDS``; None is ``none``.
        conf: The arguments of its class.

    Raises:
        ValueError: There is no such encoder.
        DataError: A value of ``conf`` is wrong, or the model cannot be loaded.
    """
    name = encoder_name(name)
    cls = KINDS[name].load_class()
    try:
        return cls(**conf)
    except (ValueError, TypeError, TypeCheckError) as error:
        raise DataError(f"encoder_conf: {error}") from error
