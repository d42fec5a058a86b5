"""What makes the first answer come sooner."""

import contextlib
import gc
import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.encoder.kinds import KINDS

if TYPE_CHECKING:
    from espnet_sentiment.pack.find import ModelFiles


def import_toolkit(encoder: str) -> None:
    """Import what a kind of encoder needs, to tell its time from the model's."""
    kind = KINDS.get(encoder)
    if kind is not None and kind.toolkit is not None:
        importlib.import_module(kind.toolkit)


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Leave garbage alone, of which imports and loading make next to none.

    Collecting it takes a seventh of the time that they do. What was made stays to the
    end of the process, and is not looked at again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


class ReadAhead:
    """Hash the files of a model's encoder in a thread.

    The encoder's SHA-256 is verified when the model is loaded. A process hashes a file
    once, and hashing leaves the interpreter to others, so the seconds that imports take
    are used. What is wrong is said when the model is loaded.

    Args:
        files: The model.
        encoder_model: The encoder, where it has moved.
    """

    def __init__(self, files: "ModelFiles", encoder_model: str | None):
        self._reference = files.description["encoder"]
        self._path = encoder_model or files.encoder_model or self._reference.get("path")
        self._thread = threading.Thread(target=self._hash, daemon=True)
        self._thread.start()

    def _hash(self) -> None:
        from espnet_sentiment.encoder.reference import hash_encoder

        # Whatever it is, loading the model meets it again.
        with contextlib.suppress(Exception):
            hash_encoder(self._reference["name"], self._path and Path(self._path))

    def wait(self) -> None:
        """Wait for the end: two that read the same file would be slower."""
        self._thread.join()
