"""How the encoder that a config names is built.

Toolkits are imported when an encoder is built. What only reads configurations does
well to import ``config`` and ``kinds``, which do without torch, too.
"""

from typing import Any

from typeguard import TypeCheckError

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.kinds import KINDS, encoder_name


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
