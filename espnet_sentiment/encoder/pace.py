"""How long stage 3 takes, at the speed of what it has encoded first."""

import time
from collections.abc import Callable


class Pace:
    """Says, once it is known, how long encoding takes.

    Args:
        say: Prints a line.
        todo: Utterances of all stores that are to be written.
        enough: So many of them tell the speed.
    """

    def __init__(self, say: Callable[[str], object], todo: int, enough: int):
        self.say, self.todo, self.enough = say, todo, enough
        self.done, self.begin = 0, time.monotonic()

    def __call__(self, utterances: int) -> None:
        """Count what is done."""
        known = self.done >= self.enough
        self.done += utterances
        if not known and self.enough <= self.done < self.todo:
            speed = self.done / (time.monotonic() - self.begin)
            left = (self.todo - self.done) / speed
            self.say(
                f"{minutes(left)} to go at {speed:.1f} utterances a second, as the "
                f"first {self.done} of {self.todo} took"
            )


def minutes(seconds: float) -> str:
    """Write a time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"
