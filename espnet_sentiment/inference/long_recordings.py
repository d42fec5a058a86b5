"""Cutting recordings that are longer than a limit."""

import math
import warnings
from typing import Protocol

import torch
from tqdm import tqdm

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.inference.waveform import BLOCK, Recording

CUTS = ("vad", "windows")

Span = tuple[float, float]  # start and end in seconds

# silero-vad reads this rate, in frames of 32 ms.
VAD_RATE = 16000
VAD_FRAME = 512
# A block is read in so many parts at once, which is six times as fast as one by one;
# the detector hears what comes before a part, too.
PARTS_AT_ONCE = 30
LEAD_IN = 32  # frames, about a second
# Utterances end in pauses; the detector's own 0.1 s would part words.
MIN_PAUSE_MS = 500
PAD_MS = 100
# Seconds until a bar is shown: most recordings take less.
BAR_AFTER = 1.0


class NothingToAnswerError(DataError):
    """What is to be answered is sound, but too short, or holds no speech."""


class Detector(Protocol):
    """silero-vad's model, which hears frames in their order."""

    def reset_states(self) -> None:
        """Forget what came before."""

    def __call__(self, frames: torch.Tensor, rate: int) -> torch.Tensor:
        """Map frames (B, N) to probabilities of speech (B, 1)."""


def cut(
    recording: Recording,
    max_seconds: float,
    how: str = "vad",
    progress: bool = False,
) -> list[Span]:
    """Cut a recording into parts of at most ``max_seconds``.

    Args:
        recording: What to cut, longer than that.
        max_seconds: The limit.
        how: ``vad``: stretches of speech between pauses, what is no speech being left
            out; ``windows``: windows of equal length that cover all of it.
        progress: See ``speech_spans``.

    Raises:
        NothingToAnswerError: No speech is found.
        DataError: The recording cannot be read.
    """
    if how == "windows":
        n = math.ceil(recording.duration / max_seconds)
        edges = [recording.duration * (i / n) for i in range(n + 1)]
        return list(zip(edges[:-1], edges[1:], strict=True))
    spans = speech_spans(recording, max_seconds, progress)
    if not spans:
        raise NothingToAnswerError(
            f"{recording.name}: no speech is found in its {recording.duration:.0f} s; "
            "if there is some, cut it into windows (--cut windows, in Python "
            "cut='windows'), which classifies all of it"
        )
    return spans


def speech_spans(
    recording: Recording, max_seconds: float, progress: bool = False
) -> list[Span]:
    """Find stretches of speech by silero-vad (https://github.com/snakers4/silero-vad).

    Args:
        recording: Read block by block, whatever its length.
        max_seconds: What is longer is cut at its longest pause, or anywhere.
        progress: Show a bar on standard error, of a recording that takes a while.

    Raises:
        DataError: The recording cannot be read.
    """
    model = load_vad()
    from silero_vad import get_speech_timestamps_from_probs

    probabilities: list[float] = []
    channel = "" if recording.channel is None else f", channel {recording.channel}"
    bar = tqdm(
        recording.blocks(VAD_RATE),
        total=math.ceil(recording.duration / BLOCK),
        desc=f"voice activity{channel}",
        unit="min",
        disable=not progress,
        leave=False,
        delay=BAR_AFTER,
    )
    for block in bar:
        probabilities += speech_probabilities(model, torch.from_numpy(block))
    found = get_speech_timestamps_from_probs(
        probabilities,
        sampling_rate=VAD_RATE,
        max_speech_duration_s=max_seconds,
        min_silence_duration_ms=MIN_PAUSE_MS,
        speech_pad_ms=PAD_MS,
        audio_length_samples=int(recording.duration * VAD_RATE),
    )
    return [(span["start"] / VAD_RATE, span["end"] / VAD_RATE) for span in found]


def load_vad() -> Detector:
    """Load the detector anew, since it has a state; importing it has side effects."""
    n_threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from silero_vad import load_silero_vad

        # It has set them to 1.
        torch.set_num_threads(n_threads)
        return load_silero_vad()


@torch.inference_mode()
def speech_probabilities(model: Detector, samples: torch.Tensor) -> list[float]:
    """Return the probability of speech in every frame of 32 ms.

    Args:
        model: The detector.
        samples: Mono (N,) at 16 kHz; the last frame may lack samples.
    """
    n_frames = math.ceil(len(samples) / VAD_FRAME)
    per_part = math.ceil(n_frames / PARTS_AT_ONCE)
    before = LEAD_IN * VAD_FRAME
    after = PARTS_AT_ONCE * per_part * VAD_FRAME - len(samples)
    padded = torch.nn.functional.pad(samples, (before, after))
    parts = padded.unfold(0, (LEAD_IN + per_part) * VAD_FRAME, per_part * VAD_FRAME)
    model.reset_states()
    found = [model(frame, VAD_RATE)[:, 0] for frame in parts.split(VAD_FRAME, dim=1)]
    return torch.stack(found[LEAD_IN:], dim=1).flatten()[:n_frames].tolist()
