"""Which utterances a report carries with audio and pictures."""

import itertools
from collections import defaultdict
from collections.abc import Iterable

from espnet_sentiment.report.scored import ScoredUtterance


def choose_examples(utterances: Iterable[ScoredUtterance], n: int) -> set[str]:
    """Choose n utterances: half of them errors, half right ones.

    Classes, and confusions, in turn; of each the most confident first: of the errors
    those are the ones to look at. One kind fills what the other leaves.
    """
    utterances = list(utterances)
    right = _in_turn(u for u in utterances if u.right)
    wrong = _in_turn(u for u in utterances if not u.right)
    n_wrong = max(-(-n // 2), n - len(right))
    chosen = wrong[:n_wrong]
    return {*chosen, *right[: n - len(chosen)]}


def _in_turn(utterances: Iterable[ScoredUtterance]) -> list[str]:
    """Order utterances: of every confusion the surest, then the next of each."""
    kinds = defaultdict(list)
    for u in sorted(utterances, key=lambda u: (-u.confidence, u.utt)):
        kinds[u.label, u.prediction].append(u.utt)
    rounds = itertools.zip_longest(*(utts for _, utts in sorted(kinds.items())))
    return [utt for of_round in rounds for utt in of_round if utt is not None]
