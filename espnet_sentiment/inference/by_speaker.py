"""What waits between two passes over recordings: features, and speakers' statistics.

The features of the first pass wait on disk; ``two_passes.py`` goes over recordings.
"""

import dataclasses
import itertools
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.core.ark import Spool
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.data.speaker_statistics import (
    BY_ALL,
    SPEAKER_NORMALISED,
    SpeakerStatistics,
)
from espnet_sentiment.encoder.reference import without_places


class Encoded(NamedTuple):
    """What the first pass hears of a part.

    Args:
        features: (T, L * D) in float16, as the feature store keeps them.
        text: What was said, where that is asked for.
        words: Its words and their times, where those are.
        notes: What is odd about it.
    """

    features: np.ndarray
    text: str | None
    words: list[AlignedWord] | None
    notes: tuple[str, ...]


class Waiting[Plan](NamedTuple):
    """A part whose features are on disk."""

    part: Plan
    key: str
    frames: int
    speaker: str | None
    encoded: Encoded  # without its features


@dataclasses.dataclass
class HeardAll[Plan]:
    """The first pass: recordings in their order, and what their speakers sound like.

    Args:
        known: Statistics from before, to which what is heard is added.
    """

    known: SpeakerStatistics

    def __post_init__(self):
        self._spool = Spool(tempfile.gettempdir())
        self._recordings: list[list[Waiting[Plan]] | DataError] = []

    def add(
        self,
        parts: Sequence[Plan],
        encoded: Sequence[Encoded | DataError],
        speaker: str | None,
    ) -> None:
        """Add a recording; of one that cannot be answered nothing counts."""
        whole: list[Encoded] = []
        for one in encoded:
            if isinstance(one, DataError):
                self.fail(one)
                return
            whole.append(one)
        waiting: list[Waiting[Plan]] = []
        for part, row in zip(parts, whole, strict=True):
            key = f"{len(self._recordings)} {len(waiting)}"
            self._spool[key] = row.features
            if speaker is not None:
                self.known.add(speaker, row.features)
            light = row._replace(features=row.features[:0])
            waiting.append(Waiting(part, key, len(row.features), speaker, light))
        self._recordings.append(waiting)

    def fail(self, error: DataError) -> None:
        """Add a recording that cannot be answered."""
        self._recordings.append(error)

    def __iter__(self) -> Iterator[list[Waiting[Plan]] | DataError]:
        return iter(self._recordings)

    def features(self, waiting: Waiting[Plan]) -> np.ndarray:
        """Read the features (T, L * D) of a part."""
        return self._spool[waiting.key]


class Affines:
    """What a model normalises each speaker by, computed once.

    Args:
        known: What was heard of speakers.
        of_speaker: As of ``Classifier``.
    """

    def __init__(self, known: SpeakerStatistics, of_speaker: Callable | None):
        if of_speaker is None:
            raise ValueError("the model is not normalised by speaker")
        self._known, self._of_speaker = known, of_speaker
        self._table: dict[str | None, np.ndarray] = {}

    def __getitem__(self, speaker: str | None) -> np.ndarray:
        if speaker not in self._table:
            sums = None if speaker is None else self._known[speaker]
            self._table[speaker] = self._of_speaker(sums).cpu().numpy()
        return self._table[speaker]


def statistics_origin(config: Mapping) -> str:
    """Return what tells apart the features that statistics of speakers are of.

    Args:
        config: A model's ``config.yaml``.
    """
    given = config["encoder_conf"]
    conf = {key: given.get(key) for key in ("layer", "subsample")}
    conf |= without_places(given)
    return sha256_of([config["encoder_reference"].get("sha256"), conf])


def told(speaker: str | None, known: SpeakerStatistics, frame_shift: float) -> str:
    """Say by which statistics an answer was normalised."""
    if speaker is None:
        return BY_ALL
    seconds = float(known[speaker]["count"]) * frame_shift
    return f"{SPEAKER_NORMALISED}: {speaker}, {seconds:.1f} s"


def with_names(
    inputs: Iterable, speakers: Iterable[str | None], names: deque[str | None]
) -> Iterator:
    """Give inputs, and note who speaks.

    Raises:
        UserError: There are fewer of one than of the other, or a name is none.
    """
    none = object()
    for speech, speaker in itertools.zip_longest(inputs, speakers, fillvalue=none):
        if speaker is none or speech is none:
            raise UserError(
                "there are not as many speakers as recordings: give a name, or None, "
                "for each"
            )
        if not (speaker is None or (isinstance(speaker, str) and speaker)):
            raise UserError(
                f"{speaker!r} is no speaker's name: give a text, or None for nobody "
                "who is known"
            )
        names.append(speaker)
        yield speech
