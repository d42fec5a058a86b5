"""From a file of turns to its text, lines or fields."""

from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.encoding import decode
from espnet_sentiment.data.records import CONTENTS

COMMENT = ";;"  # of NIST's formats


def read_text(path: Path) -> str:
    """Return what a text file holds: in UTF-8, or as its byte order mark says.

    Raises:
        DataError: It cannot be read, is no text, or in another encoding; the message
            has the line and the remedy.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: check the name") from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): name a file, and fix its "
            "permissions"
        ) from None
    for begin, what in CONTENTS:
        if data[: len(begin)].lower() == begin.lower():
            raise DataError(f"{path} {what}")
    if data.startswith(b"ooBinaryFile"):
        raise DataError(
            f"{path} is a binary file of Praat: save it as a text file in Praat"
        )
    return decode(path, data).removeprefix("\ufeff")


def lines_of(text: str) -> list[str]:
    """Split a text where lines end, and not at what else Unicode calls a separator."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def fields_by_line(path: Path, comment: str = COMMENT) -> list[tuple[str, list[str]]]:
    """Return place and fields of all lines but empty ones and comments.

    Raises:
        DataError: As :func:`read_text`.
    """
    return [
        (f"{path}:{number}", line.split())
        for number, line in enumerate(lines_of(read_text(path)), 1)
        if line.strip() and not line.lstrip().startswith(comment)
    ]
