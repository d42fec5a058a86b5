"""From bytes to text: a byte order mark decides, else it is UTF-8, or as is said."""

import codecs
from pathlib import Path

from espnet_sentiment.core.errors import DataError

# The longer ones first: UTF-32's begins as UTF-16's.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = "cp1252"  # of Windows and Excel in western Europe and America


class EncodingError(DataError):
    """A table is in an encoding that it does not name."""


def marked(data: bytes) -> str | None:
    """Return the encoding that a byte order mark at the beginning says, if any."""
    return next((name for mark, name in MARKS if data.startswith(mark)), None)


def decode(path: Path, data: bytes, encoding: str | None = None) -> str:
    """Decode a file.

    Args:
        path: The file, for messages.
        data: Its bytes.
        encoding: Python's name of its encoding; None: by its mark, or UTF-8.

    Raises:
        EncodingError: It is in another one; the message names the line, and shows how
            Windows's would read it.
        DataError: There is no such encoding, or the file's mark says another.
    """
    mark = marked(data)
    own = (mark or "").removesuffix("-sig")
    if encoding and mark and not _name(encoding).startswith(own):
        raise DataError(
            f"{path} begins with the mark of {own}, which is not {encoding}: leave out "
            "--encoding"
        )
    name = mark or encoding or "utf-8"
    if name == "utf-8" and b"\0" in data:
        raise _no_text(path, data)
    try:
        text = data.decode(name)
    except LookupError:
        raise DataError(
            f"--encoding {encoding} is no encoding of text: name one such as cp1252, "
            "latin-1, utf-16, shift_jis or gb18030"
        ) from None
    except UnicodeDecodeError as error:
        raise _undecodable(path, data, name, error) from None
    return text


def _name(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return encoding


def _no_text(path: Path, data: bytes) -> DataError:
    at = data.find(b"\0")
    name = f"utf-16-{'le' if at % 2 else 'be'}"
    return EncodingError(
        f"{path}:{data.count(b'\n', 0, at) + 1} holds NUL: it is no text, or {name} "
        f"without a byte order mark; then convert it: iconv -f {name} -t utf-8"
    )


def _undecodable(
    path: Path, data: bytes, name: str, error: UnicodeDecodeError
) -> DataError:
    number = data.count(b"\n", 0, error.start) + 1
    begin = data.rfind(b"\n", 0, error.start) + 1
    line = data[begin:].split(b"\n", 1)[0].strip()
    if name != "utf-8":
        return DataError(
            f"{path}:{number} is not {name} (byte {error.start}): name another encoding"
        )
    said = f"{path}:{number} is not UTF-8 (byte {error.start}): "
    try:
        western = line.decode(WESTERN)
    except UnicodeDecodeError:
        return EncodingError(
            said + "save it as UTF-8 where it comes from, or convert it with iconv"
        )
    return EncodingError(
        f"{said}save it as UTF-8, or, if the line is {western[:200]!r}, convert it: "
        f"iconv -f {WESTERN} -t utf-8"
    )
