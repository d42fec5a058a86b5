"""What a model says of itself, its licence above all."""

from pathlib import Path

NOTICES = ("LICENSE*", "LICENCE*", "NOTICE*", "README.md")


def notices(folder: Path) -> list[Path]:
    """Return the licences and notices that lie in a model's folder."""
    return [file for pattern in NOTICES for file in sorted(folder.glob(pattern))]
