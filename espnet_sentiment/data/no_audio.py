"""What a file holds that is no recording, and what its owner does about it."""

import io
from collections.abc import Iterator
from typing import BinaryIO

HEAD = 1 << 13  # bytes that are looked at
MOOV = 1 << 26  # most bytes of an MP4's index
RESTORE = "restore it, or leave it out"
UNPACK = "unpack it, and name the files in it"
DOWNLOAD = "the download failed (a login or an error?): download it again"
DECRYPT = "get it without protection, or leave it out"

# What files of a kind begin with.
BEGINNINGS = (
    (b"version https://git-lfs.github.com/", "a Git LFS pointer", "run 'git lfs pull'"),
    (b"/annex/objects/", "a git-annex pointer", "run 'git annex get' on it"),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", RESTORE),
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"Salted__", "encrypted by OpenSSL", "decrypt it first"),
    (b"-----BEGIN PGP MESSAGE", "encrypted by PGP", "decrypt it first"),
    (b"age-encryption.org/", "encrypted by age", "decrypt it first"),
    (b"\x00\x05\x16\x07", "macOS's notes on a file of that name", "leave it out"),
    (b"#EXTM3U", "a playlist", "name the recordings that it lists"),
    (b"[playlist]", "a playlist", "name the recordings that it lists"),
    (b"ffconcat version", "a playlist", "name the recordings that it lists"),
    (b"MThd", "a MIDI score, which holds no sound", "render it, or leave it out"),
    (b"\x93NUMPY", "a NumPy array", "give it from Python, with its sample rate"),
    (b"%PDF", "a PDF document", "leave it out"),
    (b"\x89PNG", "a picture", "leave it out"),
    (b"\xff\xd8\xff", "a picture", "leave it out"),
    (b"GIF8", "a picture", "leave it out"),
    (b"SQLite format 3\0", "a database", "leave it out"),
)
# Of an ASF header that says how its contents are encrypted, and of an Audible book.
ASF_ENCRYPTION = bytes.fromhex("fbb31122 23bd d211 b4b7 00a0c955fc6e".replace(" ", ""))
AUDIBLE = (b"aax ", b"aaxc")
# Entries of protected sound in an MP4's index (ISO/IEC 14496-12, FairPlay).
PROTECTED = (b"enca", b"drms")


def what_it_is(stream: BinaryIO) -> tuple[str, str] | None:
    """Say what something that cannot be decoded is.

    Args:
        stream: Its bytes.

    Returns:
        What it is, and the remedy; None if nothing is known.
    """
    stream.seek(0)
    head = stream.read(HEAD)
    if not head:
        return "empty", RESTORE
    if not any(head):
        return "nothing but zero bytes at its start", "copy or download it again"
    for beginning, what, remedy in BEGINNINGS:
        if head.startswith(beginning):
            return what, remedy
    if head[257:262] == b"ustar":
        return "a tar archive", UNPACK
    if found := protection(stream):
        return found
    if head[4:8] == b"ftyp":
        if all(kind != b"moov" for kind, _, _ in _boxes(stream)):
            return (
                "an MP4 without its index (moov), cut short when it was recorded or "
                "copied",
                RESTORE,
            )
        return None
    return _text(head)


def protection(stream: BinaryIO) -> tuple[str, str] | None:
    """Say what protects a recording from being read; None if nothing does."""
    stream.seek(0)
    head = stream.read(HEAD)
    if ASF_ENCRYPTION in head:
        return "encrypted (DRM of Windows Media)", DECRYPT
    if head[4:8] != b"ftyp":
        return None
    if head[8:12] in AUDIBLE:
        return "encrypted (DRM of Audible)", DECRYPT
    for kind, begin, size in _boxes(stream):
        if kind == b"moov":
            stream.seek(begin)
            index = stream.read(min(size, MOOV))
            if any(entry in index for entry in PROTECTED):
                return "encrypted (DRM)", DECRYPT
    return None


def _boxes(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Give kind, begin and size of the boxes of an MP4, with their headers."""
    end, position = stream.seek(0, io.SEEK_END), 0
    while position + 8 <= end:
        stream.seek(position)
        head = stream.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        size = size or end - position
        if size < 8:
            return
        yield head[4:8], position, size
        position += size


def _text(head: bytes) -> tuple[str, str] | None:
    """Say what kind of text there is."""
    body = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    # The last character may be cut off.
    text = body.decode("utf-8", "ignore")
    if "\0" in text or not text or len(text.encode()) < 0.9 * len(body):
        return None
    lower = text[:500].lower()
    if lower.startswith(("<!doctype html", "<html")) or "<html" in lower:
        return "an HTML page", DOWNLOAD
    if lower.startswith("<"):
        return "XML", DOWNLOAD
    if lower.startswith(("{", "[")):
        return "JSON", DOWNLOAD
    return "text", RESTORE
