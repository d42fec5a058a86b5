"""A conversation as one HTML file, and the page that lists several."""

import base64
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, atomic_path
from espnet_sentiment.report.call_audio import listen
from espnet_sentiment.report.languages import DEFAULT, read_texts
from espnet_sentiment.report.page import embed, page_parts
from espnet_sentiment.scoring.course import course as course_of

CALL_SCRIPTS = (
    *("dom.js", "charts.js", "call.js", "call_timeline.js", "call_now.js"),
    *("call_course.js", "call_turns.js"),
)
INDEX_SCRIPTS = ("dom.js", "calls.js")
STYLES = ("page.css", "call.css")
CHUNK = 3 << 16  # bytes; whole groups of base64


def write_call_page(
    path: PathLike,
    conversation: Mapping[str, Any],
    audio: PathLike | bytes | None,
    course: Mapping[str, Any] | None = None,
    language: str = DEFAULT,
    embed_audio: bool = True,
) -> None:
    """Write a conversation's page, which asks no network and no other file.

    Args:
        path: The HTML file.
        conversation: What ``Conversation.as_dict`` gives.
        audio: The recording, whose waveform is drawn; None draws none.
        course: What :func:`espnet_sentiment.scoring.course.course` gives; None computes
            it.
        language: That of its texts, a name of ``languages/``.
        embed_audio: Put the recording into the page, as Ogg Opus: 30 MB of two hours
            with two channels (``call_audio.estimated_bytes``).

    Raises:
        DataError: The conversation has no course, or the recording cannot be read.
    """
    classes, turns = conversation["classes"], conversation["turns"]
    for turn in turns:
        if turn["label"] not in classes:
            raise DataError(
                f"{conversation['name']}: the turn from {turn['start']} to "
                f"{turn['end']} s is {turn['label']}, which is none of the classes "
                f"{', '.join(classes)}: answer it by the model that answers the others"
            )
    if course is None:
        course = course_of(turns, classes, conversation["duration"])
    by_start = sorted(turns, key=lambda turn: (turn["start"], turn["end"]))
    data = {
        "texts": read_texts(language),
        "conversation": {**conversation, "turns": by_start},
        "course": course,
    }
    head, middle, tail = page_parts(
        conversation["name"], language, CALL_SCRIPTS, STYLES
    )
    with tempfile.TemporaryDirectory() as folder:
        ogg = Path(folder) / "call.ogg" if audio is not None and embed_audio else None
        if audio is not None:
            peaks = listen(audio, conversation["channels"], ogg)
            data["peaks"] = peaks._asdict()
        with (
            atomic_path(path) as temporary,
            temporary.open("w", encoding="utf-8") as out,
        ):
            out.write(f"{head}{embed(data)}{middle}")
            if ogg is not None:
                out.write('<script type="text/plain" id="audio">')
                _write_uri(out, ogg)
                out.write("</script>\n")
            out.write(tail)


def index_row(
    page: str, conversation: Mapping[str, Any], course: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what :func:`write_index` says of a call.

    Args:
        page: Its page, a path that starts from the index's folder.
        conversation: What ``Conversation.as_dict`` gives.
        course: What :func:`espnet_sentiment.scoring.course.course` gives.
    """
    whole = course["all"]
    return {
        "page": page,
        "name": conversation["name"],
        "duration": conversation["duration"],
        "speakers": len(course["people"]),
        "turns": whole["turns"],
        "turning_points": len(whole["turning_points"]),
        "shares": {c: row and row[0] for c, row in whole["shares"].items()},
        "trends": {c: trend["direction"] for c, trend in whole["trends"].items()},
    }


def write_index(
    path: PathLike,
    rows: Iterable[Mapping[str, Any]],
    language: str = DEFAULT,
    broken: Iterable[tuple[str, str]] = (),
) -> None:
    """Write the page that lists calls.

    Args:
        path: The HTML file.
        rows: What :func:`index_row` gives, of every call.
        language: That of its texts, a name of ``languages/``.
        broken: Calls without an answer, and why they have none.
    """
    # A name with a colon is no scheme: quote leaves none.
    listed = [{**row, "href": quote(str(row["page"]))} for row in rows]
    texts = read_texts(language)
    data = {
        "texts": texts,
        "classes": list(dict.fromkeys(c for row in listed for c in row["shares"])),
        "rows": listed,
        "broken": list(broken),
    }
    parts = page_parts(texts["calls.head"], language, INDEX_SCRIPTS, STYLES)
    with atomic_path(path) as temporary:
        temporary.write_text(
            f"{parts[0]}{embed(data)}{parts[1]}{parts[2]}", encoding="utf-8"
        )


def _write_uri(out: IO[str], ogg: Path) -> None:
    out.write("data:audio/ogg;base64,")
    with ogg.open("rb") as file:
        while chunk := file.read(CHUNK):
            out.write(base64.b64encode(chunk).decode("ascii"))
