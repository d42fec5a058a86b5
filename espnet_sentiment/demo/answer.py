"""One upload, checked and answered."""

import tempfile
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
    source = _checked(upload, model.channel, limits)
    return model(source, transcript=transcript)


def conversation_page(
    model: "Speech2Sentiment", upload: str, limits: Limits, transcript: bool
) -> str:
    """Answer a file's turns, and return their page, HTML.

    Voice activity finds the turns; of a recording with several channels each is heard
    by itself.

    Args:
        model: Classifies.
        upload: As of :func:`answer`.
        limits: Bounds on its duration.
        transcript: Whether words are asked for.

    Raises:
        DataError: As :func:`answer`, or nobody speaks.
    """
    from espnet_sentiment.report.call_page import write_call_page

    source = _checked(upload, "mix", limits)
    found = model.conversation(source, channel="each", transcript=transcript)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "call.html"
        write_call_page(page, found.as_dict(), upload)
        return page.read_text(encoding="utf-8")


def _checked(upload: str, channel: str | None, limits: Limits) -> Source:
    path = Path(upload)
    source = Source(path.name, path)
    _check_duration(source, channel, limits.max_seconds)
    return source


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
