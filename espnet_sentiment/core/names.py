"""Names that come with data: classes, utterances, speakers, folds.

They are printed, compared by eye, and written to tables, so a name has no character
that nobody sees: no control (Unicode's category Cc, ESC and line ends among them), no
format character (Cf: zero width, marks and overrides of direction), no separator of
lines or paragraphs (Zl, Zp), and no half of a surrogate pair (Cs).
"""

import unicodedata

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import one_line

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def unseen(name: str) -> str | None:
    """Return the first character of a name that nobody sees, if there is one."""
    # Nothing of UNSEEN is printable; most names are.
    if name.isprintable():
        return None
    return next((c for c in name if unicodedata.category(c) in UNSEEN), None)


def check_seen(what: str, name: str, remedy: str = "write it without") -> None:
    """Refuse a name with a character that nobody sees.

    Args:
        what: What has the name, and where: ``data/x/utt2spk: the utterance``.
        name: The name.
        remedy: What to do about it.

    Raises:
        DataError: It has one; the message shows it as an escape.
    """
    char = unseen(name)
    if char is not None:
        raise DataError(
            f"{what} {name!r} holds {one_line(char)}, a character that "
            f"nobody sees (control, zero width or direction): {remedy}"
        )
