"""Chance that depends on a name alone: the same in every run, order and process."""

import hashlib


def seed_of(name: str) -> int:
    """Return a seed that only the name decides, of 64 bits and not negative."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "little")
