"""Reference points: the majority class, and how far annotators agree."""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from espnet_sentiment.data.votes import counted_votes

MAX_VOTES = 1000  # of an utterance, by single annotators


def majority_reference(labels: Sequence[str]) -> dict[str, float]:
    """Return WA and UA of always answering the most frequent class."""
    counts = Counter(labels)
    return {
        "wa": counts.most_common(1)[0][1] / len(labels),
        "ua": 1 / len(counts),
    }


def _votes(text: str, labels: Container[str]) -> list[tuple[str, float]]:
    """Return single votes and how often each was given; those for nobody are none."""
    return [(vote, count) for vote, count in counted_votes(text, labels) if count]


def human_reference(
    utt2label: Mapping[str, str], utt2votes: Mapping[str, str]
) -> dict[str, float] | None:
    """Return the average agreement of single annotators with the label.

    Args:
        utt2label: The majority label of every utterance.
        utt2votes: The annotators' votes, separated by spaces, see
            :mod:`espnet_sentiment.data.votes`. One that names several categories joins
            them by ``+``, and agrees with the label if it is among them.

    Returns:
        WA over utterances and UA over classes (paper, Table 2), or None when the
        corpus gives no votes.
    """
    agreement: dict[str, list] = {}
    labels = set(utt2label.values())
    for utt, label in utt2label.items():
        votes = _votes(utt2votes.get(utt, ""), labels)
        if votes:
            agree = [label in {vote, *vote.split("+")} for vote, _ in votes]
            counts = [count for _, count in votes]
            agreement.setdefault(label, []).append(np.average(agree, weights=counts))
    if not agreement:
        return None
    return {
        "wa": float(
            np.mean([share for shares in agreement.values() for share in shares])
        ),
        "ua": float(np.mean([np.mean(shares) for shares in agreement.values()])),
    }


class LeftOut(NamedTuple):
    """Annotators against the majority of the others who heard the same utterance.

    Attributes:
        rows: Utterance, majority of the others, and the annotator's vote; one of
            several categories counts as the majority where that is among them.
        ties: Votes that are left out, because the others do not agree.
        others: Votes that are left out, because the others agree on what is no class.
        alone: Utterances that are left out, because one annotator heard them.
        shares: Utterances that are left out, because their votes are counted by no
            whole numbers, or by thousands: nobody's is told apart.
    """

    rows: list[tuple[str, str, str]]
    ties: int
    others: int
    alone: int
    shares: int


def left_out(
    utts: Iterable[str], classes: Collection[str], utt2votes: Mapping[str, str]
) -> LeftOut:
    """Ask each annotator about utterances whose majority the others make alone.

    The label would count the vote that is compared with it.

    Args:
        utts: Utterances; those without votes are passed over.
        classes: Class names.
        utt2votes: The annotators' votes, see :mod:`espnet_sentiment.data.votes`.
    """
    rows: list[tuple[str, str, str]] = []
    missed: Counter[str] = Counter()
    for utt in utts:
        votes = _single_votes(utt2votes.get(utt, ""), classes)
        if votes is None or len(votes) == 1:
            missed["shares" if votes is None else "alone"] += 1
            continue
        parts = [_named(vote, classes) for vote in votes]
        every: Counter[str] = Counter()
        for names in parts:
            every.update(_shared(names))
        for vote, names in zip(votes, parts, strict=True):
            others = every.copy()
            others.subtract(_shared(names))
            best = max(others.values())
            first, *more = [name for name, share in others.items() if share == best]
            if more or first not in classes:
                missed["ties" if more else "others"] += 1
                continue
            rows.append((utt, first, first if first in names else vote))
    kinds = ("ties", "others", "alone", "shares")
    return LeftOut(rows, *(missed[kind] for kind in kinds))


def krippendorff_alpha(
    utt2votes: Mapping[str, str], classes: Collection[str]
) -> dict[str, float] | None:
    """Return Krippendorff's alpha of nominal votes, of annotators who are not known.

    Krippendorff, "Content analysis", 2004, chapter 11. Votes for no class count,
    too; one for several categories is a value of its own.

    Args:
        utt2votes: Votes of all utterances, those without a majority included.
        classes: Class names.

    Returns:
        ``alpha``, and how many utterances (``n_utterances``, of two votes and more) and
        votes (``n_votes``) it is of. None where no two annotators heard the same, or
        all votes are for one value, which leaves nothing to agree on.
    """
    counted = [
        Counter("+".join(sorted(_named(vote, classes))) for vote in votes)
        for text in utt2votes.values()
        if (votes := _single_votes(text, classes)) is not None and len(votes) > 1
    ]
    values = sorted({value for of in counted for value in of})
    if len(values) < 2:
        return None
    import krippendorff

    table = np.array([[of[value] for value in values] for of in counted])
    alpha = krippendorff.alpha(value_counts=table, level_of_measurement="nominal")
    return {
        "alpha": float(alpha),
        "n_utterances": len(counted),
        "n_votes": int(table.sum()),
    }


def _single_votes(text: str, classes: Container[str]) -> list[str] | None:
    """Return an utterance's votes one by one; None where they cannot be told apart."""
    counted = list(_votes(text, classes))
    total = sum(count for _, count in counted)
    if total > MAX_VOTES or any(count != int(count) for _, count in counted):
        return None
    return [vote for vote, count in counted for _ in range(int(count))]


def _named(vote: str, classes: Container[str]) -> list[str]:
    return [vote] if vote in classes else vote.split("+")


def _shared(names: Sequence[str]) -> dict[str, Fraction]:
    # No rounding makes a tie, or breaks one.
    return {name: Fraction(1, len(names)) for name in names}
