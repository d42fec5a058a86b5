"""How many bytes of samples the header of an uncompressed recording declares.

libsndfile shortens without a word what is cut short, and takes a length that was not
known when the header was written for none. FFmpeg's libraries shorten AVI and Matroska.
"""

import dataclasses
import io
from collections.abc import Mapping
from typing import BinaryIO, Literal

# What writers to pipes put there, see https://sourceforge.net/p/sox (0x7FFFF000),
# ffmpeg's wavenc.c (0xFFFFFFFF) and alsa-utils' aplay.c (0x7FFFFFFF, 0x80000000); some
# subtract the header, or what is no whole block.
UNKNOWN = (0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
SLACK = 256
W64_ID = 16  # bytes of an id; the first four are letters
EBML, SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"  # ids of Matroska's two elements


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a format of chunks is laid out.

    Args:
        first: Where the first chunk begins.
        id_size: Bytes of a chunk's id.
        width: Bytes of a chunk's size.
        order: Order of the size's bytes.
        align: What chunks are padded to.
        inclusive: Whether the size counts id and size.
        samples: Id of the chunk of samples.
    """

    first: int = 12
    id_size: int = 4
    width: int = 4
    order: Literal["little", "big"] = "little"
    align: int = 2
    inclusive: bool = False
    samples: bytes = b"data"


WAVE = Layout()
LAYOUTS = {
    b"RIFF": WAVE,
    b"RF64": WAVE,
    b"FORM": Layout(order="big", samples=b"SSND"),
    b"caff": Layout(first=8, width=8, order="big", align=1),
    b"riff": Layout(first=40, id_size=W64_ID, width=8, align=8, inclusive=True),
}


@dataclasses.dataclass(frozen=True)
class Declared:
    """What a header says of its samples.

    Args:
        end: Where they end, in bytes from the file's start; None if unknown.
        patches: Bytes by position that say of an unknown length what it is.
    """

    end: int | None
    patches: Mapping[int, bytes] = dataclasses.field(default_factory=dict)


def declared(stream: BinaryIO, size: int) -> Declared | None:
    """Read the header of WAVE, RF64, Wave64, AIFF, CAF, AU, AVI or Matroska.

    Args:
        stream: The recording.
        size: Its bytes.

    Returns:
        What it says; None of other formats, or without samples.
    """
    stream.seek(0)
    magic = stream.read(4)
    if magic == b".snd":
        return _au(stream, size)
    if magic == b"RIFF" and _at(stream, 8, 4) == b"AVI ":
        # Larger ones go on in further such chunks; a stream has 0.
        length = int.from_bytes(_at(stream, 4, 4), "little")
        return Declared(8 + length) if length else None
    if magic == EBML:
        return _matroska(stream)
    layout = LAYOUTS.get(magic)
    return None if layout is None else _chunks(stream, size, magic, layout)


def _au(stream: BinaryIO, size: int) -> Declared | None:
    begin, length = (int.from_bytes(stream.read(4), "big") for _ in range(2))
    if _is_unknown(length, size - begin) or (length == 0 and begin < size):
        return Declared(None, {8: b"\xff" * 4})
    return Declared(begin + length)


def _matroska(stream: BinaryIO) -> Declared | None:
    """Read the sizes of the header and of the segment, which is all the rest."""
    _, begin, length = _element(stream, 0)
    found, begin, length = _element(stream, begin + (length or 0))
    known = found == SEGMENT and length is not None
    return Declared(begin + (length or 0)) if known else None


def _element(stream: BinaryIO, position: int) -> tuple[bytes, int, int | None]:
    """Return id, begin and length of an element of EBML (RFC 8794, sections 4 to 6).

    The length is None where it was not known, as in a stream.
    """
    head = _at(stream, position, 12).ljust(12, b"\0")
    at = 9 - head[0].bit_length()  # zeros before the first bit tell how many bytes
    width = 9 - head[at].bit_length()
    most = (1 << 7 * width) - 1
    length = int.from_bytes(head[at : at + width], "big") & most
    return head[:at], position + at + width, None if length == most else length


def _chunks(
    stream: BinaryIO, size: int, magic: bytes, layout: Layout
) -> Declared | None:
    position, header = layout.first, layout.id_size + layout.width
    large = 0  # RF64's size of the samples, and where it stands
    while len(head := _at(stream, position, header)) == header:
        field = position + layout.id_size
        length = int.from_bytes(head[layout.id_size :], layout.order)
        begin = position + header
        if layout.inclusive:
            length = max(0, length - header)
        if head[:4] == b"ds64":
            large = begin + 8
        elif head[:4] == layout.samples:
            if large and length == 0xFFFFFFFF:
                field, length = large, int.from_bytes(_at(stream, large, 8), "little")
            break
        position = begin + -(-length // layout.align) * layout.align
    else:
        return None
    rest = size - begin
    is_none = length == 0 and _is_stream(stream, magic, size)
    if not is_none and not _is_unknown(length, rest):
        return Declared(begin + length)
    if field == large:
        # Of all and of the samples; that of all stands before.
        sizes = (n.to_bytes(8, "little") for n in (size - 8, rest))
        return Declared(None, {large - 8: b"".join(sizes)})
    if layout.width == 4:
        return Declared(None, {field: b"\xff" * 4})
    rest += header if layout.inclusive else 0
    return Declared(None, {field: rest.to_bytes(layout.width, layout.order)})


def _at(stream: BinaryIO, position: int, size: int) -> bytes:
    stream.seek(position)
    return stream.read(size)


def _is_unknown(length: int, rest: int) -> bool:
    """Tell a number that stands for no length from that of a file that was cut."""
    return length > rest and any(0 <= n - length < SLACK for n in UNKNOWN)


def _is_stream(stream: BinaryIO, magic: bytes, size: int) -> bool:
    """Tell whether no samples are declared because nobody came back to count them.

    Who did has written the size of the file, too.
    """
    if magic == b"riff":
        return int.from_bytes(_at(stream, W64_ID, 8), "little") != size
    if magic == b"RF64":
        return True
    order: Literal["little", "big"] = "big" if magic == b"FORM" else "little"
    return size - int.from_bytes(_at(stream, 4, 4), order) not in (7, 8, 9)


class Patched(io.RawIOBase):
    """A stream some of whose bytes read otherwise.

    Args:
        stream: What is read.
        patches: Bytes by position.
    """

    def __init__(self, stream: BinaryIO, patches: Mapping[int, bytes]):
        self._stream, self._patches = stream, patches

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; return the position."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()

    def readinto(self, buffer, /) -> int:
        """Fill a buffer; return how many bytes there were."""
        begin = self._stream.tell()
        content = bytearray(self._stream.read(len(buffer)))
        for position, patch in self._patches.items():
            for at, byte in enumerate(patch, position - begin):
                if 0 <= at < len(content):
                    content[at] = byte
        buffer[: len(content)] = content
        return len(content)
