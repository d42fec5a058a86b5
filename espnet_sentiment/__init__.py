"""Sentiment and emotion of speech from frozen end-to-end ASR encoders, on ESPnet.

    from espnet_sentiment import Speech2Sentiment, SpecAugment, load_model, pack_model

Importing the package registers its SpecAugment and its sentiment decoders with
ESPnet's tasks, see :func:`register`. What the names above stand for is imported when
it is asked for: PyTorch takes seconds.
"""

import importlib
from typing import TYPE_CHECKING

from espnet_sentiment.registration import register

if TYPE_CHECKING:
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.pack.load import load_model
    from espnet_sentiment.pack.pack import pack_model
    from espnet_sentiment.specaug.specaugment import SpecAugment

# The version's one place: setup.cfg reads it here.
__version__ = "0.1.0"

__all__ = [
    "SpecAugment",
    "Speech2Sentiment",
    "__version__",
    "load_model",
    "pack_model",
    "register",
]

# Public name -> its module, as under TYPE_CHECKING.
_MODULES = {
    "SpecAugment": "espnet_sentiment.specaug.specaugment",
    "Speech2Sentiment": "espnet_sentiment.inference.speech2sentiment",
    "load_model": "espnet_sentiment.pack.load",
    "pack_model": "espnet_sentiment.pack.pack",
}

register()


def __getattr__(name: str) -> object:
    """Import a public name, the first time that it is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names of the module, those that are not imported yet included."""
    return sorted({*globals(), *__all__})
