"""Two passes over recordings: hear all, then classify each by its speaker.

What a speaker is normalised by is known when his last recording has been heard.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.threads import alone_after_fork, worker_pool
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
from espnet_sentiment.inference.batching import score_in_batches
from espnet_sentiment.inference.by_speaker import (
    Affines,
    HeardAll,
    Waiting,
    told,
    with_names,
)
from espnet_sentiment.inference.classifier import BATCH_VALUES, Scores
from espnet_sentiment.inference.part_batches import PartBatches
from espnet_sentiment.inference.part_scorer import PartScorer
from espnet_sentiment.inference.parts import Part, ScoredPart
from espnet_sentiment.inference.result import Sentiment


class TwoPasses:
    """Answers recordings by what their speakers sound like.

    Args:
        scorer: Of a model that is normalised by speaker.
        known: Statistics from before, to which what is heard is added.
    """

    def __init__(self, scorer: PartScorer, known: SpeakerStatistics):
        self._scorer, self._known = scorer, known
        self._affines = Affines(known, scorer.classifier.of_speaker)

    def answers(
        self,
        batches: PartBatches,
        inputs: Iterable,
        speakers: Iterable[str | None],
        on_error: str,
    ) -> Iterator[Sentiment | DataError]:
        """Classify recordings; see ``Speech2Sentiment.predict``."""
        heard = self._hear_all(batches, inputs, speakers, on_error)

        def score(batch: Sequence[Waiting[Part]]) -> list[Scores]:
            return self._scores(heard, batch)

        classifier = self._scorer.classifier
        with (
            worker_pool(classifier.device.type) as pool,
            alone_after_fork(),
        ):
            process = os.getpid()
            rows = score_in_batches(
                pool,
                score,
                (() if isinstance(one, DataError) else one for one in heard),
                lambda part: part.frames,
                max(1, BATCH_VALUES // classifier.channels),
            )
            for waiting, scores in zip(heard, rows, strict=True):
                if isinstance(waiting, DataError):
                    yield waiting
                else:
                    yield self._answer(waiting, scores)
                batches.guard.check(process)

    def answer_one(
        self, parts: Sequence[Part], speaker: str, transcript: bool
    ) -> Sentiment:
        """Classify one recording, by all that is known with it.

        Args:
            parts: All of it.
            speaker: Who speaks.
            transcript: Whether words are asked for.

        Raises:
            DataError: It cannot be classified; then nothing of it counts.
        """
        heard: HeardAll[Part] = HeardAll(self._known)
        encoded = [
            row for part in parts for row in self._scorer.encode([part], transcript)
        ]
        heard.add(parts, encoded, speaker)
        waiting = next(iter(heard))
        if isinstance(waiting, DataError):
            raise waiting
        scores = [row for one in waiting for row in self._scores(heard, [one])]
        return self._answer(waiting, scores)

    def _hear_all(
        self,
        batches: PartBatches,
        inputs: Iterable,
        speakers: Iterable[str | None],
        on_error: str,
    ) -> HeardAll[Part]:
        """Encode all recordings, and add what is heard to what is known."""
        heard: HeardAll[Part] = HeardAll(self._known)
        names: deque[str | None] = deque()
        named = with_names(inputs, speakers, names)
        for plan, encoded in batches.encoded(named):
            speaker = names.popleft()
            failed = [plan] if isinstance(plan, DataError) else encoded
            error = next((e for e in failed if isinstance(e, DataError)), None)
            if error is not None and on_error == "raise":
                raise error
            if isinstance(plan, DataError):
                heard.fail(plan)
            else:
                heard.add([part.unread() for part in plan], encoded, speaker)
        return heard

    def _scores(
        self, heard: HeardAll[Part], batch: Sequence[Waiting[Part]]
    ) -> list[Scores]:
        return self._scorer.classifier.from_store(
            [heard.features(one) for one in batch],
            [one.encoded.text for one in batch],
            [self._affines[one.speaker] for one in batch],
        )

    def _answer(
        self, waiting: Sequence[Waiting[Part]], scores: Sequence[Scores]
    ) -> Sentiment:
        rows = []
        for one, row in zip(waiting, scores, strict=True):
            _, text, words, notes = one.encoded
            weights = None
            if words is not None and row.attention is not None:
                weights = self._scorer.words.weighed(one.part, row.attention, words)
            rows.append(ScoredPart(row, text, weights, notes))
        frame_shift = self._scorer.classifier.encoder.frame_shift
        return self._scorer.answer(
            [one.part for one in waiting],
            rows,
            told(waiting[0].speaker, self._known, frame_shift),
        )
