"""Which of a file's recordings is meant: by its id, or the stem of its name."""

from collections.abc import Iterable
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.names import as_word, nfc, short
from espnet_sentiment.data.suffixes import RECORDING_SUFFIXES

SHOWN = 20


def pick(path: Path, ids: Iterable[str], name: str | None) -> tuple[str, list[str]]:
    """Return the id of the recording that is meant, and what to say about it.

    Args:
        path: The file, for messages.
        ids: The recordings that it has turns of, at least one.
        name: What the recording is called, or its path; None for the only one.

    Raises:
        DataError: None of them is meant, or several may be.
    """
    ids = list(dict.fromkeys(ids))
    listed = ", ".join(map(short, ids[:SHOWN]))
    listed += f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    if name is None:
        if len(ids) == 1:
            return ids[0], []
        raise DataError(
            f"{path} has turns of {len(ids)} recordings ({listed}): say which one is "
            "meant, or keep only its lines"
        )
    for form in (str, nfc, _stem):
        found = [one for one in ids if form(one) == form(name)]
        if len(found) == 1:
            return found[0], []
        if found:
            raise DataError(
                f"{path}: {', '.join(map(short, found))} may all be {short(name)}: "
                "keep the lines of one"
            )
    if len(ids) == 1:
        return ids[0], [f"its only recording, {ids[0]}, is taken as {_stem(name)}"]
    raise DataError(
        f"{path} has no turns of {short(_stem(name))}, but of {listed}: rename the "
        "recording as it is called there, or keep only its lines"
    )


def _stem(name: str) -> str:
    """Return a name as ids have it: no folders, no suffix, no blanks."""
    path = Path(name)
    is_recording = path.suffix.lower() in RECORDING_SUFFIXES
    return as_word(path.stem if is_recording else path.name)
