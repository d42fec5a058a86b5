"""How often a 95 % interval of WA and UA holds the truth, where speakers differ.

Simulated: four classes, of which the easiest and the hardest differ as in real
corpora; every speaker, and every class of his, is easier or harder by a normal effect
on the logit. The truth is the score of speakers without number. Beside the intervals of
``scoring/intervals.py`` stand bootstraps: over utterances, over speakers, and over
speakers and then their utterances.

    python benchmarks/interval_coverage.py
"""

import argparse
import sys

import numpy as np

from espnet_sentiment.core.entry import run
from espnet_sentiment.scoring.intervals import ci95
from espnet_sentiment.scoring.tables import markdown

EASE = {
    "83": (1.5, 2.0, 2.5, 1.0),
    "95": (3.0, 3.5, 4.0, 2.5),
    "98": (4.0, 4.5, 5.0, 3.5),
}
SIZES = ((5, 60), (9, 500), (10, 34), (24, 50))  # speakers, utterances of each
SPREADS = (0.0, 0.5, 1.0)  # of speakers, on the logit; of their classes, half
DRAWS = 600  # of a bootstrap
N_CLASSES = 4


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpora", type=int, default=400, help="simulated, a row (default: 400)"
    )
    return parser


def main(argv=None) -> None:
    """Print the table."""
    args = get_parser().parse_args(argv)
    rng = np.random.default_rng(0)
    rows = []
    for ease, base in EASE.items():
        for size in SIZES:
            for spread in SPREADS:
                held = coverage(np.array(base), *size, spread, args.corpora, rng)
                cells = [f"{100 * wa:.1f}, {100 * ua:.1f}" for wa, ua in held.values()]
                rows.append([ease, *size, spread, *cells])
                print(*rows[-1], file=sys.stderr, flush=True)
    heads = ["WA (%) about", "speakers", "utterances", "spread", *held]
    print(markdown(heads, rows), end="")


def coverage(base, speakers, said, spread, corpora, rng) -> dict[str, np.ndarray]:
    """Return the share of corpora whose intervals of WA and UA hold the truth."""
    many = chances(base, 200_000, spread, rng)
    truth = many.mean()  # classes are equally frequent: of both scores
    held = {name: np.zeros(2) for name in (*BOOTSTRAPS, "jackknife")}
    for _ in range(corpora):
        chance = chances(base, speakers, spread, rng)
        # Some say half as much as others.
        n_said = rng.integers(said // 2, said + 1, speakers)
        speaker = np.repeat(np.arange(speakers), n_said)
        label = rng.integers(N_CLASSES, size=len(speaker))
        right = rng.random(len(speaker)) < chance[speaker, label]
        for name, draw in BOOTSTRAPS.items():
            low, high = np.percentile(draw(speaker, label, right, rng), [2.5, 97.5], 0)
            held[name] += (low <= truth) & (truth <= high)
        guess = np.where(right, label, label + N_CLASSES)
        bounds = ci95(*(x.astype(str).tolist() for x in (label, guess, speaker)))
        for number, (low, high) in enumerate(bounds.values()):
            held["jackknife"][number] += low <= truth <= high
    return {name: count / corpora for name, count in held.items()}


def chances(base, speakers, spread, rng) -> np.ndarray:
    """Draw the chance that a speaker's utterances of a class are right (S, C)."""
    effect = rng.normal(0, spread, (speakers, 1))
    effect = effect + rng.normal(0, spread / 2, (speakers, N_CLASSES))
    return 1 / (1 + np.exp(-base - effect))


def cells_of(speaker, label, right) -> np.ndarray:
    """Count utterances by speaker, and whether right, and class: (S, 2 * C)."""
    place = speaker * 2 * N_CLASSES + right * N_CLASSES + label
    size = (speaker.max() + 1) * 2 * N_CLASSES
    return np.bincount(place, minlength=size).reshape(-1, 2 * N_CLASSES)


def scores(cells) -> np.ndarray:
    """Return WA and UA (..., 2) of counts (..., 2 * C)."""
    wrong, hits = cells[..., :N_CLASSES], cells[..., N_CLASSES:]
    counts = wrong + hits
    recalls = hits / np.where(counts > 0, counts, np.nan)
    return np.stack([hits.sum(-1) / counts.sum(-1), np.nanmean(recalls, -1)], -1)


def over_utterances(speaker, label, right, rng) -> np.ndarray:
    """Draw utterances anew, whoever said them."""
    cells = cells_of(speaker, label, right).sum(0)
    return scores(rng.multinomial(cells.sum(), cells / cells.sum(), size=DRAWS))


def over_speakers(speaker, label, right, rng) -> np.ndarray:
    """Draw speakers anew, with all that they said."""
    cells = cells_of(speaker, label, right)
    return scores(cells[rng.integers(len(cells), size=(DRAWS, len(cells)))].sum(1))


def over_both(speaker, label, right, rng) -> np.ndarray:
    """Draw speakers anew, and then as many of their utterances as there are."""
    cells = cells_of(speaker, label, right)
    drawn = cells[rng.integers(len(cells), size=(DRAWS, len(cells)))]
    said = drawn.sum(-1)
    return scores(rng.multinomial(said, drawn / said[..., None]).sum(1))


BOOTSTRAPS = {
    "utterances": over_utterances,
    "speakers": over_speakers,
    "speakers, utterances": over_both,
}

if __name__ == "__main__":
    run(main)
