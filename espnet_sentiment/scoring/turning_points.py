"""Where a sequence of posteriors changes, and whether it rises, by more than noise.

If posteriors are calibrated, labels are draws from them, and a mean posterior is what
share of the turns to expect. Noise is how such means differ between turns that are
exchangeable. So the largest CUSUM over turns (Page, Biometrika 41, 1954), and of a
trend the covariance with time, are held against their values on permuted turns (Antoch
and Huskova, "Permutation tests in change point analysis", Statistics & Probability
Letters 53, 2001), which keeps the level whatever the posteriors are worth.

Several changes are found by binary segmentation (Vostrikova, Soviet Mathematics Doklady
24, 1981), whose level is halved with every cut. Turns of several speakers are permuted
within each, and seen from each one's mean: who speaks when is no change.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

LEVEL = 0.05
RESAMPLES = 1999
LEAST = 3  # turns on either side of a change
BLOCK = 1 << 17  # posteriors of permutations that are in memory together
TIE = 1e-12


@dataclasses.dataclass(frozen=True)
class Change:
    """A turn with which something else begins.

    Args:
        turn: Its number, from 0.
        first: The first turn of what is compared.
        last: The turn after the last one of what is compared.
        p: Of a permutation test, not corrected for the cuts that were looked at before.
    """

    turn: int
    first: int
    last: int
    p: float


@dataclasses.dataclass(frozen=True)
class Trend:
    """How a measure goes with time.

    Args:
        direction: ``up``, ``down``, or ``none`` where p is above the level.
        p: Of a permutation test, corrected for the measures that are tested together
            (the largest of them counts; Westfall and Young, 1993).
    """

    direction: str
    p: float


def find_changes(
    posteriors: np.ndarray, speakers: np.ndarray, level: float = LEVEL
) -> list[Change]:
    """Find where turns begin to be unlike those before.

    Args:
        posteriors: Of turns by time (N, n_classes).
        speakers: Number of every turn's speaker (N,).
        level: Chance of finding any where there is none.

    Returns:
        By time. With fewer than six turns there are none.
    """
    found = sorted(_segment(posteriors, speakers, 0, len(posteriors), level))
    ends = [0, *(turn for turn, _ in found), len(posteriors)]
    return [
        Change(turn, before, after, p)
        for (turn, p), before, after in zip(found, ends, ends[2:], strict=False)
    ]


def find_trends(
    posteriors: np.ndarray,
    speakers: np.ndarray,
    times: np.ndarray,
    measures: np.ndarray,
    level: float = LEVEL,
) -> list[Trend]:
    """Tell whether measures rise or fall.

    Args:
        posteriors: Of turns (N, n_classes).
        speakers: Number of every turn's speaker (N,).
        times: Of turns, in any unit (N,).
        measures: What each class counts in each measure (n_classes, M); the identity
            for the classes themselves.
        level: Chance of finding any where there is none.
    """
    if len(posteriors) < 2 * LEAST or not np.ptp(times):
        return [Trend("none", 1.0)] * measures.shape[1]
    clock = (times - times.mean()) / np.ptp(times)

    def covariances(values: np.ndarray) -> np.ndarray:
        return np.einsum("n,bnc->bc", clock, values) @ measures

    def largest(values: np.ndarray) -> np.ndarray:
        return np.abs(covariances(values)).max(axis=1)

    centred = _centred(posteriors, speakers)
    observed = covariances(centred[None])[0]
    p = _p_values(np.abs(observed), largest, centred, speakers, level)
    return [
        Trend(("up" if rise > 0 else "down") if q <= level else "none", q)
        for rise, q in zip(observed.tolist(), p.tolist(), strict=True)
    ]


def _segment(
    posteriors: np.ndarray, speakers: np.ndarray, first: int, last: int, level: float
) -> Iterator[tuple[int, float]]:
    """Give the changes of a part, and their p, in no order."""
    if last - first < 2 * LEAST or level * (RESAMPLES + 1) < 1:
        return
    who = speakers[first:last]
    part = _centred(posteriors[first:last], who)
    cusum = _cusum(part[None])[0]
    [p] = _p_values(
        cusum.max(keepdims=True),
        lambda values: _cusum(values).max(axis=1),
        part,
        who,
        level,
    )
    if p > level:
        return
    turn = first + LEAST + int(cusum.argmax())
    yield turn, float(p)
    for half in ((first, turn), (turn, last)):
        yield from _segment(posteriors, speakers, *half, level / 2)


def _cusum(values: np.ndarray) -> np.ndarray:
    """Return squared distances of means before and after each cut (B, N - 2 LEAST + 1).

    They are of values (B, N, n_classes) of mean 0, and times n1 n2 / N, which gives all
    cuts one variance.
    """
    n = values.shape[1]
    cuts = np.arange(LEAST, n - LEAST + 1)
    sums = values.cumsum(axis=1)[:, cuts - 1]
    return np.einsum("bkc,bkc->bk", sums, sums) * (n / (cuts * (n - cuts)))


def _p_values(
    observed: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    centred: np.ndarray,
    speakers: np.ndarray,
    level: float,
) -> np.ndarray:
    """Return p (M,) of observed statistics (M,), by permutation of turns.

    ``statistic`` maps values (B, N, n_classes) to (B,). What can pass the level no more
    is not computed to the end (Besag and Clifford, Biometrika 78, 1991).
    """
    count, drawn = np.zeros(len(observed)), 0
    for values in _permuted(centred, speakers):
        found = statistic(values)[:, None]
        count += (found >= observed - TIE).sum(axis=0)
        drawn += len(values)
        if (count + 1 > level * (RESAMPLES + 1)).all():
            break
    return (count + 1) / (drawn + 1)


def _permuted(values: np.ndarray, speakers: np.ndarray) -> Iterator[np.ndarray]:
    """Permute values (N, n_classes) within speakers, B at a time: (B, N, n_classes)."""
    rng = np.random.default_rng(0)
    places = np.argsort(speakers, kind="stable")
    left, most = RESAMPLES, max(1, BLOCK // values.size)
    while left:
        size = min(most, left)
        order = np.empty((size, len(values)), int)
        # Sorted by speaker, and within one at random.
        order[:, places] = np.argsort(rng.random(order.shape) + speakers, axis=1)
        yield values[order]
        left -= size


def _centred(values: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Take from values (N, n_classes) their speaker's mean; permuting keeps it 0."""
    values = values.copy()
    for speaker in np.unique(speakers):
        own = speakers == speaker
        values[own] -= values[own].mean(axis=0)
    return values
