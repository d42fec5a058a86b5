"""Whether an Ogg file ends within a page."""

from typing import BinaryIO

LARGEST_PAGE = 27 + 255 + 255 * 255  # bytes (RFC 3533, section 6)


def ogg_bytes(stream: BinaryIO, size: int) -> int | None:
    """Return the bytes up to the end that the last page declares.

    Args:
        stream: An Ogg recording.
        size: Its bytes.

    Returns:
        The number; None if no page is found at the end.
    """
    begin = max(0, size - LARGEST_PAGE)
    stream.seek(begin)
    tail = stream.read(LARGEST_PAGE)
    page = tail.rfind(b"OggS\0")
    if page < 0:
        return None
    segments = tail[page + 26 : page + 27]
    if not segments:
        return size + 1
    table = tail[page + 27 : page + 27 + segments[0]]
    return begin + page + 27 + segments[0] + sum(table)
