"""Versions of what numbers depend on, without importing it."""

import functools
import importlib.metadata
import platform

PACKAGES = (
    "espnet_sentiment",
    "espnet",
    "torch",
    "torchaudio",
    "transformers",
    "scikit-learn",
    "numpy",
    # What samples depend on: how files are decoded, and where long ones are cut.
    "soundfile",
    "av",
    "silero-vad",
)


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        found[package] = importlib.metadata.version(package)
    return found
