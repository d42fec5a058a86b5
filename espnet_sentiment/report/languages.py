"""The languages of the report: ``languages/NAME.json``, every text by its key."""

from pathlib import Path

from espnet_sentiment.core.files import read_json

LANGUAGES = Path(__file__).with_name("languages")
DEFAULT = "en"


def language_names() -> list[str]:
    """Return the languages that there are, as ``<html lang>`` takes them."""
    return sorted(path.stem for path in LANGUAGES.glob("*.json"))


def language_path(name: str) -> Path:
    """Return the file of a language."""
    return LANGUAGES / f"{name}.json"


def read_texts(name: str) -> dict[str, str]:
    """Read a language: key -> text, with {placeholders} where values go in."""
    return read_json(language_path(name))
