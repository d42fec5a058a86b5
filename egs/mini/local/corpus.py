"""Sentences of the embedded corpus: a small grammar, its sentiment, its splits.

The sentiment lies in how words combine. An adjective's polarity is kept ("VERY GOOD"),
inverted ("NOT GOOD", "NOBODY CALLED IT GREAT"), overruled ("LOOKED BAD BUT WAS GREAT"),
or only asked about ("DO YOU KNOW IF IT WAS GOOD", neutral). So the same polarity words
occur under every label.
"""

import dataclasses
import functools
import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import product

LABELS = ("negative", "neutral", "positive")
PARTS = ("train", "valid", "test")

POSITIVE = ("GOOD", "GREAT", "LOVELY", "NICE", "PERFECT")
NEGATIVE = ("BAD", "AWFUL", "BORING", "POOR", "TERRIBLE")
ADJECTIVES = [*((word, True) for word in POSITIVE), *((w, False) for w in NEGATIVE)]
KEEPING = ("", "VERY", "REALLY", "ALWAYS")
INVERTING = ("NOT", "NEVER", "HARDLY", "FAR FROM")
ADVERBS = [*((word, True) for word in KEEPING), *((w, False) for w in INVERTING)]
PEOPLE = [("EVERYONE", True), ("NOBODY", False)]
VERBS = [("LIKED", True), ("HATED", False)]

SHOWN = ("FILM", "BOOK", "SONG", "SHOW", "GAME")
THINGS = (*SHOWN, "HOTEL", "ROOM", "FOOD", "TEA")
SUBJECTS = ("IT", *(f"THE {thing}" for thing in THINGS))

# Frames that assert what follows, and frames that ask about it, of the same words.
ASSERTING = (
    *("", "IF YOU ASK ME", "IF THEY ASK YOU"),
    *("ASK WHO YOU LIKE", "I DO KNOW", "THEY SAID"),
)
ASKING = ("THEY ASK IF", "DO YOU KNOW IF", "I DO NOT KNOW IF", "WHO SAID")

TIMES = ("ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "NINE", "TEN")
DAYS = ("TODAY", "ON MONDAY", "ON TUESDAY", "ON FRIDAY", "ON SUNDAY")
PLACES = ("STATION", "RIVER", "PARK", "CITY", "SCHOOL", "MARKET", "BEACH")

# Longer sentences are left out: few utterances last over 4 s.
MAX_CHARACTERS = 36
# The share of a label's sentences that has a form.
MIXTURE = {
    "negative": {"copula": 0.5, "contrast": 0.25, "people": 0.25},
    "neutral": {"copula": 0.4, "contrast": 0.2, "people": 0.2, "plain": 0.2},
    "positive": {"copula": 0.5, "contrast": 0.25, "people": 0.25},
}
# The share of all sentences that each part owns, in every set.
SHARES = {"train": 0.6, "valid": 0.1, "test": 0.3}


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence.

    Args:
        text: Upper-case words.
        label: Sentiment.
        form: Which grammar rule made it, a key of ``MIXTURE[label]``.
    """

    text: str
    label: str
    form: str


def _polar(positive: bool) -> str:
    return "positive" if positive else "negative"


def _copula() -> Iterator[tuple[str, str]]:
    for subject, (adverb, keeps), (adjective, positive) in product(
        SUBJECTS, ADVERBS, ADJECTIVES
    ):
        core = f"{subject} WAS {adverb} {adjective}"
        for frame in ASSERTING:
            yield f"{frame} {core}", _polar(positive == keeps)
        for frame in ASKING:
            yield f"{frame} {core}", "neutral"


def _contrast() -> Iterator[tuple[str, str]]:
    for subject, (first, was), (second, positive) in product(
        SUBJECTS, ADJECTIVES, ADJECTIVES
    ):
        if was != positive:
            yield f"{subject} LOOKED {first} BUT WAS {second}", _polar(positive)
    for subject, (adverb, _), (adjective, _) in product(SUBJECTS, ADVERBS, ADJECTIVES):
        looked = f"{subject} LOOKED {adverb} {adjective}"
        yield f"{looked} BUT WHO KNOWS", "neutral"
        yield f"{looked} BUT I DO NOT KNOW", "neutral"
        yield f"DO YOU KNOW IF {looked}", "neutral"


def _people() -> Iterator[tuple[str, str]]:
    for subject, (adjective, positive) in product(SUBJECTS, ADJECTIVES):
        called = f"CALLED {subject} {adjective}"
        for people, all_of_them in PEOPLE:
            yield f"{people} {called}", _polar(positive == all_of_them)
            yield f"WHO SAID {people} {called}", "neutral"
        yield f"WHO {called}", "neutral"
    for (verb, likes), thing, (adjective, _) in product(VERBS, THINGS, ADJECTIVES):
        rest = f"{verb} THE {adjective} {thing}"
        for people, all_of_them in PEOPLE:
            yield f"{people} {rest}", _polar(likes == all_of_them)
            yield f"WHO SAID {people} {rest}", "neutral"
        yield f"WHO {rest}", "neutral"


def _plain() -> Iterator[tuple[str, str]]:
    texts = [
        *(f"THE {x} STARTS AT {time}" for x, time in product(SHOWN, TIMES)),
        *(f"THE {x} STARTS {day}" for x, day in product(SHOWN, DAYS)),
        *(f"THE {x} WAS READY AT {time}" for x, time in product(THINGS, TIMES)),
        *(f"THE {x} WAS NEAR THE {place}" for x, place in product(THINGS, PLACES)),
        *(f"THEY HAD A {x} FOR ME {day}" for x, day in product(SHOWN, DAYS)),
        *(
            f"WE GO TO THE {place} AT {time} {day}"
            for place, time, day in product(PLACES, TIMES, DAYS)
        ),
    ]
    for text in texts:
        yield text, "neutral"


def sentences() -> list[Sentence]:
    """Return every sentence of the grammar that is short enough, sorted."""
    rules = {
        "copula": _copula,
        "contrast": _contrast,
        "people": _people,
        "plain": _plain,
    }
    made = {
        Sentence(" ".join(text.split()), label, form)
        for form, rule in rules.items()
        for text, label in rule()
    }
    short = (s for s in made if len(s.text) <= MAX_CHARACTERS)
    return sorted(short, key=lambda s: s.text)


def part_of(text: str) -> str:
    """Return the part that owns a sentence, read off the hash of its words."""
    digest = hashlib.sha256(text.encode()).digest()
    place = int.from_bytes(digest[:4], "big") / 2**32
    for part in PARTS:
        if place < SHARES[part]:
            return part
        place -= SHARES[part]
    return PARTS[-1]


@functools.cache
def _pool() -> dict[tuple[str, str, str], list[Sentence]]:
    pool = defaultdict(list)
    for sentence in sentences():
        pool[part_of(sentence.text), sentence.label, sentence.form].append(sentence)
    return dict(pool)


def draw(rng: random.Random, part: str, number: int) -> list[Sentence]:
    """Draw a part's sentences, labels balanced, forms as ``MIXTURE`` says.

    Args:
        rng: Source of randomness.
        part: One of ``PARTS``; its sentences occur in no other.
        number: How many; a form that has fewer sentences repeats them.
    """
    drawn: list[Sentence] = []
    for i, label in enumerate(LABELS):
        count = (number + i) // len(LABELS)
        quota = {form: int(count * share) for form, share in MIXTURE[label].items()}
        quota["copula"] += count - sum(quota.values())
        for form, wanted in quota.items():
            pool = _pool()[part, label, form]
            rounds, rest = divmod(wanted, len(pool))
            drawn += pool * rounds + rng.sample(pool, rest)
    rng.shuffle(drawn)
    return drawn
