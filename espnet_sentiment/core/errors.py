"""Errors that users read: one clear line instead of a traceback."""

import textwrap
from collections.abc import Sequence
from typing import NoReturn


class UserError(RuntimeError):
    """What a user can put right: the message says what is wrong, and the remedy."""


class DataError(UserError):
    """Bad input: the message names the file and says what to do about it."""


def refuse(head: str, errors: Sequence[str]) -> NoReturn:
    """Raise a DataError that lists several errors, the first 20 by name."""
    more = [f"... and {len(errors) - 20} more"] if len(errors) > 20 else []
    raise DataError("\n  ".join([head, *errors[:20], *more]))


def first_line(error: Exception) -> str:
    """Return what an error says, within a message's bounds."""
    return textwrap.shorten(next(iter(str(error).splitlines()), ""), 200)
