"""What may be written to a terminal."""

import os
from typing import TextIO

BOLD, DIM, RED = "1", "2", "31"


def has_colours(stream: TextIO) -> bool:
    """Tell whether a stream takes colours.

    Only a terminal does, and not where the variable NO_COLOR is set and not empty
    (https://no-color.org) or the terminal calls itself dumb.
    """
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()


def paint(text: str, style: str, colours: bool) -> str:
    """Set a text in a style (an SGR parameter), where there are colours."""
    return f"\x1b[{style}m{text}\x1b[0m" if colours else text
