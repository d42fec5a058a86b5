"""Inputs to answers, in order, whatever is broken among them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from espnet_sentiment.cli.inputs import STDIN, Input
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.source import Source

if TYPE_CHECKING:
    from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
    from espnet_sentiment.inference.result import Sentiment
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment


def answer_inputs(
    model: "Speech2Sentiment",
    inputs: Iterable[Input],
    transcript: bool,
    speaker_of: Callable[[Input], str | None] | None = None,
    known: "SpeakerStatistics | None" = None,
) -> Iterator[tuple[str, "Sentiment | DataError"]]:
    """Answer every input by its name, or say why not.

    Args:
        model: Answers the inputs without an error.
        inputs: Recordings; they are read as the model asks for them.
        transcript: Whether words are asked for.
        speaker_of: Tells who speaks; all inputs are heard before the first answer
            then.
        known: What is known of speakers.
    """
    names: deque[str] = deque()
    speakers: deque[str | None] = deque()

    def read() -> Iterator[Any]:
        for item in inputs:
            names.append(item.name)
            if speaker_of is not None:
                speakers.append(speaker_of(item))
            yield item.error or _speech(item)

    def said() -> Iterator[str | None]:
        # An input is read before its speaker is asked for.
        while speakers:
            yield speakers.popleft()

    options: dict[str, Any] = {"transcript": transcript, "on_error": "return"}
    if speaker_of is not None:
        options |= {"speakers": said(), "speaker_statistics": known}
    for answer in model.predict(read(), **options):
        yield names.popleft(), answer


def _speech(item: Input) -> Any:
    source = Source(
        "standard input" if item.name == STDIN else str(item.path), item.path
    )
    if item.row is None:
        return source
    # PyTorch has been imported by now.
    from espnet_sentiment.inference.waveform import Excerpt

    return Excerpt(source, item.row.start, item.row.end, item.row.channel)
