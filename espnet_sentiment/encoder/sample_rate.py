"""The rate of the audio as ESPnet's recipes write it: ``--frontend_conf fs=16k``."""

from espnet_sentiment.core.errors import DataError


def parse_rate(fs: int | float | str) -> int:
    """Return a rate in Hz.

    Args:
        fs: ``16000``, ``16k`` or ``16 kHz``.

    Raises:
        DataError: It is no rate.
    """
    import humanfriendly

    text = str(fs).lower().removesuffix("hz").strip()
    try:
        rate = humanfriendly.parse_size(text)
    except humanfriendly.InvalidSize:
        rate = 0
    if rate < 1:
        raise DataError(f"frontend_conf: fs is {fs!r}, no sample rate: give 16k")
    return rate


def check_rate(fs: int | str | None, expected: int, model: str) -> None:
    """Check that audio has the rate that a model was trained on.

    Args:
        fs: The rate, if it is known.
        expected: The model's, in Hz.
        model: Its name, for the message.

    Raises:
        DataError: It is another.
    """
    if fs is not None and parse_rate(fs) != expected:
        raise DataError(
            f"frontend_conf: fs is {fs}, but {model} reads {expected} Hz: resample the "
            f"recordings to that (cls.sh and asr.sh: --fs {expected})"
        )
