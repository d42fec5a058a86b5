"""Synthetic speakers of the embedded corpus: espeak-ng's accents times its variants.

A variant is a vocal tract: formants, voicing, pitch. Those of valid and test speakers
are heard in no other part, their accents are.
"""

import dataclasses
import random

from espeak import Manner

ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-029")  # en: British
# The intelligible ones: no whisper, croak, robot, or strong echo.
VARIANTS = {
    "train": (
        *("m1", "f1", "m2", "f2", "m4", "Annie", "m5", "f4", "m6", "robert"),
        *("m8", "steph", "Mike", "Gene", "Mario", "Denis", "Hugo", "adam"),
        *("max", "benjamin", "Alex", "Alicia", "Andy", "Diogo", "Gene2", "Henrique"),
        *("Jacky", "Lee", "announcer", "belinda", "boris", "caleb", "david", "ed"),
        *("edward", "ian", "iven", "john", "linda", "marcelo", "miguel", "norbert"),
        *("pablo", "quincy", "rob", "sandro", "shelby", "travis", "zac"),
    ),
    "valid": ("Michael", "f3", "victor"),
    "test": ("m3", "f5", "m7", "aunty", "paul"),
}
ACCENTS_A_VARIANT = 2

# Words a minute: a sentence has fewer letters than the encoder has frames of 80 ms.
RATES = (80, 95)
PITCHES = (35, 65)  # a speaker's own, in espeak-ng's units
PITCH_SPREAD = 12  # of an utterance around its speaker's
PITCH_RANGES = (30, 70)
GAINS = (0.25, 0.9)  # below 1: resampling overshoots a little


@dataclasses.dataclass(frozen=True)
class Speaker:
    """A synthetic speaker.

    Args:
        name: Id, ``synth_<accent>_<variant>``.
        voice: espeak-ng's name of the voice.
        pitch: Mean pitch, in espeak-ng's units.
    """

    name: str
    voice: str
    pitch: int


def speakers(part: str) -> list[Speaker]:
    """Return the speakers of train, valid or test."""
    found = []
    for i, variant in enumerate(VARIANTS[part]):
        for j in range(ACCENTS_A_VARIANT):
            accent = ACCENTS[(i + 2 * j) % len(ACCENTS)]
            name = f"synth_{accent}_{variant}"
            # Seeded by a string: the same in every process.
            pitch = random.Random(name).randint(*PITCHES)
            found.append(Speaker(name, f"{accent}+{variant}", pitch))
    return found


def draw_manner(rng: random.Random, speaker: Speaker) -> Manner:
    """Draw how an utterance is spoken; it knows the speaker and nothing else."""
    return Manner(
        rate=rng.randint(*RATES),
        pitch=speaker.pitch + rng.randint(-PITCH_SPREAD, PITCH_SPREAD),
        pitch_range=rng.randint(*PITCH_RANGES),
        gain=round(rng.uniform(*GAINS), 3),
    )
