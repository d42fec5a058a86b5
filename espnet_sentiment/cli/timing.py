"""Seconds by phase, from the start of the program to its last answer."""

import time


class Timing:
    """A stopwatch that names what it has measured.

    Args:
        start: Reading of ``time.perf_counter`` at the start of the first phase.
    """

    def __init__(self, start: float):
        self.start = self._last = start
        self.phases: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """End a phase."""
        now = time.perf_counter()
        self.phases[phase] = now - self._last
        self._last = now

    def __str__(self) -> str:
        total = sum(self.phases.values())
        phases = ", ".join(f"{n} {s:.2f} s" for n, s in self.phases.items())
        return f"{phases}; in all {total:.2f} s"
