"""Turning points of calls: false alarms, how many are found; what the bands cover.

    python benchmarks/turning_points.py
    python benchmarks/turning_points.py --experiment exp/emodb_NAME

Simulated calls have two speakers and four classes; posteriors are calibrated by
construction: a turn's class gives a Gaussian observation, of which they are Bayes'
posterior. Of changed calls, one speaker's share of one class rises by so much at a
random place in the middle half. "Found" is a turning point of that speaker or of
everybody not further from there than a tenth of the turns; "off" is the median distance
of the nearest one in turns, "late" the share of those found that come after it;
"others" the turning points that are further away, or the other speaker's, a call.
"Covered" is how often the course's band, nominally 95 %, holds the shares from which
labels were drawn, smoothed as it is: over times, classes and speakers; and how wide the
band is, in the mean.

With --experiment, posteriors are those of an experiment's predictions: sequences of one
tested speaker's utterances, of one class and then another (changed), or of both in any
order (unchanged).
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from espnet_sentiment.core.entry import run
from espnet_sentiment.scoring.course import course
from espnet_sentiment.scoring.predictions import read_predictions
from espnet_sentiment.scoring.tables import markdown

CLASSES = ("neutral", "anger", "happiness", "sadness")
USUAL = np.array([0.7, 0.1, 0.1, 0.1])
SHARP = {"sure": 4.0, "unsure": 2.0}  # how far classes are apart, in deviations
TURNS = (20, 40, 80, 200)
SIZES = (0.2, 0.4, 0.6)
STAYS = 0.5  # chance that a turn is as the speaker's last one, where feelings last


class Call(NamedTuple):
    """Posteriors and true shares (N, n_classes), speakers (N,), and where it changes.

    Real calls have no known shares, and unchanged ones no such turn.
    """

    posteriors: np.ndarray
    speakers: np.ndarray
    shares: np.ndarray | None = None
    change: int | None = None


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--calls", type=int, default=200, help="calls a row (default: 200)"
    )
    parser.add_argument("--experiment", type=Path, help="a decoded experiment")
    parser.add_argument(
        "--classes",
        nargs=2,
        default=["neutral", "anger"],
        help="with --experiment: the first and the second class",
    )
    return parser


def main(argv=None) -> None:
    """Print the tables."""
    args = get_parser().parse_args(argv)
    rng = np.random.default_rng(0)
    if args.experiment:
        real(args.experiment, args.classes, args.calls, rng)
        return
    unchanged = {
        "alternate": alternate,
        "one speaks more and more": crowd_out,
        "feelings last": lambda n, sharp, rng: alternate(n, sharp, rng, stays=STAYS),
    }
    rows = []
    for posteriors, sharp in SHARP.items():
        for kind, make in unchanged.items():
            for n in TURNS:
                alarms = false_alarms(make, args.calls, n, sharp, rng)
                rows.append([kind, posteriors, n, *alarms])
    heads = ["unchanged calls", "posteriors", "turns", "turning points (%)"]
    print(markdown([*heads, "trends (%)"], rows))
    rows = [
        [posteriors, size, n, *found(changed(size), args.calls, n, sharp, rng)]
        for posteriors, sharp in SHARP.items()
        for size in SIZES
        for n in TURNS
    ]
    heads = ["posteriors", "change", "turns", "found (%)", "off", "late (%)", "others"]
    print(markdown(heads, rows))
    kinds = {**unchanged, "one changes by 0.4": changed(0.4)}
    rows = [
        [kind, posteriors, n, *covered(make, args.calls, n, sharp, rng)]
        for posteriors, sharp in SHARP.items()
        for kind, make in kinds.items()
        for n in TURNS
    ]
    heads = ["calls", "posteriors", "turns", "covered (%)", "width"]
    print(markdown(heads, rows), end="")


def observed(labels: np.ndarray, sharp: float, rng) -> np.ndarray:
    """Return posteriors of labels (N,), calibrated where these are usual ones."""
    seen = sharp / np.sqrt(2) * np.eye(len(CLASSES))[labels]
    seen = seen + rng.normal(size=seen.shape)
    odds = USUAL * np.exp(sharp / np.sqrt(2) * (seen - seen.max(1, keepdims=True)))
    return odds / odds.sum(axis=1, keepdims=True)


def drawn(shares: np.ndarray, rng, stays: float = 0.0) -> np.ndarray:
    """Draw labels by shares (N, n_classes); each may stay as the one before."""
    labels = (rng.random((len(shares), 1)) > shares.cumsum(axis=1)).sum(axis=1)
    for number in range(1, len(labels)):
        if rng.random() < stays:
            labels[number] = labels[number - 1]
    return np.minimum(labels, len(CLASSES) - 1)


def alternate(n: int, sharp: float, rng, stays: float = 0.0) -> Call:
    """Two speakers take turns; one is angrier than the other, all the time."""
    speakers = np.arange(n) % 2
    shares = np.stack([USUAL, USUAL[[1, 0, 2, 3]]])[speakers]
    labels = np.empty(n, int)
    for who in range(2):
        own = speakers == who
        labels[own] = drawn(shares[own], rng, stays)
    return Call(observed(labels, sharp, rng), speakers, shares)


def crowd_out(n: int, sharp: float, rng) -> Call:
    """The angrier one has ever more of the turns, and is as angry as before."""
    speakers = (rng.random(n) < np.linspace(0.2, 0.8, n)).astype(int)
    shares = np.where(speakers[:, None], USUAL[[1, 0, 2, 3]], USUAL)
    return Call(observed(drawn(shares, rng), sharp, rng), speakers, shares)


def changed(size: float) -> Callable[..., Call]:
    """Return what makes calls in which one speaker's anger rises by a share."""

    def make(n: int, sharp: float, rng) -> Call:
        speakers = np.arange(n) % 2
        change = 2 * int(rng.integers(n // 8, 3 * n // 8 + 1))
        after = (speakers == 0) & (np.arange(n) >= change)
        moved = USUAL + size * np.array([-1, 1, 0, 0])
        shares = np.where(after[:, None], moved, USUAL)
        seen = observed(drawn(shares, rng), sharp, rng)
        return Call(seen, speakers, shares, change)

    return make


def covered(make, calls: int, n: int, sharp: float, rng) -> list[str]:
    """Return how often (%) bands hold the true shares, and how wide they are."""
    held, width = [], []
    for _ in tqdm(range(calls), f"bands, {n} turns", leave=False):
        call = make(n, sharp, rng)
        truth = curves(call._replace(posteriors=call.shares))["mean"]
        bands = curves(call)
        low, high = bands["low"], bands["high"]
        known = ~np.isnan(low)
        held.append(((low <= truth) & (truth <= high))[known])
        width.append((high - low)[known])
    return [
        f"{100 * np.concatenate(held).mean():.1f}",
        f"{np.concatenate(width).mean():.2f}",
    ]


def curves(call: Call) -> dict[str, np.ndarray]:
    """Return mean, low and high of a call's people, one row a person and class."""
    people = followed(call)["people"]
    return {
        key: np.array([list(who[key].values()) for who in people], float)
        for key in ("mean", "low", "high")
    }


def followed(call: Call) -> dict:
    """Return a call's course; turns are as long as they are apart."""
    turns = [
        {
            "start": float(number),
            "end": number + 1.0,
            "posteriors": dict(zip(CLASSES, row, strict=True)),
            "speaker": str(who),
        }
        for number, (row, who) in enumerate(
            zip(call.posteriors.tolist(), call.speakers.tolist(), strict=True)
        )
    ]
    return course(turns, CLASSES, float(len(turns)))


def parts_of(followed: dict) -> list[dict]:
    """Return everybody's part and the speakers'."""
    return [followed["all"], *followed["people"]]


def false_alarms(make, calls: int, n: int, sharp: float, rng) -> list[str]:
    """Return the share of calls with any turning point, and with any trend (%)."""
    turning, trending = 0, 0
    for _ in tqdm(range(calls), f"unchanged, {n} turns", leave=False):
        parts = parts_of(followed(make(n, sharp, rng)))
        turning += any(part["turning_points"] for part in parts)
        trending += any(
            trend["direction"] != "none"
            for part in parts
            for trend in part["trends"].values()
        )
    return [f"{100 * count / calls:.1f}" for count in (turning, trending)]


def found(make, calls: int, n: int, sharp: float, rng) -> list[str]:
    """Return the share found (%), how far off, how many late (%), and others a call."""
    near, late, others = [], [], 0
    for _ in tqdm(range(calls), f"changed, {n} turns", leave=False):
        call = make(n, sharp, rng)
        parts = parts_of(followed(call))
        off = [
            round(point["time"]) - call.change
            for part in parts[:2]
            for point in part["turning_points"]
        ]
        inside = [x for x in off if abs(x) <= max(2, len(call.speakers) / 10)]
        others += len(off) - len(inside)
        others += sum(len(part["turning_points"]) for part in parts[2:])
        if inside:
            best = min(inside, key=abs)
            near.append(abs(best))
            late.append(best > 0)
    if not near:
        return ["0.0", "–", "–", f"{others / calls:.2f}"]
    return [
        f"{100 * len(near) / calls:.1f}",
        f"{np.median(near):.0f}",
        f"{100 * np.mean(late):.0f}",
        f"{others / calls:.2f}",
    ]


def real(experiment: Path, pair: list[str], calls: int, rng) -> None:
    """Print the same of real posteriors, for the speakers that folds test."""
    tested = []
    for path in sorted(experiment.glob("fold*/decode/predictions.jsonl")):
        rows = read_predictions(path)
        classes = sorted(rows[0]["posteriors"])
        tested.append(
            [
                np.array(
                    [
                        [row["posteriors"][c] for c in classes]
                        for row in rows
                        if row["label"] == label
                    ]
                )
                for label in pair
            ]
        )

    def sequence(mixed: bool) -> Callable[..., Call]:
        def make(n: int, sharp: float, rng) -> Call:
            # As many of both, drawn anew where a speaker has fewer.
            parts = [
                own[rng.permutation(len(own))[: n // 2]]
                if len(own) >= n // 2
                else own[rng.integers(len(own), size=n // 2)]
                for own in tested[rng.integers(len(tested))]
            ]
            together = np.concatenate(parts)
            if mixed:
                together = together[rng.permutation(len(together))]
            return Call(together, np.zeros(len(together), int), change=n // 2)

        return make

    print(f"{len(tested)} speakers; {pair[0]}, then {pair[1]}", file=sys.stderr)
    rows = []
    for n in (8, 12, 20, 40):
        alarms = false_alarms(sequence(True), calls, n, 0.0, rng)
        rows.append([n, *alarms, *found(sequence(False), calls, n, 0.0, rng)])
    heads = ["turns", "unchanged: turning points (%)", "trends (%)"]
    changes = ["changed: found (%)", "off", "late (%)", "others"]
    print(markdown([*heads, *changes], rows), end="")


if __name__ == "__main__":
    run(main)
