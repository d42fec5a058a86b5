"""The files of a conversation: pages, tables, subtitles, annotations, by suffix."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_sentiment.cli.call_table import CallCSV
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.escape import json_text
from espnet_sentiment.core.files import write_text

if TYPE_CHECKING:
    from espnet_sentiment.inference.conversation import Conversation

INDEX = "index.html"


def write_conversation(path: Path, found: "Conversation") -> list[str]:
    """Write a conversation.

    Args:
        path: What it ends in, in capitals or not, says what is written: one of
            ``SUFFIXES``.
        found: The conversation, of a file, which a page lets hear.

    Returns:
        What of it the file cannot hold.

    Raises:
        DataError: The file cannot hold it, or not be written.
        UserError: There is no such format.
    """
    check_suffix(path)
    return _WRITERS.get(path.suffix.lower(), _write_turns)(path, found)


def write_index_of(out: Path, calls: Iterable[Mapping[str, Any]]) -> None:
    """Write ``out/index.html``, which names the calls without an answer, too.

    Args:
        out: What ``answer_calls`` wrote.
        calls: The rows of its ``calls.jsonl``.
    """
    from espnet_sentiment.inference.call_archive import read_rows
    from espnet_sentiment.report.call_page import index_row, write_index
    from espnet_sentiment.scoring.course import course

    rows, broken = [], []
    for call in calls:
        if "error" in call:
            broken.append((call["call"], call["error"]))
            continue
        lines, *_ = files = call["files"]
        turns = read_rows(out / lines)
        shown = next((name for name in files if name.endswith(".html")), lines)
        changes = course(turns, call["classes"], call["duration"])
        rows.append(index_row(shown, {**call, "name": call["call"]}, changes))
    write_index(out / INDEX, rows, broken=broken)


def check_suffix(path: Path) -> None:
    """Check what a file to write ends in.

    Raises:
        UserError: Nothing can be written by this name.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{path} names no format: end it in one of {', '.join(SUFFIXES)}"
        )


def _write_page(path: Path, found: "Conversation") -> list[str]:
    from espnet_sentiment.report.call_page import write_call_page

    write_call_page(path, found.as_dict(), found.name)
    return []


def _write_lines(path: Path, found: "Conversation") -> list[str]:
    from espnet_sentiment.inference.call_archive import write_lines

    write_lines(path, found)
    return []


def _write_json(path: Path, found: "Conversation") -> list[str]:
    return _write_text(path, json_text(found.as_dict(), indent=1) + "\n")


def _write_csv(path: Path, found: "Conversation") -> list[str]:
    form = CallCSV(found)
    return _write_text(path, "".join((form.head(), *form.rows(), form.tail())))


def _write_text(path: Path, text: str) -> list[str]:
    write_text(path, text)
    return []


def _write_turns(path: Path, found: "Conversation") -> list[str]:
    from espnet_sentiment.turns.turn import Turn
    from espnet_sentiment.turns.write import write_turns

    turns = [
        Turn(
            one.start,
            one.end,
            one.speaker,
            one.channel,
            one.text,
            label=one.label,
            posteriors=one.posteriors,
        )
        for one in found.turns
    ]
    return write_turns(turns, path, Path(found.name).stem)


_WRITERS: dict[str, Callable[[Path, "Conversation"], list[str]]] = {
    ".html": _write_page,
    ".jsonl": _write_lines,
    ".json": _write_json,
    ".csv": _write_csv,
}
SUFFIXES = (*_WRITERS, ".rttm", ".textgrid", ".eaf", ".vtt", ".srt")
