"""Labels and transcripts as indices, votes as shares."""

from collections.abc import Sequence

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.text_tokens import TextToTokens
from espnet_sentiment.data.votes import VoteError, VoteShares


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
        shares: Turns votes; None where labels are the target.
    """

    def __init__(
        self,
        labels: LabelToIndex,
        tokens: TextToTokens | None,
        shares: VoteShares | None = None,
    ):
        self.labels, self.tokens, self.shares = labels, tokens, shares

    def __call__(self, utt: str, data: dict) -> dict[str, np.ndarray]:
        """Replace ``data["label"]``, ``data["text"]`` and ``data["votes"]``.

        Raises:
            DataError: As :class:`LabelToIndex`, or votes cannot be used, are there and
                not the target, or the target and not there.
        """
        if "votes" in data:
            data["votes"] = self._shares(utt, data["votes"])
        elif self.shares is not None and "label" in data:  # not for inference
            raise DataError(
                f"utterance {utt} has no votes, which target: votes learns from: name "
                "utt2votes as the data 'votes'"
            )
        if self.tokens is not None and "text" in data:
            data["text"] = self.tokens(data["text"])
        return self.labels(utt, data)

    def _shares(self, utt: str, votes: str) -> np.ndarray:
        if self.shares is None:
            raise DataError(
                f"utterance {utt} has votes, but labels are the target: set target: "
                "votes, or do not name the data 'votes'"
            )
        try:
            return self.shares(votes).astype(np.float32)
        except VoteError as error:
            raise DataError(f"utterance {utt} {error}") from None
