"""What is known of every speaker's features, without labels."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import PathLike, atomic_path
from espnet_sentiment.data.feature_store import (
    FeatureStatistics,
    FeatureStore,
    add_up,
    feature_statistics,
    frame_sums,
)

SPEAKERS = "speakers.npz"
# What every table and answer calls it: the tested speaker's other recordings are seen.
SPEAKER_NORMALISED = "speaker-normalised (unlabelled test speakers)"
BY_ALL = "normalised by the training speakers' statistics"


def spoken_by(utt2spk: Mapping[str, str]) -> dict[str, list[str]]:
    """Return every speaker's utterances; who is not known has none.

    Args:
        utt2spk: Speakers; of an unknown one, the utterance's id, as Kaldi has it.
    """
    spoken: dict[str, list[str]] = {}
    for utt, speaker in utt2spk.items():
        if speaker != utt:
            spoken.setdefault(speaker, []).append(utt)
    return spoken


def speaker_statistics(
    store: FeatureStore, utt2spk: Mapping[str, str]
) -> dict[str, FeatureStatistics]:
    """Sum up the clean features of every speaker who is known.

    Args:
        store: A store of clean features.
        utt2spk: See :func:`spoken_by`; utterances that the store lacks count nothing.
    """
    kept = {utt: speaker for utt, speaker in utt2spk.items() if utt in store}
    spoken = spoken_by(kept)
    return {name: feature_statistics(store, utts) for name, utts in spoken.items()}


def write_speakers(
    path: PathLike,
    utt2spk: Mapping[str, str],
    statistics: Mapping[str, FeatureStatistics],
    mean_and_std: Callable[[FeatureStatistics | None], np.ndarray],
) -> None:
    """Write what every speaker's utterances are normalised by.

    Args:
        path: File to write.
        utt2spk: The speaker of every utterance.
        statistics: What :func:`speaker_statistics` returned.
        mean_and_std: Makes (2, D) float32 of a speaker's statistics; of None, those of
            who is not known.
    """
    numbers = {speaker: number for number, speaker in enumerate(statistics, 1)}
    of_utts = [
        0 if speaker == utt else numbers.get(speaker, 0)
        for utt, speaker in utt2spk.items()
    ]
    table = [mean_and_std(one) for one in (None, *statistics.values())]
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(
            stream,
            utts=np.array(list(utt2spk)),
            speakers=np.array(of_utts),
            mean_and_std=np.stack(table),
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


class SpeakerStatistics:
    """What a model has heard of speakers: sums of features, and nothing else.

    ``Speech2Sentiment.predict`` takes it, adds to it what it hears, and so knows a
    caller who returns. Neither sound nor words can be made of it; the voice can be
    told by it, so it is personal data all the same.

    Args:
        origin: What the features come from; None takes those of the first model that
            uses it.
    """

    def __init__(self, origin: str | None = None):
        self.origin = origin
        self._sums: dict[str, FeatureStatistics] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sums)

    def __getitem__(self, speaker: str) -> FeatureStatistics:
        return self._sums[speaker]

    def claim(self, origin: str) -> None:
        """Check that it is of the features of a model, or may be from now on.

        Raises:
            UserError: It is of others.
        """
        if self.origin not in (None, origin):
            raise UserError(
                "the speakers' statistics are of another encoder's features than the "
                "model's: keep a file of them for each encoder"
            )
        self.origin = origin

    def add(self, speaker: str, features: np.ndarray) -> None:
        """Add features (T, D) of a speaker."""
        self._add(speaker, frame_sums([features], features.shape[1]))

    def merge(self, other: "SpeakerStatistics") -> None:
        """Add what another has heard."""
        for speaker in other:
            self._add(speaker, other[speaker])

    def _add(self, speaker: str, found: FeatureStatistics) -> None:
        known = self._sums.get(speaker)
        self._sums[speaker] = found if known is None else add_up([known, found])

    def save(self, path: PathLike) -> None:
        """Write them, for another time."""
        rows = list(self._sums.values())
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez(
                stream,
                origin=np.array(self.origin or ""),
                speakers=np.array(list(self._sums), dtype=np.str_),
                count=np.array([row["count"] for row in rows]),
                sum=np.array([row["sum"] for row in rows]),
                sum_square=np.array([row["sum_square"] for row in rows]),
            )

    @classmethod
    def load(cls, path: PathLike) -> "SpeakerStatistics":
        """Read what :meth:`save` wrote; nothing in it is executed.

        Raises:
            DataError: It is missing, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = cls(str(arrays["origin"]) or None)
                columns = [arrays[key] for key in ("count", "sum", "sum_square")]
                names = arrays["speakers"].tolist()
            for name, count, total, square in zip(names, *columns, strict=True):
                finite = np.isfinite(total).all() and np.isfinite(square).all()
                if not finite or total.shape != square.shape or not count > 0:
                    raise ValueError(f"the sums of {name!r} are no sums of frames")
                found._sums[str(name)] = {
                    "count": count,
                    "sum": total.astype(np.float64),
                    "sum_square": square.astype(np.float64),
                }
        except FileNotFoundError:
            raise DataError(
                f"{path} does not exist: name what speaker_statistics were kept in"
            ) from None
        except Exception as error:  # of zip files, of numpy's and of ours
            raise DataError(
                f"{path} holds no statistics of speakers ({error}): name another, or "
                "delete it and let it be made anew"
            ) from None
        return found
