"""pyannote's annotations: what its pipelines give, and its metrics take."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from espnet_sentiment.turns.found import Found, Wanted
from espnet_sentiment.turns.turn import Turn

if TYPE_CHECKING:
    from pyannote.core import Annotation


def is_annotation(value: Any) -> bool:
    """Tell an annotation without importing pyannote."""
    return callable(getattr(value, "itertracks", None))


def read_annotation(
    annotation: "Annotation", wanted: Wanted
) -> tuple[list[Turn], list[str]]:
    """Return the turns of an annotation, whose labels are speakers; it has no channels.

    Raises:
        DataError: It has none, or some that cannot be turns.
    """
    from pathlib import Path

    found = Found(Path(f"annotation {annotation.uri or '(no uri)'}"), wanted)
    tracks = annotation.itertracks(yield_label=True)
    for number, (segment, _, label) in enumerate(tracks, 1):
        with found.at(f"{found.path}: track {number}"):
            speaker = None if label is None else str(label)
            found.add(segment.start, segment.end, speaker)
    return found.finish()


def to_annotation(turns: Sequence[Turn], recording: str | None = None) -> "Annotation":
    """Return turns as an annotation whose labels are speakers, None not known.

    Args:
        turns: Turns of one recording.
        recording: What the annotation is of, its ``uri``.
    """
    from pyannote.core import Annotation, Segment

    annotation = Annotation(uri=recording)
    for number, turn in enumerate(turns):
        # A number, as two may speak from and to the same time.
        annotation[Segment(turn.start, turn.end), number] = turn.speaker
    return annotation
