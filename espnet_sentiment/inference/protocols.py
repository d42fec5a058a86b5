"""What conversations and streams need of a model; ``Speech2Sentiment`` has it."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
from espnet_sentiment.inference.result import Sentiment
from espnet_sentiment.inference.waveform import Excerpt, Recording


class HearsSpeech(Protocol):
    """What is read by whoever cuts sound into turns."""

    sample_rate: int
    max_seconds: float

    @property
    def by_speaker(self) -> bool:
        """Whether it is normalised by speaker."""
        ...


class AnswersExcerpts(HearsSpeech, Protocol):
    """Answers turns when all are known."""

    classes: list[str]
    dtype: str
    channel: str | None

    def predict(
        self,
        inputs: Iterable[Excerpt],
        transcript: bool = False,
        on_error: str = "raise",
        speakers: Iterable[str | None] | None = None,
        speaker_statistics: SpeakerStatistics | None = None,
    ) -> Iterator[Sentiment | DataError]:
        """Classify excerpts; see ``Speech2Sentiment.predict``."""
        ...


class AnswersTurns(HearsSpeech, Protocol):
    """Answers turns one by one, as they end."""

    def answer_turn(
        self,
        recording: Recording,
        transcript: bool = False,
        speaker: str | None = None,
        known: SpeakerStatistics | None = None,
    ) -> Sentiment:
        """Classify a turn; see ``Speech2Sentiment.answer_turn``."""
        ...

    def claimed(self, known: SpeakerStatistics | None) -> SpeakerStatistics:
        """Return statistics that fit; see ``Speech2Sentiment.claimed``."""
        ...
