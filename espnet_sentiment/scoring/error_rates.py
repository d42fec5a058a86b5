"""Word and character error rates, by jiwer's alignments."""

import dataclasses
from collections.abc import Sequence

import jiwer
import numpy as np

from espnet_sentiment.scoring.metrics import BOOTSTRAP_SAMPLES


@dataclasses.dataclass(frozen=True)
class Errors:
    """What a hypothesis' alignment with its reference counts.

    Args:
        hits: Reference tokens that are right.
        substitutions: Reference tokens that another stands for.
        deletions: Reference tokens that nothing stands for.
        insertions: Tokens that stand for none of the reference's.
    """

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def n_reference(self) -> int:
        """Tokens of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def total(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions


@dataclasses.dataclass(frozen=True)
class ErrorAlignment:
    """An utterance's errors, and reference and hypothesis one above the other."""

    words: Errors
    characters: Errors
    picture: str


def align(reference: str, hypothesis: str) -> ErrorAlignment:
    """Align an utterance by words and by characters, the spaces between words included.

    Either may be empty.
    """
    reference, hypothesis = " ".join(reference.split()), " ".join(hypothesis.split())
    words = jiwer.process_words(reference, hypothesis)
    picture = jiwer.visualize_alignment(words, show_measures=False, skip_correct=False)
    return ErrorAlignment(
        _errors(words),
        _errors(jiwer.process_characters(reference, hypothesis)),
        # The title that it begins with numbers the utterances, of which there is one.
        picture.split("\n", 2)[2],
    )


def _errors(output: jiwer.WordOutput | jiwer.CharacterOutput) -> Errors:
    return Errors(
        output.hits, output.substitutions, output.deletions, output.insertions
    )


def summary(alignments: Sequence[ErrorAlignment]) -> dict:
    """Return the sizes of the reference, and ``wer`` and ``cer`` by ``error_rate``."""
    words = [alignment.words for alignment in alignments]
    characters = [alignment.characters for alignment in alignments]
    return {
        "n_utterances": len(alignments),
        "n_words": sum(errors.n_reference for errors in words),
        "n_characters": sum(errors.n_reference for errors in characters),
        "wer": error_rate(words),
        "cer": error_rate(characters),
    }


def error_rate(utterances: Sequence[Errors], seed: int = 0) -> dict:
    """Return the rate over all utterances, a long one counting more than a short one.

    Args:
        utterances: Every utterance's errors.
        seed: Seed of the resampling.

    Returns:
        ``rate``, all errors over all reference tokens; the sums of ``hits``,
        ``substitutions``, ``deletions`` and ``insertions``; and ``ci95``, a 95 %
        percentile bootstrap interval over utterances. Without any reference token,
        rate and interval are None.
    """
    counts = [dataclasses.asdict(errors) for errors in utterances]
    sums = {
        field.name: sum(count[field.name] for count in counts)
        for field in dataclasses.fields(Errors)
    }
    wrong = np.array([errors.total for errors in utterances])
    length = np.array([errors.n_reference for errors in utterances])
    if length.sum() == 0:
        return {"rate": None, **sums, "ci95": None}
    rng = np.random.default_rng(seed)
    rates = []
    for _ in range(BOOTSTRAP_SAMPLES):
        draw = rng.integers(len(length), size=len(length))
        if length[draw].any():
            rates.append(wrong[draw].sum() / length[draw].sum())
    return {
        "rate": float(wrong.sum() / length.sum()),
        **sums,
        "ci95": np.percentile(rates, [2.5, 97.5]).tolist(),
    }
