"""One upload, checked and answered."""

from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.core.errors import DataError
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
    seconds = _duration(path)
    if seconds > limits.max_seconds:
        raise DataError(
            f"{path.name} lasts {seconds:.0f} s, longer than the "
            f"{limits.max_seconds:g} s that this page takes: upload a part of it, or "
            "use 'espnet-sentiment predict'"
        )
    try:
        return model(path, transcript=transcript)
    except DataError as error:
        raise DataError(str(error).replace(str(path), path.name)) from None


def _duration(path: Path) -> float:
    """Return the seconds that the header promises; nothing is decoded."""
    import soundfile

    try:
        return soundfile.info(str(path)).duration
    except soundfile.LibsndfileError as error:
        if not path.is_file():
            raise DataError(
                f"{path.name} is no longer on the server: upload it again"
            ) from None
        raise DataError(
            f"{path.name} cannot be read as audio ({error.error_string.rstrip('.')}): "
            "upload WAV, FLAC, Ogg or MP3"
        ) from None
