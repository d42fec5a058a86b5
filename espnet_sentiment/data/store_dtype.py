"""What the features of a store are computed in, and what they are kept as."""

from collections.abc import Mapping
from typing import Any

KEY, COMPUTED = "store_dtype", "compute_dtype"
# The first is the default, which nothing names: older stores and configs do not. What
# is fastest depends on the machine, and what is computed must not: no "auto".
DTYPES = {KEY: ("float16", "int8"), COMPUTED: ("float32", "bfloat16")}


def store_dtype(settings: Mapping[str, Any]) -> str:
    """Return what a store's ``meta``, or an encoder's config, keeps features as."""
    return settings.get(KEY, DTYPES[KEY][0])


def compute_dtype(settings: Mapping[str, Any]) -> str:
    """Return what it says the encoder computes in."""
    return settings.get(COMPUTED, DTYPES[COMPUTED][0])


def named_dtypes(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what ``meta`` says of them: nothing of defaults."""
    return {key: settings[key] for key in DTYPES if key in settings}
