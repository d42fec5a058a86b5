"""Annotators' votes as shares of the classes.

A vote of ``utt2votes`` names a class. One for several, ``anger+neutral``, is shared
evenly among them; a number behind a colon counts votes: ``anger:2 neutral:1``, where
no class is called so.
"""

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.data.kaldi_table import read_kaldi_table

if TYPE_CHECKING:
    from espnet_sentiment.data.kaldi_dir import KaldiDir

REFUSE, LEAVE_OUT = "refuse", "leave_out"
TABLE = "utt2votes"


class VoteError(ValueError):
    """Votes that are no distribution over the classes; the text says why."""


def split_count(vote: str, known: Container[str]) -> tuple[str, str]:
    """Return what a vote names, and the number behind its colon, or "".

    Args:
        vote: A vote, ``anger:2``.
        known: Names that are taken as they are, also with a colon.
    """
    name, _, text = vote.rpartition(":")
    if name and vote not in known:
        try:
            float(text)
        except ValueError:
            return vote, ""
        return name, text
    return vote, ""


def counted_votes(votes: str, known: Container[str]) -> Iterator[tuple[str, float]]:
    """Give the votes of an utterance, each with how often it was given.

    Args:
        votes: What ``utt2votes`` has.
        known: Names that are taken as they are, also with a colon.

    Raises:
        VoteError: A number of votes is below zero, or none.
    """
    for vote in votes.split():
        name, text = split_count(vote, known)
        count = float(text) if text else 1.0
        if not (math.isfinite(count) and count >= 0):
            raise VoteError(
                f"has the vote {vote!r}: write a number from 0 behind the colon"
            )
        yield name, count


class VoteShares:
    """Turns votes into shares of the classes (C,), which sum to one.

    Args:
        classes: Class names in the order of the model's outputs.
        others: What becomes of votes for what is no class: ``refuse``, or
            ``leave_out``, by which the others count alone.
    """

    def __init__(self, classes: Sequence[str], others: str = REFUSE):
        self.classes, self.others = list(classes), others
        self._index = {name: i for i, name in enumerate(self.classes)}
        # A corpus has few that differ.
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, votes: str) -> np.ndarray:
        """Return the shares (C,) in float64, to be left as they are.

        Raises:
            VoteError: There is no vote, or one is for no class, or counted by what is
                no number from 0, or all are left out or zero.
        """
        if votes not in self._known:
            self._known[votes] = self._shares(votes)
        return self._known[votes]

    def _shares(self, votes: str) -> np.ndarray:
        counts = np.zeros(len(self.classes))
        for name, count in self._single(votes):
            if name in self._index:
                counts[self._index[name]] += count
            elif self.others == REFUSE:
                raise VoteError(
                    f"has the vote {name!r}, which names no class "
                    f"({', '.join(self.classes)}): fix it, or leave such votes out by "
                    f"other_votes: {LEAVE_OUT} in the sentiment config"
                )
        if not counts.any():
            what = "has no votes" if not votes.split() else "has no vote for a class"
            raise VoteError(f"{what}: add some, or take it out of the folds")
        return counts / counts.sum()

    def _single(self, votes: str) -> Iterator[tuple[str, float]]:
        for name, count in counted_votes(votes, self._index):
            names = [name] if name in self._index else name.split("+")
            for part in names:
                yield part, count / len(names)

    def left_out(self, votes: Iterable[str]) -> dict[str, float]:
        """Count the votes for what is no class, by what they name."""
        counts: Counter[str] = Counter()
        for text, n in Counter(votes).items():
            for name, count in self._single(text):
                if name not in self._index:
                    counts[name] += count * n  # type: ignore[assignment]
        return dict(sorted(counts.items()))


def check_votes(data: "KaldiDir", utts: Iterable[str], shares: VoteShares) -> None:
    """Check that votes of utterances are distributions over the classes.

    Args:
        data: The set.
        utts: Utterances that are to have them.
        shares: Reads them.

    Raises:
        DataError: There are no votes, or of some utterances none that can be used; all
            are named, up to 20.
    """
    path, wanted = data.path / TABLE, dict.fromkeys(utts)
    if not data.utt2votes:
        raise DataError(
            f"{path} is missing, and the sentiment config has target: votes: write a "
            "line for each utterance, 'UTTERANCE VOTE VOTE ...', or take a config "
            "without target"
        )
    bad: dict[str, str] = {}
    for utt in wanted.keys() & data.utt2votes.keys():
        try:
            shares(data.utt2votes[utt])
        except VoteError as error:
            bad[utt] = str(error)
    faults = [
        f"{path}: utterance {utt} is missing: add its votes, or take it out of the "
        "folds"
        for utt in wanted
        if utt not in data.utt2votes
    ]
    if bad:
        faults += read_kaldi_table(path).faults(
            lambda utt, _: f"utterance {utt} {bad[utt]}" if utt in bad else None
        )
    if faults:
        n = "1 utterance has" if len(faults) == 1 else f"{len(faults)} utterances have"
        refuse(f"{path}: {n} no votes to learn from or to be scored by", faults)
