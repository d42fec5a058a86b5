"""Kaldi arks, written atomically with their scp."""

from collections.abc import Mapping
from pathlib import Path

import kaldiio
import numpy as np

from espnet_sentiment.core.files import atomic_path, write_table


def write_ark(ark: Path, scp: Path, matrices: Mapping[str, np.ndarray]) -> None:
    """Write matrices by utterance id: first the ark, then the scp that completes it."""
    offsets = {}
    with atomic_path(ark) as temporary, open(temporary, "wb") as stream:
        for utt in sorted(matrices):
            # kaldiio writes "<utt> " and then the matrix, where the scp points.
            offsets[utt] = stream.tell() + len(utt.encode()) + 1
            kaldiio.save_ark(stream, {utt: matrices[utt]})
    write_table(scp, {utt: f"{ark}:{offset}" for utt, offset in offsets.items()})
