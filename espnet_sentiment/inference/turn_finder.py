"""Find a stream's turns as they come: those of offline voice activity.

silero-vad's own function reads all probabilities at once. Where a stretch of speech
has ended, it forgets what came before, so it is given what came since then, again with
every frame, and finds the same stretches.
"""

import math
from collections import deque
from typing import NamedTuple

from espnet_sentiment.inference.long_recordings import PAD_MS, VAD_FRAME, VAD_RATE

PAD = VAD_RATE * PAD_MS // 1000
MIN_SPEECH_MS = 250  # silero-vad's default: shorter speech is none
ENDLESS = 1 << 52  # where speech ends that goes on


class Found(NamedTuple):
    """A turn, in samples at ``VAD_RATE``; one that is cut goes on in the next."""

    start: int
    end: int
    is_cut: bool


class TurnFinder:
    """Finds turns in probabilities of speech, a frame of ``VAD_FRAME`` samples each.

    Times are samples at ``VAD_RATE``. No more is kept than the probabilities of the
    speech that goes on.

    Args:
        max_seconds: What is longer is cut at its longest pause, or anywhere.
        min_pause: Seconds of silence that end a turn.

    Attributes:
        heard: Samples of all frames so far.
    """

    def __init__(self, max_seconds: float, min_pause: float):
        # Its import has side effects, which load_vad undoes.
        from silero_vad import get_speech_timestamps_from_probs

        self._find = get_speech_timestamps_from_probs
        self._options = {
            "sampling_rate": VAD_RATE,
            # Turns are padded here, when the next one is known; the nanosecond is
            # against rounding.
            "max_speech_duration_s": max_seconds - 2 * PAD / VAD_RATE + 1e-9,
            "min_silence_duration_ms": 1000 * min_pause,
            "min_speech_duration_ms": MIN_SPEECH_MS,
            "speech_pad_ms": 0,
        }
        self._pause = [0.0] * (math.ceil(VAD_RATE * min_pause / VAD_FRAME) + 1)
        self.heard = 0
        self._first, self._probabilities = 0, list[float]()
        self._open: int | None = None  # where speech that goes on has begun
        self._certain: int | None = None  # as that, of what is too long to be dropped
        self._ended = deque[Found]()  # without padding
        self._last_end: int | None = None

    def add(self, probability: float) -> None:
        """Hear a frame."""
        self._probabilities.append(probability)
        self.heard += VAD_FRAME
        spans = self._spans(self._probabilities, ENDLESS)
        goes_on = bool(spans) and spans[-1][1] == ENDLESS
        self._open = spans[-1][0] if goes_on else None
        if len(spans) > goes_on:
            pause = self.heard - VAD_FRAME - spans[0][1]
            is_cut = VAD_RATE * self._options["min_silence_duration_ms"] > 1000 * pause
            self._ended.append(Found(*spans[0], is_cut))
            self._forget(probability)
        elif not goes_on:
            self._forget(probability)

    def _forget(self, probability: float) -> None:
        """Drop what has no influence on what is found from now on."""
        if self._open is None:
            self._first, self._probabilities = self.heard, []
            return
        # It was cut in a pause, of which this is the outcome: what came behind that
        # counts as speech, and pauses in it no more.
        n_frames = (self.heard - self._open) // VAD_FRAME - 1
        self._first = self._open
        self._probabilities = [1.0] * n_frames + [probability]

    def _spans(self, probabilities: list[float], length: int) -> list[tuple[int, int]]:
        """Find speech in what is kept, as if the sound ended at ``length``."""
        found = self._find(
            probabilities,
            audio_length_samples=length - self._first,
            **self._options,
        )
        return [(self._first + s["start"], self._first + s["end"]) for s in found]

    def settled(self) -> list[Found]:
        """Give, once, the turns that nothing changes any more."""
        found = []
        while self._ended and (end := self._padded_end()) is not None:
            found.append(self._take(end))
        return found

    def finish(self, length: int) -> list[Found]:
        """Give the turns that are left when the sound has ended.

        Args:
            length: Its samples; the last frame may reach beyond.
        """
        if self._open is not None:
            self._ended += [
                Found(*span, False) for span in self._spans(self._probabilities, length)
            ]
            self._open = None
        self.heard = ENDLESS
        return [turn._replace(end=min(length, turn.end)) for turn in self.settled()]

    def _padded_end(self) -> int | None:
        """Where the first turn that has ended ends, if that is known."""
        end = self._ended[0].end
        if len(self._ended) > 1:
            return end + _half(self._ended[1].start - end)
        if self._open is None:
            return end + PAD if self.heard - end >= 2 * PAD else None
        gap = self._open - end
        # The next one's start moves this one's end, if there is to be a next one.
        return end + _half(gap) if gap >= 2 * PAD or self._is_certain() else None

    def _take(self, end: int) -> Found:
        found = self._ended.popleft()
        start = self._padded_start(found.start)
        self._last_end = found.end
        return Found(start, end, found.is_cut)

    def _padded_start(self, start: int) -> int:
        gap = 2 * PAD if self._last_end is None else start - self._last_end
        return max(0, start - _half(gap))

    @property
    def needed(self) -> int:
        """The first sample that a turn may still need."""
        if self._ended:
            return self._padded_start(self._ended[0].start)
        if self._open is not None:
            return self._padded_start(self._open)
        return max(0, self.heard - PAD)

    @property
    def open_turn(self) -> int | None:
        """Where the turn that goes on begins; None while it may yet be none."""
        if self._open is None or self._ended or not self._is_certain():
            return None
        return self._padded_start(self._open)

    def _is_certain(self) -> bool:
        """Tell whether speech that goes on would be kept if it had ended by now."""
        # The last frame may not be whole.
        least = VAD_RATE * MIN_SPEECH_MS // 1000 + VAD_FRAME
        has_lasted = self._open is not None and self.heard - self._open > least
        if self._certain != self._open and has_lasted:
            spans = self._spans(self._probabilities + self._pause, ENDLESS)
            if spans and spans[0][1] - spans[0][0] > least:
                self._certain = self._open
        return self._certain == self._open


def _half(gap: int) -> int:
    """How much of the silence between two turns belongs to each."""
    return min(gap // 2, PAD)
