"""What the synthetic sets hold: who says which sentence, and how."""

import dataclasses
import random
from pathlib import Path

import soundfile
from corpus import PARTS, draw
from espeak import Manner, synthesize
from voices import draw_manner, speakers

from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE

SIZES = {
    "mini_speech": {"train": 3600, "valid": 150, "test": 300},
    "mini": {"train": 600, "valid": 150, "test": 450},
}
LABELLED = ("mini",)


@dataclasses.dataclass(frozen=True)
class Planned:
    """An utterance to synthesize.

    Args:
        utt: Id; it begins with the speaker's.
        part: train, valid or test.
        speaker: Speaker id.
        voice: espeak-ng's name of the voice.
        manner: Rate, pitch and loudness.
        text: Transcript.
        label: Sentiment; None in a set that is transcribed only.
    """

    utt: str
    part: str
    speaker: str
    voice: str
    manner: Manner
    text: str
    label: str | None

    def path(self, folder: Path) -> Path:
        """Return the path of its recording below ``folder``."""
        return folder / self.speaker / f"{self.utt}.flac"


def plan(name: str, divisor: int = 1) -> list[Planned]:
    """Plan a set, the same in every run.

    Args:
        name: Key of ``SIZES``.
        divisor: Leaves out utterances: one in so many is planned.
    """
    planned = []
    for part in PARTS:
        rng = random.Random(f"{name} {part}")
        sentences = draw(rng, part, SIZES[name][part] // divisor)
        # Another generator: whatever is said, speakers and manners stay the same.
        rng = random.Random(f"{name} {part} manner")
        voices = speakers(part)
        for number, sentence in enumerate(sentences):
            speaker = rng.choice(voices)
            planned.append(
                Planned(
                    utt=f"{speaker.name}-{name}_{part}_{number:04d}",
                    part=part,
                    speaker=speaker.name,
                    voice=speaker.voice,
                    manner=draw_manner(rng, speaker),
                    text=sentence.text,
                    label=sentence.label if name in LABELLED else None,
                )
            )
    return planned


def render(planned: Planned, folder: Path) -> None:
    """Synthesize an utterance and write its FLAC, unless it is there."""
    path = planned.path(folder)
    if path.exists():
        return
    samples = synthesize(planned.text, planned.voice, planned.manner)
    with atomic_path(path) as temporary:
        soundfile.write(temporary, samples, SAMPLE_RATE, format="FLAC")
