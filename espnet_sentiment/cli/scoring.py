"""Inputs to answers, in order, whatever is broken among them."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from espnet_sentiment.cli.inputs import STDIN, Input
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.source import Source

if TYPE_CHECKING:
    from espnet_sentiment.inference.result import Sentiment
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment


def answer_inputs(
    model: "Speech2Sentiment", inputs: Iterable[Input], transcript: bool
) -> Iterator[tuple[str, "Sentiment | DataError"]]:
    """Answer every input by its name, or say why not.

    Args:
        model: Answers the inputs without an error.
        inputs: Recordings; they are read as the model asks for them.
        transcript: Whether words are asked for.
    """
    names: deque[str] = deque()

    def read() -> Iterator[Source | DataError]:
        for item in inputs:
            names.append(item.name)
            said = "standard input" if item.name == STDIN else str(item.path)
            yield item.error or Source(said, item.path)

    for answer in model.predict(read(), transcript=transcript, on_error="return"):
        yield names.popleft(), answer
