"""Sentiment and emotion of speech from frozen end-to-end ASR encoders, on ESPnet.

Importing the package registers its SpecAugment and its sentiment decoders with
ESPnet's tasks, see :func:`register`.
"""

from espnet_sentiment.registration import register

__version__ = "0.1.0"

__all__ = ["__version__", "register"]

register()
