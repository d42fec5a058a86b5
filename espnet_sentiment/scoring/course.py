"""The course of a conversation: classes over time, by speaker, and where they turn.

Everything is expected by posteriors: if those are calibrated, a turn of posterior p is
of the class in a share p of the cases. A mean over turns, weighted by seconds, is then
the share of the class; it is as sure as if so many labels were known as there are
effective turns, (sum w)^2 / sum w^2 (Kish, "Survey Sampling", 1965), and has Wilson's
interval of that many, which is widest where turns are unsure, or of one mind by halves.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.scoring.intervals import wilson
from espnet_sentiment.scoring.turning_points import (
    LEVEL,
    Trend,
    find_changes,
    find_trends,
)

WIDTH = 15.0  # seconds
MOST_TIMES = 400  # at which the course is given
LEAST_HEARD = 0.05  # of the kernel, in which somebody speaks


class Person(NamedTuple):
    """Who speaks: a name, or of turns without one their channel; both may be None."""

    speaker: str | None
    channel: str | None


class _Turns(NamedTuple):
    """Turns by start: times in seconds (N,), posteriors (N, n_classes), who (N,)."""

    start: np.ndarray
    end: np.ndarray
    posteriors: np.ndarray
    who: np.ndarray

    def of(self, chosen: np.ndarray) -> "_Turns":
        return _Turns(*(values[chosen] for values in self))


def person(turn: Mapping[str, Any]) -> Person:
    """Return who speaks in a turn: a speaker is one on all channels."""
    speaker = turn.get("speaker")
    return Person(speaker, turn.get("channel") if speaker is None else None)


def course(
    turns: Iterable[Mapping[str, Any]],
    classes: Sequence[str],
    duration: float,
    width: float = WIDTH,
    order: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the course of a conversation, for everybody and by speaker.

    Args:
        turns: As ``Conversation.as_dict`` gives them: ``start``, ``end`` (seconds),
            ``posteriors`` by class, and ``speaker`` or ``channel`` where known.
        classes: What posteriors are of.
        duration: Seconds of the recording.
        width: Standard deviation in seconds of the Gaussian by which turns are
            smoothed; each counts by the part of it that falls into the turn.
        order: The classes from the lowest to the highest, where they have an order;
            their mean rank then has a trend, too.

    Returns:
        What JSON can hold. ``times`` (T,), up to 400; ``all`` and, of each person by
        first turn, ``people``, each with

        - ``speaker``, ``channel`` (of people); ``turns``, how many; ``seconds`` spoken;
        - ``mean``, ``low``, ``high`` by class (T,), and ``effective`` turns (T,); null
          where too little is said nearby;
        - ``shares``, ``first``, ``last`` by class, of all, of the first and of the last
          third of the recording: [share, low, high] (95 %), or null where nobody
          speaks; ``difference`` of last and first (Newcombe, Statistics in Medicine 17,
          1998, method 10);
        - ``trends`` by class, and ``order_trend``: direction (up, down, none) and p;
        - ``turning_points``: ``time`` where a turn begins, ``after``, where the one
          before it ends, means ``before`` and ``since`` by class, and ``p``.

        The chance of any turning point in a call without change is 5 %, and so is that
        of any trend; :mod:`espnet_sentiment.scoring.turning_points` says how.

    Raises:
        DataError: A turn has no time or no posteriors, the order is not of the classes,
            or width or duration are no positive numbers.
    """
    for name, value in (("width", width), ("duration", duration)):
        if not 0 < value < math.inf:
            raise DataError(f"{name} {value}: give a finite number of seconds above 0")
    if order is not None and sorted(order) != sorted(classes):
        raise DataError(
            f"the order {', '.join(order)} is not one of the classes "
            f"{', '.join(classes)}: name each once, the lowest first"
        )
    rows = sorted(turns, key=lambda turn: (turn["start"], turn["end"]))
    people = list(dict.fromkeys(map(person, rows)))
    known = _read(rows, classes, people)
    step = max(width / 4, duration / (MOST_TIMES - 1))
    times = np.linspace(0, duration, math.ceil(duration / step) + 1)
    ranks = None if order is None else [list(order).index(c) for c in classes]
    # With one person, everybody is that one.
    level = LEVEL / (1 if len(people) < 2 else len(people) + 1)

    def part(own: _Turns) -> dict[str, Any]:
        return {
            "turns": len(own.start),
            "seconds": float((own.end - own.start).sum()),
            **_curve(own, times, width, classes),
            **_thirds(own, duration, classes),
            **_trends(own, classes, ranks, level),
            "turning_points": _turning_points(own, classes, level),
        }

    return {
        "width": width,
        "level": LEVEL,
        "classes": list(classes),
        "order": None if order is None else list(order),
        "times": _rounded(times),
        "all": part(known),
        "people": [
            {**who._asdict(), **part(known.of(known.who == number))}
            for number, who in enumerate(people)
        ],
    }


def _read(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[str], people: list[Person]
) -> _Turns:
    for row in rows:
        name = f"the turn from {row['start']} to {row['end']} s"
        if not 0 <= row["start"] < row["end"] < math.inf:
            raise DataError(f"{name} has no duration: mend its times")
        if set(row.get("posteriors") or ()) != set(classes):
            raise DataError(
                f"{name} has no posteriors of {', '.join(classes)}: answer it by the "
                "model that answers the others"
            )
    return _Turns(
        np.array([row["start"] for row in rows], float),
        np.array([row["end"] for row in rows], float),
        np.array(
            [[row["posteriors"][c] for c in classes] for row in rows], float
        ).reshape(len(rows), len(classes)),
        np.array([people.index(person(row)) for row in rows], int),
    )


def _mean(
    weights: np.ndarray, posteriors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return share, low and high (..., n_classes) by weights (..., N), and effective N.

    They are NaN where all weights are 0.
    """
    total = weights.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip(weights @ posteriors / total, 0, 1)
        effective = total**2 / np.square(weights).sum(axis=-1, keepdims=True)
        low, high = wilson(share, effective)
    return share, low, high, effective[..., 0]


def _curve(
    own: _Turns, times: np.ndarray, width: float, classes: Sequence[str]
) -> dict[str, Any]:
    from scipy.special import ndtr

    reach = [(edge - times[:, None]) / width for edge in (own.start, own.end)]
    weights = ndtr(reach[1]) - ndtr(reach[0])
    weights[weights.sum(axis=1) < LEAST_HEARD] = 0
    *shares, effective = _mean(weights, own.posteriors)
    return {
        **{
            key: dict(zip(classes, map(_rounded, values.T), strict=True))
            for key, values in zip(("mean", "low", "high"), shares, strict=True)
        },
        "effective": _rounded(effective),
    }


def _thirds(own: _Turns, duration: float, classes: Sequence[str]) -> dict[str, Any]:
    """Return the shares of the whole and of two thirds, and how these differ."""
    parts = {
        "shares": (0.0, math.inf),
        "first": (0.0, duration / 3),
        "last": (2 * duration / 3, math.inf),
    }
    found = {}
    for name, (begin, end) in parts.items():
        seconds = np.minimum(own.end, end) - np.maximum(own.start, begin)
        found[name] = _mean(np.maximum(seconds, 0), own.posteriors)[:3]
    (p1, low1, high1), (p2, low2, high2) = found["first"], found["last"]
    difference = p2 - p1
    below = np.hypot(p2 - low2, high1 - p1)
    above = np.hypot(high2 - p2, p1 - low1)
    found["difference"] = difference, difference - below, difference + above
    return {
        name: {
            c: None if math.isnan(row[0]) else _rounded(row)
            for c, row in zip(classes, np.stack(values, axis=1), strict=True)
        }
        for name, values in found.items()
    }


def _trends(
    own: _Turns, classes: Sequence[str], ranks: list[int] | None, level: float
) -> dict[str, Any]:
    middle = (own.start + own.end) / 2
    share = level if ranks is None else level / 2
    given = own.posteriors, own.who, middle

    def as_dict(trend: Trend) -> dict[str, Any]:
        return {"direction": trend.direction, "p": trend.p}

    found = find_trends(*given, np.eye(len(classes)), share)
    trends = {c: as_dict(trend) for c, trend in zip(classes, found, strict=True)}
    if ranks is None:
        return {"trends": trends, "order_trend": None}
    [by_order] = find_trends(*given, np.array(ranks, float)[:, None], share)
    return {"trends": trends, "order_trend": as_dict(by_order)}


def _turning_points(
    own: _Turns, classes: Sequence[str], level: float
) -> list[dict[str, Any]]:
    def mean(first: int, last: int) -> dict[str, float]:
        means = own.posteriors[first:last].mean(axis=0)
        return dict(zip(classes, means.round(4).tolist(), strict=True))

    return [
        {
            "time": float(own.start[change.turn]),
            "after": float(own.end[change.turn - 1]),
            "before": mean(change.first, change.turn),
            "since": mean(change.turn, change.last),
            "p": change.p,
        }
        for change in find_changes(own.posteriors, own.who, level)
    ]


def _rounded(values: np.ndarray) -> list[float | None]:
    """Return numbers for JSON, where not known is null."""
    return [None if math.isnan(x) else round(x, 4) for x in values.tolist()]
