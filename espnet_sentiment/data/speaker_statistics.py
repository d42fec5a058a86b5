"""What is known of every speaker's features, without labels."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from espnet_sentiment.core.files import PathLike, atomic_path
from espnet_sentiment.data.feature_store import (
    FeatureStatistics,
    FeatureStore,
    feature_statistics,
)

SPEAKERS = "speakers.npz"


def speaker_statistics(
    store: FeatureStore, utt2spk: Mapping[str, str]
) -> dict[str, FeatureStatistics]:
    """Sum up the clean features of every speaker.

    Args:
        store: A store of clean features.
        utt2spk: The speaker of every utterance that counts.
    """
    spoken = defaultdict(list)
    for utt, speaker in utt2spk.items():
        spoken[speaker].append(utt)
    return {name: feature_statistics(store, utts) for name, utts in spoken.items()}


def write_speakers(
    path: PathLike,
    utt2spk: Mapping[str, str],
    statistics: Mapping[str, FeatureStatistics],
    mean_and_std: Callable[[FeatureStatistics], np.ndarray],
) -> None:
    """Write what every speaker's utterances are normalised by.

    Args:
        path: File to write.
        utt2spk: The speaker of every utterance.
        statistics: What :func:`speaker_statistics` returned.
        mean_and_std: Makes (2, D) float32 of a speaker's statistics.
    """
    numbers = {speaker: number for number, speaker in enumerate(statistics)}
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(
            stream,
            utts=np.array(list(utt2spk)),
            speakers=np.array([numbers[speaker] for speaker in utt2spk.values()]),
            mean_and_std=np.stack([mean_and_std(s) for s in statistics.values()]),
        )


class SpeakerAffine(Mapping[str, np.ndarray]):
    """Mean and standard deviation (2, D) of every utterance's speaker.

    Args:
        path: What :func:`write_speakers` wrote.
    """

    def __init__(self, path: PathLike):
        with np.load(path, allow_pickle=False) as arrays:
            self._table = arrays["mean_and_std"]
            pairs = zip(arrays["utts"].tolist(), arrays["speakers"], strict=True)
            self._number = dict(pairs)

    def __len__(self) -> int:
        return len(self._number)

    def __iter__(self) -> Iterator[str]:
        return iter(self._number)

    def __getitem__(self, utt: str) -> np.ndarray:
        return self._table[self._number[utt]]
