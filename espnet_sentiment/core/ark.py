"""Kaldi arks, written atomically."""

from collections.abc import Mapping
from pathlib import Path

import kaldiio
import numpy as np

from espnet_sentiment.core.files import atomic_path


def write_ark(ark: Path, matrices: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Write matrices by utterance id.

    Returns:
        The rows of an scp table: ``path:offset`` of every matrix.
    """
    offsets = {}
    with atomic_path(ark) as temporary, open(temporary, "wb") as stream:
        for utt in sorted(matrices):
            # kaldiio writes "<utt> " and then the matrix, where the scp points.
            offsets[utt] = stream.tell() + len(utt.encode()) + 1
            kaldiio.save_ark(stream, {utt: matrices[utt]})
    return {utt: f"{ark}:{offset}" for utt, offset in offsets.items()}
