"""What a feature store keeps its numbers as."""

from collections.abc import Mapping
from typing import Any

# The first is the default, which nothing names: older stores and configs do not.
STORE_DTYPES = ("float16", "int8")
KEY = "store_dtype"


def store_dtype(settings: Mapping[str, Any]) -> str:
    """Return the type that a store's ``meta`` or an encoder's config names."""
    return settings.get(KEY, STORE_DTYPES[0])


def named_dtype(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what ``meta`` says of it: nothing of the default."""
    return {KEY: settings[KEY]} if KEY in settings else {}
