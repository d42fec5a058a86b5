"""Reference points: the majority class, and how far annotators agree."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence

import numpy as np

from espnet_sentiment.data.votes import counted_votes


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
