"""How much work one page takes."""

import dataclasses
import math

from espnet_sentiment.core.errors import DataError


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds on what the page accepts and keeps.

    Args:
        max_mb: Size of an uploaded file, in MB of 2^20 bytes, as Gradio counts.
        max_total_mb: Size of all uploads that are there together, in the same MB.
        max_seconds: Duration of a recording or a stream, in seconds.
        max_concurrent: Recordings that are analysed at the same time.
        max_queue: Recordings that wait; more are refused.
        max_live: Microphones that are heard at the same time.
        keep_seconds: Seconds after which an uploaded file is deleted.

    Raises:
        DataError: One of them is not positive, or not finite; or no file of ``max_mb``
            fits into ``max_total_mb``.
    """

    max_mb: float = 25
    max_total_mb: float = 500
    max_seconds: float = 300
    max_concurrent: int = 1
    max_queue: int = 10
    max_live: int = 2
    keep_seconds: int = 600

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not 0 < value * 2**20 < math.inf:
                raise DataError(f"--{name} {value}: give a finite number above 0")
        if self.max_total_mb < self.max_mb:
            raise DataError(
                f"--max_total_mb {self.max_total_mb:g} is less than --max_mb "
                f"{self.max_mb:g}, the size of one file: give more of it, or less of "
                "the other"
            )

    @property
    def max_total_bytes(self) -> int:
        """Size of all uploads together, in bytes."""
        return int(self.max_total_mb * 2**20)

    @property
    def max_bytes(self) -> int:
        """Size of an uploaded file, in bytes."""
        return int(self.max_mb * 2**20)
