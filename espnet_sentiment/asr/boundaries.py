"""From the times of labels to the boundaries of words."""

from collections.abc import Sequence

from espnet_sentiment.asr.words import AlignedWord

# A word reaches at most so far beyond the labels that a model wrote for it: on the
# synthetic corpus of egs/mini, 95 % of the words end within 0.36 s of their last label.
REACH = 0.4
LEAST = 0.04  # seconds that a word keeps, whatever is beside it


def words_around(
    texts: Sequence[str], labels: Sequence[tuple[float, float]], duration: float
) -> list[AlignedWord]:
    """Place words around the times of their labels.

    Models write a label at one short moment somewhere within its sound, so a boundary
    is set halfway from a word's last label to the next word's first, ``REACH`` from
    either at most.

    Args:
        texts: Words.
        labels: When the first and the last label of each were written, in seconds.
        duration: Seconds of the utterance.
    """
    words = []
    for index, (text, (first, last)) in enumerate(zip(texts, labels, strict=True)):
        before = (labels[index - 1][1] + first) / 2 if index else 0.0
        after = duration
        if index + 1 < len(labels):
            after = (last + labels[index + 1][0]) / 2
        words.append(
            AlignedWord(max(before, first - REACH), min(after, last + REACH), text)
        )
    return spread(words, duration)


def spread(words: Sequence[AlignedWord], duration: float) -> list[AlignedWord]:
    """Give words that have (nearly) no time of their own ``LEAST`` seconds.

    A word that was written in one moment with its neighbours, as transducers do, would
    have no frame. Words stay within the utterance, in order, and do not overlap; where
    there is no room, they share what there is.

    Args:
        words: Words by their start.
        duration: Seconds of the utterance.
    """
    least = min(LEAST, duration / max(1, len(words)))
    placed: list[AlignedWord] = []
    time = 0.0
    for word in words:
        start = max(word.start, time)
        time = max(word.end, start + least)
        placed.append(AlignedWord(start, time, word.text))
    limit = duration
    for index in range(len(placed) - 1, -1, -1):
        word = placed[index]
        end = min(word.end, limit)
        limit = max(0.0, min(word.start, end - least))
        placed[index] = AlignedWord(limit, end, word.text)
    return placed
