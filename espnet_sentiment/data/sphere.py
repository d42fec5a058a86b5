"""The header of a NIST SPHERE file."""

from collections.abc import Mapping
from typing import BinaryIO

MAGIC = b"NIST_1A\n"


def sphere_header(stream: BinaryIO) -> dict[str, str]:
    """Return the fields of a NIST SPHERE header, none of another file's.

    ``header_bytes`` is added, the header's own size.
    """
    stream.seek(0)
    if stream.read(8) != MAGIC:
        return {}
    size = stream.read(8).strip()
    if not size.isdigit():
        return {}
    text = stream.read(int(size)).decode("latin1")
    lines = (line.split(maxsplit=2) for line in text.split("end_head")[0].splitlines())
    fields = {line[0]: line[2] for line in lines if len(line) == 3}
    return fields | {"header_bytes": size.decode()}


def sphere_bytes(fields: Mapping[str, str]) -> int | None:
    """Size that a SPHERE header declares; ``sample_count`` is that of one channel."""
    names = ("header_bytes", "sample_count", "channel_count", "sample_n_bytes")
    try:
        header, samples, channels, width = (int(fields[name]) for name in names)
    except (KeyError, ValueError):
        return None
    return header + samples * channels * width
