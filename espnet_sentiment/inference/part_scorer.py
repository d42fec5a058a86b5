"""From a batch of parts of recordings to scores, or to features; then to an answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.mono import Heard
from espnet_sentiment.data.speaker_statistics import BY_ALL
from espnet_sentiment.inference.by_speaker import Encoded
from espnet_sentiment.inference.classifier import Classifier, Scores
from espnet_sentiment.inference.long_recordings import NothingToAnswerError
from espnet_sentiment.inference.part_words import PartWords
from espnet_sentiment.inference.parts import Part, ScoredPart, put_together
from espnet_sentiment.inference.result import Sentiment


class PartScorer:
    """Reads parts, and classifies or encodes them; several threads may call it.

    Args:
        classifier: With its encoder.
        words: Recognises what is said.
    """

    def __init__(self, classifier: Classifier, words: PartWords):
        self.classifier, self.words = classifier, words
        self._encoder = classifier.encoder

    def score(
        self, parts: Sequence[Part], transcript: bool
    ) -> list[ScoredPart | DataError]:
        """Classify a batch; what cannot be read does not harm the others.

        Args:
            parts: Of any recordings.
            transcript: Whether words are asked for.
        """
        found: dict[int, ScoredPart | DataError] = {}
        heard, texts = self._hear(parts, transcript, found)
        scores = self._classify([one.samples for one in heard.values()], texts)
        for (index, one), row, text in zip(heard.items(), scores, texts, strict=True):
            if row is None or not np.isfinite(row.posteriors).all():
                found[index] = self._fault(parts[index], row is None)
                continue
            words = None
            if transcript and row.attention is not None:
                aligned = self.words.aligned(one.samples, text)
                words = self.words.weighed(parts[index], row.attention, aligned)
            found[index] = ScoredPart(row, text, words, one.notes)
        return [found[index] for index in range(len(parts))]

    def encode(
        self, parts: Sequence[Part], transcript: bool
    ) -> list[Encoded | DataError]:
        """Encode a batch, to be classified later; as ``score``."""
        found: dict[int, Encoded | DataError] = {}
        heard, texts = self._hear(parts, transcript, found)
        features = self._features([one.samples for one in heard.values()])
        for (index, one), array, text in zip(
            heard.items(), features, texts, strict=True
        ):
            if array is None or not np.isfinite(array).all():
                found[index] = self._fault(parts[index], array is None)
                continue
            words = None
            if transcript and self.classifier.has_attention:
                words = self.words.aligned(one.samples, text)
            found[index] = Encoded(array, text, words, one.notes)
        return [found[index] for index in range(len(parts))]

    def answer(
        self,
        parts: Sequence[Part],
        scored: Sequence[ScoredPart | DataError],
        normalisation: str | None = None,
    ) -> Sentiment:
        """Return the answer of a recording.

        Args:
            parts: All of it.
            scored: What is known of each.
            normalisation: By which statistics, where not by the training speakers'.

        Raises:
            DataError: Nothing is known of a part.
        """
        if self.classifier.of_speaker is not None:
            normalisation = normalisation or BY_ALL
        return put_together(
            parts,
            scored,
            self.classifier.classes,
            self._encoder.frame_shift,
            self._encoder.dtype_name,
            normalisation,
        )

    def _hear(
        self, parts: Sequence[Part], transcript: bool, found: dict[int, Any]
    ) -> tuple[dict[int, Heard], Sequence[str | None]]:
        """Read a batch; of what cannot be read, the reason goes into ``found``.

        Returns:
            Samples by their place in the batch, and, if need be, what is said in each.
        """
        heard: dict[int, Heard] = {}
        for index, part in enumerate(parts):
            try:
                heard[index] = part.hear(self._encoder.sample_rate)
            except DataError as error:
                found[index] = error
        if not heard or not (transcript or self.classifier.reads_text):
            return heard, [None] * len(heard)
        return heard, self.words.texts([one.samples for one in heard.values()])

    def _classify(
        self, waves: Sequence[np.ndarray], texts: Sequence[str | None]
    ) -> Sequence[Scores | None]:
        """Classify waveforms (N,); None is too short."""
        if not waves:
            return []
        try:
            return self.classifier(waves, texts)
        except TooShortUttError:
            if len(waves) == 1:
                return [None]
        pairs = zip(waves, texts, strict=True)
        return [row for wave, text in pairs for row in self._classify([wave], [text])]

    def _features(self, waves: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """Encode waveforms (N,), (T, L * D) in float16 each; None is too short."""
        if not waves:
            return []
        try:
            feats, lengths = self._encoder(waves)
        except TooShortUttError:
            if len(waves) == 1:
                return [None]
            return [row for wave in waves for row in self._features([wave])]
        rows = feats.half().cpu().numpy()
        pairs = zip(rows, lengths.tolist(), strict=True)
        return [row[:length].copy() for row, length in pairs]

    def _fault(self, part: Part, is_short: bool) -> DataError:
        """Say why a part that was read has no scores."""
        name = part.recording.name
        if is_short:
            return NothingToAnswerError(
                f"{name} is too short for the encoder: {part.seconds:.3f} s"
            )
        self._encoder.check_weights()
        remedy = "look at the samples, or compute in float32 (--dtype float32)"
        if self._encoder.dtype == torch.float32:
            remedy = "look at the samples, or leave it out"
        return DataError(f"{name}: the encoder's output is not finite; {remedy}")
