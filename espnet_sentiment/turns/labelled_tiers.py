"""Tiers of annotations: one a speaker, and beside it one of the turns' labels."""

from collections.abc import Sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.turn import Turn

SENTIMENT = " sentiment"  # after the speaker's name: the tier of his labels
UNKNOWN = "(unknown)"  # the tier of those who are not known


def by_tier(turns: Sequence[Turn]) -> dict[str, list[Turn]]:
    """Return turns by the tier that they are written to.

    Raises:
        DataError: A speaker's tier would be that of another's labels.
    """
    tiers: dict[str, list[Turn]] = {}
    for turn in turns:
        tiers.setdefault(turn.speaker or UNKNOWN, []).append(turn)
    for name in tiers:
        if name + SENTIMENT in tiers:
            raise DataError(
                f"a speaker is called {name + SENTIMENT!r}, which is the tier of the "
                f"labels of {name!r}: rename one"
            )
    return tiers


def check_no_overlap(name: str, turns: Sequence[Turn], what: str) -> None:
    """Refuse turns of one tier that overlap.

    Raises:
        DataError: Two do.
    """
    for before, turn in zip(turns, turns[1:], strict=False):
        if turn.start < before.end:
            raise DataError(
                f"the turns of {name} from {before.start:g} and {turn.start:g} s "
                f"overlap, which a tier of {what} cannot hold: write CSV or RTTM"
            )
