"""Inputs to answers, in order, whatever is broken among them."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.cli.inputs import Input
from espnet_sentiment.data.files import DataError

if TYPE_CHECKING:
    from espnet_sentiment.inference.result import Sentiment
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment


def score(
    model: "Speech2Sentiment", inputs: Iterable[Input], transcript: bool
) -> Iterator[tuple[str, "Sentiment | DataError"]]:
    """Answer every input by its name, or say why not.

    Args:
        model: Answers the inputs without an error.
        inputs: Recordings; they are read as the model asks for them.
        transcript: Whether words are asked for.
    """
    waiting: deque[Input] = deque()

    def sound() -> Iterator[Path]:
        for item in inputs:
            waiting.append(item)
            if item.error is None:
                yield item.path

    for answer in model.predict(sound(), transcript=transcript, on_error="return"):
        while waiting[0].error is not None:
            yield waiting[0].name, waiting.popleft().error
        yield waiting.popleft().name, answer
    for item in waiting:
        yield item.name, item.error
