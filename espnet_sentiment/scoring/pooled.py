"""Means and standard deviations over time of stored features, kept beside the store."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from espnet_sentiment.core.files import atomic_path, hash_file, sha256_of
from espnet_sentiment.core.seal import seal, sealed
from espnet_sentiment.data.feature_store import INDEX, FeatureStore

ALGORITHM = 1
NAME = "pooled.safetensors"  # beside the folder of the store
# No spread is smaller: a channel that stands still divides by it.
MIN_STD = 1e-5


class Pooled(NamedTuple):
    """Statistics of a corpus.

    Args:
        utts: The utterances, sorted.
        n_frames: Frames of each (N,).
        values: Means, then standard deviations of every layer (N, 2, L, D), float32.
    """

    utts: list[str]
    n_frames: np.ndarray
    values: np.ndarray

    def rows(self, utts: Sequence[str]) -> list[int]:
        """Return the rows of some utterances."""
        row = {utt: i for i, utt in enumerate(self.utts)}
        return [row[utt] for utt in utts]

    def of(self, utts: Sequence[str]) -> "Pooled":
        """Return the statistics of some utterances, sorted."""
        rows = self.rows(utts)
        return Pooled([*utts], self.n_frames[rows], self.values[rows])

    def by_speaker(self, utt2spk: Mapping[str, str]) -> "Pooled":
        """Normalise every speaker's frames to mean 0 and deviation 1, by no label.

        That is what the statistics would be, had the frames of all utterances of a
        speaker been normalised before.
        """
        values = np.empty_like(self.values)
        speakers = np.array([utt2spk[utt] for utt in self.utts])
        for speaker in np.unique(speakers):
            of = speakers == speaker
            mean, std = self.values[of].astype(np.float64).transpose(1, 0, 2, 3)
            share = self.n_frames[of] / self.n_frames[of].sum()
            centre = np.tensordot(share, mean, 1)
            spread = np.tensordot(share, std**2 + (mean - centre) ** 2, 1) ** 0.5
            spread = np.maximum(spread, MIN_STD)
            values[of, 0] = (mean - centre) / spread
            values[of, 1] = std / spread
        return self._replace(values=values)


def pool(store: FeatureStore, say: Callable[[str], None] = print) -> Pooled:
    """Return the statistics of a store, which is read for it once.

    Args:
        store: All layers of clean features.
        say: Takes a line, where they cannot be kept.
    """
    path = store.root.parent / NAME
    of = sha256_of([hash_file(store.root / INDEX), ALGORITHM])
    utts = sorted(store)
    n_frames = np.array([store.n_frames(utt) for utt in utts])
    if sealed(path, of) is not None:
        with safe_open(path, framework="np") as file:
            return Pooled(utts, n_frames, file.get_tensor("values"))
    values = np.stack([_statistics(store[utt], store.n_layers) for utt in utts])
    try:
        with atomic_path(path) as temporary:
            save_file({"values": values}, temporary)
        seal(path, of)
    except OSError as error:
        say(f"{path} is not kept: {error}")
    return Pooled(utts, n_frames, values)


def _statistics(frames: np.ndarray, n_layers: int) -> np.ndarray:
    """Return means and standard deviations (2, L, D) of frames (T, L * D)."""
    x = frames.astype(np.float32)
    mean = x.mean(axis=0)
    x -= mean
    std = np.sqrt(np.einsum("td,td->d", x, x) / len(x))
    return np.stack([mean, std]).reshape(2, n_layers, -1)
