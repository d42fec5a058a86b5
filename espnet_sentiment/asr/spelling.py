"""Words as the labels that a model knows."""

import dataclasses
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

from espnet_sentiment.asr.words import NotAlignedError
from espnet_sentiment.data.token_list import UNKNOWN
from espnet_sentiment.data.words import plain_words


@dataclasses.dataclass(frozen=True)
class Spelling:
    """A transcript as labels.

    Args:
        words: The words that are spelled.
        labels: Label indices (U,).
        bounds: Where the first and the last label of each word are.
        left_out: The words that cannot be spelled.
    """

    words: list[str]
    labels: list[int]
    bounds: list[tuple[int, int]]
    left_out: list[str]

    def of_words(self, times: Sequence[float]) -> list[tuple[float, float]]:
        """Pick the times of each word's first and last label from those of all."""
        return [(times[first], times[last]) for first, last in self.bounds]


def spell(
    text: str,
    text2tokens: Callable[[str], Sequence[str]],
    index: Mapping[str, int],
    space: str | None = None,
) -> Spelling:
    """Spell a transcript in a model's tokens.

    Models are trained on transcripts of other manners than a corpus's: a word is
    taken as it is, else without punctuation in upper or lower case, else without
    accents. Bracketed ones such as ``[LAUGHTER]`` only fit as they are.

    Args:
        text: Words.
        text2tokens: Splits a word into tokens.
        index: The model's tokens and their indices.
        space: The token between words, if there is one.

    Raises:
        NotAlignedError: No word can be spelled.
    """
    if not text.split():
        raise NotAlignedError("the transcript is empty")
    spelling = Spelling([], [], [], [])
    for word in text.split():
        tokens = _tokens(word, text2tokens, index)
        if not tokens:
            spelling.left_out.append(word)
            continue
        if spelling.labels and space is not None:
            spelling.labels.append(index[space])
        first = len(spelling.labels)
        spelling.labels.extend(index[token] for token in tokens)
        spelling.bounds.append((first, len(spelling.labels) - 1))
        spelling.words.append(word)
    if not spelling.words:
        raise NotAlignedError(f"the model can spell no word of {text!r}")
    return spelling


def _tokens(word, text2tokens, index) -> Sequence[str]:
    for form in _forms(word):
        tokens = text2tokens(form)
        if tokens and all(t in index and t != UNKNOWN for t in tokens):
            return tokens
    return []


def _forms(word: str) -> Iterator[str]:
    yield word
    upper = plain_words(word).replace(" ", "")
    if upper:
        yield upper
        yield upper.lower()
        plain = unicodedata.normalize("NFKD", upper)
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        yield plain
        yield plain.lower()
