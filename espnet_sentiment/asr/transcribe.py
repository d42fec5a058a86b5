"""Recognise a set from what stage 1 wrote; a killed run continues."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

from espnet_sentiment.asr.protocols import Recogniser
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.resumable import resumable_map
from espnet_sentiment.data.dump import DumpReader


def transcribe(
    recogniser: Recogniser,
    reader: DumpReader,
    num_frames: Mapping[str, int],
    batch_frames: int,
    parts: Path,
    of: str,
    window: int | None = None,
) -> dict[str, str]:
    """Recognise utterances.

    Args:
        recogniser: What recognises them.
        reader: Gives their audio or fbank.
        num_frames: Frames of 10 ms of every utterance.
        batch_frames: Most frames that are recognised together, padding included.
        parts: Folder of what is finished.
        of: Hash of what all is made from.
        window: See ``ASRModel``.

    Returns:
        The text of every utterance.

    Raises:
        DataError: An utterance is too short for the encoder.
    """

    def recognise(utts: Sequence[str]) -> dict[str, str]:
        speech = [reader(utt) for utt in utts]
        try:
            return dict(zip(utts, recogniser(speech), strict=True))
        except TooShortUttError as error:
            shortest = min(zip(utts, speech, strict=True), key=lambda x: len(x[1]))[0]
            raise DataError(
                f"utterance {shortest} ({reader.where[shortest]}) is too short: {error}"
            ) from None

    groups = {parts: dict(num_frames)}
    if window is not None:
        # In batches apart, as long ones are recognised otherwise.
        groups = {
            parts / name: {u: n for u, n in num_frames.items() if (n > window) == long}
            for name, long in (("long", True), ("short", False))
        }
    texts: dict[str, str] = {}
    for folder, frames in groups.items():
        if frames:
            texts |= resumable_map(
                recognise, frames, batch_frames, folder, of, window or 1, "transcribe"
            )
    return texts
