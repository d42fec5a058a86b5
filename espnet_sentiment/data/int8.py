"""Features in 8 bits: for each channel of an utterance a scale and an offset.

The channels of an encoder differ in range by orders of magnitude, and most have a mean
far from zero, so that one scale for all, or none but scales, would waste the bits.
"""

import numpy as np

STEPS = 127
# The finest step of float16 near zero, so that no scale becomes 0.
FINEST = 2.0**-24


def to_int8(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round features to 255 steps between their channels' extremes.

    Args:
        features: (T, D) within float16's range.

    Returns:
        int8 (T, D), and float16 (2, D): the scales and the offsets. A value is at most
        half a scale off, and what float16 rounds off an offset.
    """
    features = features.astype(np.float32)
    low, high = features.min(axis=0), features.max(axis=0)
    offset = ((low + high) / 2).astype(np.float16)
    # From the offset as it is kept: none of the extremes may be cut off.
    reach = np.maximum(high - offset, offset - low)
    scale = np.maximum(reach / STEPS, FINEST).astype(np.float16)
    steps = np.rint((features - offset) / scale.astype(np.float32))
    return steps.clip(-STEPS, STEPS).astype(np.int8), np.stack([scale, offset])


def from_int8(steps: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return float32 features (T, D) of what ``to_int8`` returned."""
    scale, offset = affine.astype(np.float32)
    features = np.multiply(steps, scale, dtype=np.float32)
    features += offset
    return features
