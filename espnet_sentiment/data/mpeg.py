"""How many samples an MP3's first frame declares."""

from typing import BinaryIO

# Bytes after a frame's header that Xing's tag comes after, by MPEG-1 or not and mono
# or not (http://gabriel.mp3-tech.org/mp3infotag.html).
SIDE_INFORMATION = {(True, False): 32, (True, True): 17}
SIDE_INFORMATION |= {(False, False): 17, (False, True): 9}
HEAD = 1 << 12  # bytes that a first frame is looked for in
PADDING = 3 * 1152  # most samples that encoders add at both ends


def is_mpeg(head: bytes) -> bool:
    """Tell a stream of MPEG audio frames, or of ADTS, by its first bytes."""
    return head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def declared_samples(stream: BinaryIO) -> int | None:
    """Return the samples that a Xing or Info tag promises, encoders' padding included.

    Returns:
        The number, of which up to ``PADDING`` are not heard; None without a tag.
    """
    stream.seek(0)
    head = stream.read(10)
    begin = 0
    if head[:3] == b"ID3":
        # Seven bits a byte.
        begin = 10 + sum(b << 7 * (3 - i) for i, b in enumerate(head[6:10]))
    stream.seek(begin)
    head = stream.read(HEAD)
    sync = next((i for i in range(len(head) - 4) if _is_frame(head[i : i + 4])), None)
    if sync is None:
        return None
    is_first = bool(head[sync + 1] & 0x08)
    is_mono = head[sync + 3] >> 6 == 3
    tag = sync + 4 + SIDE_INFORMATION[is_first, is_mono]
    has_frames = head[tag + 4 : tag + 8] and head[tag + 7] & 1
    if head[tag : tag + 4] not in (b"Xing", b"Info") or not has_frames:
        return None
    frames = int.from_bytes(head[tag + 8 : tag + 12], "big")
    return frames * (1152 if is_first else 576)


def _is_frame(header: bytes) -> bool:
    """Tell a header of Layer III."""
    return header[0] == 0xFF and header[1] & 0xE6 == 0xE2 and header[2] >> 4 != 0xF
