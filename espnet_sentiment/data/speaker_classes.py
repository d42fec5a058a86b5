"""Whether knowing the speaker tells the class: then speakers must not be normalised.

Taking a speaker's mean away takes away what all of his utterances share. Where that is
the class as well, nothing is left to learn: on a corpus whose speakers each show one
class only, WA fell from 91 % to 3 %.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

WARN, REFUSE = 0.25, 0.5


class SpeakerClasses(NamedTuple):
    """How well a speaker's other utterances tell the class of one.

    Args:
        accuracy: Share of utterances whose class is the most frequent one among the
            speaker's others; of a speaker's only utterance, among all.
        chance: Share of the largest class.
    """

    accuracy: float
    chance: float

    @property
    def told(self) -> float:
        """How much of what chance leaves open the speaker tells, from 0 to 1."""
        left = 1 - self.chance
        return max(0.0, (self.accuracy - self.chance) / left) if left else 0.0


def speaker_classes(
    utts: Iterable[str], utt2spk: Mapping[str, str], utt2label: Mapping[str, str]
) -> SpeakerClasses:
    """Measure it, on training utterances.

    Args:
        utts: The utterances, at least one.
        utt2spk: Their speakers.
        utt2label: Their classes.
    """
    pairs = [(utt2spk[utt], utt2label[utt]) for utt in utts]
    everybody = Counter(label for _, label in pairs)
    by_speaker: dict[str, Counter[str]] = defaultdict(Counter)
    for speaker, label in pairs:
        by_speaker[speaker][label] += 1
    right = 0
    for speaker, label in pairs:
        others = by_speaker[speaker] - Counter([label])
        most = max((others or everybody).values())
        # Of several as frequent, one that is right is no more than a guess.
        best = [name for name, n in (others or everybody).items() if n == most]
        right += label in best and len(best) == 1
    return SpeakerClasses(right / len(pairs), max(everybody.values()) / len(pairs))
