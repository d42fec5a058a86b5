"""A corpus of Switchboard's shape, of any size, out of a few minutes of real speech.

Recordings are telephone calls: 8 kHz, mu-law, three of four with a side a channel, 20
utterances a side. The utterances are as long as those of SWBD-sentiment: 49,500 have
140 hours, most are short and few are long. Each is a stretch of the same few minutes of
speech, from a place drawn at random, so that no two recordings are alike; texts, labels
and votes are drawn, too.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.data.audio import read_audio

RATE = 8000  # Hz
MEAN, SIGMA, SHORTEST, LONGEST = 10.18, 0.6, 1.0, 40.0  # seconds of an utterance
GAP = 2.0  # seconds between two of a side, in the mean
UTTERANCES = 20  # a side
CALLS_A_SPEAKER = 4.5  # 543 speakers in 2,430 calls
LABELS = {"neutral": 0.526, "positive": 0.304, "negative": 0.170}  # of SWBD-sentiment
SPLIT = {"train": 0.9, "valid": 0.05, "test": 0.05}  # the paper's
POOL = 600  # seconds of speech that all are cut from, at most
WORDS = (  # noqa: SIM905
    "i you it that and the a to of is in they know have like so was but uh-huh yeah "
    "really think just do don't well for what on not right there be we with oh my or "
    "are about at he got would up this all can um people get one as out if she no when"
).split()
WORDS_A_SECOND = 2.5
COLUMNS = ["path", "utt", "speaker", "label", "votes", "channel", "start", "end"]
COLUMNS += ["text", "split"]


class Side(NamedTuple):
    """A side of a call: its channel, and starts and ends of its utterances (s)."""

    channel: str
    spans: list[tuple[float, float]]


def lengths(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return the seconds (n,) of utterances: skewed, with the mean of the corpus."""
    drawn = rng.lognormal(np.log(MEAN) - SIGMA**2 / 2, SIGMA, n)
    # Clipping moves the mean: by this much, and not by how the dice fell.
    return np.clip(1.005 * drawn, SHORTEST, LONGEST)


def calls(rng: np.random.Generator, n: int) -> Iterator[list[Side]]:
    """Give the sides of every call of n utterances."""
    seconds = lengths(rng, n).tolist()
    number = 0
    while seconds:
        sides = []
        for channel in ("A", "B") if number % 4 else ("",):
            taken, seconds = seconds[:UTTERANCES], seconds[UTTERANCES:]
            spans, end = [], 0.0
            for length in taken:
                start = end + rng.exponential(GAP)
                end = start + length
                spans.append((round(start, 2), round(end, 2)))
            sides += [Side(channel, spans)] if spans else []
        if len(sides) == 1:  # the last one's other side may be empty
            sides = [Side("", sides[0].spans)]
        number += 1
        yield sides


def read_pool(recordings: Sequence[Path]) -> np.ndarray:
    """Return up to ten minutes of speech (N,) at 8 kHz, of all recordings in turn."""
    parts, total = [], 0
    for path in recordings:
        parts.append(read_audio(path, RATE, "mix"))
        total += len(parts[-1])
        if total > POOL * RATE:
            break
    pool = np.concatenate(parts)
    return 0.5 * pool / np.abs(pool).max()


def write_call(
    path: Path, sides: Sequence[Side], pool: np.ndarray, rng: np.random.Generator
) -> None:
    """Write a recording as long as its sides, and a second more."""
    n = round((max(side.spans[-1][1] for side in sides) + 1) * RATE)
    places = rng.integers(len(pool), size=len(sides))
    # Over and over: there is less speech than a call is long.
    again = np.tile(pool, -(-n // len(pool)) + 1)
    channels = [again[place : place + n] for place in places]
    with atomic_path(path) as temporary:
        samples = np.stack(channels, axis=1)
        soundfile.write(temporary, samples, RATE, "ULAW", format="WAV")


def make_corpus(folder: Path, recordings: Sequence[Path], n: int) -> Path:
    """Write n utterances and their table, unless they are there; return the table.

    Args:
        folder: Where to write.
        recordings: Real speech.
        n: Number of utterances.
    """
    table, done = folder / "table.csv", folder / "corpus.json"
    if done.exists():
        return table
    rng = np.random.default_rng(n)
    pool = read_pool(recordings)
    names = [*LABELS]
    rows: list[list[object]] = []
    all_calls = list(calls(rng, n))
    speakers = max(6, round(2 * len(all_calls) / CALLS_A_SPEAKER))
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    for number, sides in enumerate(all_calls):
        path = Path("audio", f"call{number:05d}.wav")
        write_call(folder / path, sides, pool, rng)
        for side in sides:
            speaker = f"s{rng.integers(speakers):04d}"
            for start, end in side.spans:
                label, *others = rng.choice(names, 2, p=[*LABELS.values()])
                words = rng.choice(WORDS, max(1, round((end - start) * WORDS_A_SECOND)))
                utt = (
                    f"{speaker}-call{number:05d}{side.channel}-{round(100 * start):06d}"
                )
                rows.append(
                    [path, utt, speaker, label, " ".join([label, label, *others])]
                    + [side.channel, start, end, " ".join(words)]
                )
    parts = rng.choice([*SPLIT], n, p=[*SPLIT.values()])
    with atomic_path(table) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([*row, part] for row, part in zip(rows, parts, strict=True))
    hours = sum(float(str(row[7])) - float(str(row[6])) for row in rows) / 3600
    facts = {"utterances": n, "recordings": len(all_calls), "speakers": speakers}
    done.write_text(json.dumps({**facts, "hours": round(hours, 2)}))
    return table
