"""How names and texts of turns are spelled: on one line, nothing in them unprintable.

In every format, blanks, tabs and line breaks in a row are one blank: subtitles and
Praat's labels have several lines, the other formats one.
"""

import re
import unicodedata

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import one_line

# Neither XML nor anybody's eye takes them; of zero width are parts of Persian words.
NEVER = ("Cc", "Cs")
NO_CHARACTER = re.compile("[\ufffe\uffff]")


def one_text(text: str, what: str = "the name") -> str:
    """Return a text on one line.

    Args:
        text: The text.
        what: What it is, for messages.

    Raises:
        DataError: It holds control characters, or what is no character.
    """
    text = " ".join(text.split())
    if text.isprintable():
        return text
    for char in text:
        if unicodedata.category(char) in NEVER or NO_CHARACTER.match(char):
            shown = one_line(char) if unicodedata.category(char) in NEVER else "U+FFFE"
            raise DataError(
                f"{what} {one_line(text[:80])!r} holds {shown}, which cannot be "
                "written: take it out"
            )
    return text
