"""Labels and transcripts as indices."""

from collections.abc import Sequence

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.text_tokens import TextToTokens


class LabelToIndex:
    """Turn the text label of an utterance into its class index (1,).

    Args:
        classes: Class names in the order of the model's outputs.
    """

    def __init__(self, classes: Sequence[str]):
        self.index = {name: i for i, name in enumerate(classes)}

    def __call__(self, utt: str, data: dict) -> dict[str, np.ndarray]:
        """Replace ``data["label"]``.

        Raises:
            DataError: The label is none of the classes.
        """
        label = data.get("label")
        if label is not None:
            if label not in self.index:
                raise DataError(
                    f"utterance {utt} has the unknown label {label!r}; the classes are "
                    f"{', '.join(self.index)}: fix utt2label or the token list"
                )
            data["label"] = np.array([self.index[label]])
        return data


class SentimentPreprocessor:
    """Turn labels and, where there is a text branch, transcripts into indices.

    Args:
        labels: Turns labels.
        tokens: Turns transcripts; None without a text branch.
    """

    def __init__(self, labels: LabelToIndex, tokens: TextToTokens | None):
        self.labels, self.tokens = labels, tokens

    def __call__(self, utt: str, data: dict) -> dict[str, np.ndarray]:
        """Replace ``data["label"]`` and ``data["text"]``."""
        if self.tokens is not None and "text" in data:
            data["text"] = self.tokens(data["text"])
        return self.labels(utt, data)
