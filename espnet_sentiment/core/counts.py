"""Numbers of things in messages."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 fold``, ``2 folds``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
