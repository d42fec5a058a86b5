"""One pass over recordings: they are read ahead, and their parts scored in batches."""

import dataclasses
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.threads import alone_after_fork, ordered, worker_pool
from espnet_sentiment.inference.batching import score_in_batches
from espnet_sentiment.inference.by_speaker import Encoded
from espnet_sentiment.inference.fork_guard import ForkGuard
from espnet_sentiment.inference.part_scorer import PartScorer
from espnet_sentiment.inference.parts import Part, ScoredPart
from espnet_sentiment.inference.result import Sentiment

# The parts of a recording, or why it has none.
type Plan = list[Part] | DataError


@dataclasses.dataclass(frozen=True)
class PartBatches:
    """Goes over recordings once.

    Args:
        scorer: Works on a batch of parts.
        guard: Is asked after every recording.
        plan: Opens an input, given with its number from 0; threads call it.
        seconds: Most seconds of a batch, padding included.
        transcript: Whether words are asked for.
    """

    scorer: PartScorer
    guard: ForkGuard
    plan: Callable[[tuple[int, Any]], Plan]
    seconds: float
    transcript: bool

    def answers(
        self, inputs: Iterable, on_error: str
    ) -> Iterator[Sentiment | DataError]:
        """Classify recordings; see ``Speech2Sentiment.predict``."""

        def score(parts: Sequence[Part]) -> list:
            return self.scorer.score(parts, self.transcript)

        for plan, scored in self._over(inputs, score):
            answer = plan if isinstance(plan, DataError) else self._answer(plan, scored)
            if on_error == "raise" and isinstance(answer, DataError):
                raise answer
            yield answer

    def encoded(
        self, inputs: Iterable
    ) -> Iterator[tuple[Plan, list[Encoded | DataError]]]:
        """Encode recordings, to be classified later."""

        def encode(parts: Sequence[Part]) -> list[Encoded | DataError]:
            return self.scorer.encode(parts, self.transcript)

        return self._over(inputs, encode)

    def _answer(
        self, parts: Sequence[Part], scored: Sequence[ScoredPart | DataError]
    ) -> Sentiment | DataError:
        try:
            return self.scorer.answer(parts, scored)
        except DataError as error:
            return error

    def _over[Row](
        self, inputs: Iterable, work: Callable[[Sequence[Part]], Sequence[Row]]
    ) -> Iterator[tuple[Plan, list[Row]]]:
        """Read recordings, and work on their parts in batches, beside each other.

        Args:
            inputs: Recordings.
            work: Gives something for every part of a batch.
        """
        # Recognition takes most of the time, and one model at a time.
        reads_text = self.transcript or self.scorer.classifier.reads_text
        device = self.scorer.classifier.device.type
        with (
            worker_pool(device, alone=reads_text) as pool,
            # Apart, not to wait for the batches before.
            worker_pool(device) as readers,
            alone_after_fork(),
        ):
            process = os.getpid()
            plans = ordered(readers, self.plan, enumerate(inputs))
            kept: deque[Plan] = deque()

            def groups() -> Iterator[Sequence[Part]]:
                for plan in plans:
                    kept.append(plan)
                    yield () if isinstance(plan, DataError) else plan

            rows = score_in_batches(
                pool,
                work,
                groups(),
                lambda part: math.ceil(100 * part.seconds),
                math.ceil(100 * self.seconds),
            )
            for found in rows:
                yield kept.popleft(), found
                self.guard.check(process)
