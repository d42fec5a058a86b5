"""One upload, checked and answered."""

from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.source import Source
from espnet_sentiment.demo.limits import Limits

if TYPE_CHECKING:
    from espnet_sentiment.inference.result import Sentiment
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment


def answer(
    model: "Speech2Sentiment", upload: str, limits: Limits, transcript: bool
) -> "Sentiment":
    """Classify a file that a person uploaded.

    Args:
        model: Classifies.
        upload: The file, below a temporary folder.
        limits: Bounds on its duration.
        transcript: Whether words are asked for.

    Raises:
        DataError: The file is not audio, too long, or refused by the model. The
            message names it as the person does, and not where the server keeps it.
    """
    path = Path(upload)
    source = Source(path.name, path)
    _check_duration(source, model.channel, limits.max_seconds)
    return model(source, transcript=transcript)


def _check_duration(source: Source, channel: str | None, most: float) -> None:
    """Refuse what is no audio, or too long; no more than that is decoded of it."""
    from espnet_sentiment.data.audio import NotAudioError, audio_info

    if source.path is None or not source.path.is_file():
        raise DataError(f"{source.name} is no longer on the server: upload it again")
    try:
        info = audio_info(source, channel, most)
    except NotAudioError as error:
        raise DataError(
            f"{source.name} cannot be read as audio ({error.what}): upload WAV, FLAC, "
            "Ogg, MP3 or M4A"
        ) from None
    if info.frames > most * info.sample_rate:
        known = f"{info.frames / info.sample_rate:.0f} s, " if info.complete else ""
        raise DataError(
            f"{source.name} lasts {known}longer than the {most:g} s that this page "
            "takes: upload a part of it, or use 'espnet-sentiment predict'"
        )
