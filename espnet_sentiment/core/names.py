"""Names that come with data: classes, utterances, speakers, folds.

They are printed, compared by eye, written to tables and become names of files, so a
name has no character that nobody sees: no control (Unicode's category Cc, ESC and line
ends among them), no format character (Cf: zero width, marks and overrides of
direction), no separator of lines or paragraphs (Zl, Zp), and no half of a surrogate
pair (Cs). It is as long as a name of a file can be, and it is in Unicode's form NFC:
"José" of four characters and of five are one speaker.

Two names that differ in upper and lower case only are two names, and two files; on a
file system that does not tell them apart (macOS, Windows' drives) they would be one.
"""

import re
import unicodedata

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import is_unseen, one_line

# File systems allow 255; ours add ".flac.seal" and what a temporary file has more.
MAX_BYTES = 200


def nfc(name: str) -> str:
    """Return a name in NFC, the form in which names are compared.

    Not for paths: a file is called as it is called.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def as_word(text: str) -> str:
    """Return a name as one word, in NFC: blanks and slashes inside of it become _."""
    return nfc(re.sub(r"[\s/]+", "_", text))


def forms(name: str) -> dict[str, str]:
    """Return NFC and NFD of a name, by their names, where they are other than it is."""
    found = {form: unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    return {form: other for form, other in found.items() if other != name}


def unseen(name: str) -> str | None:
    """Return the first character of a name that nobody sees, if there is one."""
    # Nothing unseen is printable; most names are.
    if name.isprintable():
        return None
    return next(filter(is_unseen, name), None)


def is_name(name: str) -> bool:
    """Tell whether a text can be a name: nothing unseen, not too long."""
    return unseen(name) is None and not _is_long(name)


def name_fault(name: str) -> str | None:
    """Say what a text that cannot be a name holds; None if it can be one."""
    char = unseen(name)
    if char is not None:
        return (
            f"{short(name)} holds {one_line(char)}, a character that nobody sees "
            "(control, zero width or direction)"
        )
    if _is_long(name):
        return (
            f"{short(name)} has {len(name.encode())} bytes in UTF-8, more than the "
            f"{MAX_BYTES} that names of files have room for"
        )
    return None


def check_seen(what: str, name: str, remedy: str = "write it without") -> None:
    """Refuse a name with a character that nobody sees.

    Args:
        what: What has the name, and where: ``data/x/utt2spk: the utterance``.
        name: The name.
        remedy: What to do about it.

    Raises:
        DataError: It has one; the message shows it as an escape.
    """
    if unseen(name) is not None:
        raise DataError(f"{what} {name_fault(name)}: {remedy}")


def check_name(what: str, name: str, remedy: str | None = None) -> None:
    """Refuse what cannot be a name: something unseen in it, or more than a file's name.

    Args:
        what: What has the name, and where.
        name: The name.
        remedy: What to do about it; None for "write it without" or "write a shorter".

    Raises:
        DataError: It cannot be one.
    """
    check_seen(what, name, remedy or "write it without")
    if fault := name_fault(name):
        raise DataError(f"{what} {fault}: {remedy or 'write a shorter one'}")


def as_file(name: str) -> str:
    """Return what a file of a name is called: its slashes blanks, which none has."""
    return name.replace("/", " ")


def short(name: str, most: int = 80) -> str:
    """Return a name in quotation marks for a message, its middle left out if long."""
    return repr(name if len(name) <= most else f"{name[:50]}...{name[-20:]}")


def _is_long(name: str) -> bool:
    # A character has at most four bytes; surrogates are refused elsewhere.
    fits = len(name) <= MAX_BYTES // 4
    return not fits and len(name.encode(errors="replace")) > MAX_BYTES
