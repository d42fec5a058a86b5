"""Where the bytes of a recording are: in a file, or in memory."""

import dataclasses
import io
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any, BinaryIO

from espnet_sentiment.core.errors import DataError


@dataclasses.dataclass(frozen=True)
class Source:
    """A file or bytes, opened anew by everybody who reads.

    Args:
        name: What messages call it.
        path: The file; None for bytes.
        content: The bytes; None for a file.
    """

    name: str
    path: Path | None = None
    content: bytes | None = dataclasses.field(default=None, repr=False)

    def open(self) -> BinaryIO:
        """Open it at its start.

        Raises:
            DataError: There is no such file.
            OSError: It may not be read.
        """
        if self.content is not None or self.path is None:
            return io.BytesIO(self.content or b"")
        if not self.path.is_file():
            raise DataError(
                f"{self.name} does not exist: check the path; in a recipe, rerun "
                "stage 0"
            )
        # By the object and not by the name, which libsndfile would look for a resource
        # fork beside, and could not encode in every locale.
        return open(self.path, "rb", buffering=0)

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        if self.path is None:
            return len(self.content or b"")
        return self.path.stat().st_size

    @property
    def suffix(self) -> str:
        """Ending of the file's name, in lower case; empty for bytes."""
        return "" if self.path is None else self.path.suffix.lower()

    @property
    def key(self) -> Hashable:
        """Equal for equal contents, as far as size and time of a file tell."""
        if self.path is None:
            return id(self.content), self.size
        stat = os.stat(self.path)
        return str(self.path), stat.st_ino, stat.st_size, stat.st_mtime_ns


def as_source(sound: Any, name: str | None = None) -> Source | None:
    """Return what holds a recording's bytes.

    Args:
        sound: A path, bytes, a file object that is open for reading bytes, which is
            read from its position on, or a source.
        name: What messages call it; None is the path, or the file object's name, or
            "the recording".

    Returns:
        The source; None if ``sound`` is nothing of the kind.

    Raises:
        DataError: The file object is one of text, or has nothing left to read.
    """
    if isinstance(sound, Source):
        return sound
    if isinstance(sound, (str, Path)):
        return Source(str(sound) if name is None else name, path=Path(sound))
    if isinstance(sound, (bytes, bytearray, memoryview)):
        return Source(name or "the recording", content=bytes(sound))
    if not callable(getattr(sound, "read", None)):
        return None
    given = getattr(sound, "name", None)
    name = given if isinstance(given, str) else name or "the recording"
    content = sound.read()
    if isinstance(content, str):
        raise DataError(f"{name} is open for text: open it for bytes, in mode 'rb'")
    if not content:
        raise DataError(
            f"{name} has nothing left to read from its position on: if it was just "
            "written or read, call seek(0) first"
        )
    return Source(name, content=bytes(content))
