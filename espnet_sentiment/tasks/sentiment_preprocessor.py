"""Labels and transcripts as indices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from espnet2.text.build_tokenizer import build_tokenizer
from espnet2.text.token_id_converter import TokenIDConverter

from espnet_sentiment.core.files import DataError
from espnet_sentiment.data.token_list import END
from espnet_sentiment.data.words import plain_words


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
                    f"{', '.join(self.index)}: mend utt2label or the token list"
                )
            data["label"] = np.array([self.index[label]])
        return data


class TextToTokens:
    """Turn a transcript into token indices (U + 1,), for the text branch.

    Words that training never saw become ``<unk>``: an ASR model may write anything. An
    end mark follows, so that an empty transcript has a token, too.

    Args:
        token_type: ``word`` or ``bpe``.
        token_list: Tokens in the order of their indices, with ``<unk>`` and
            ``<sos/eos>``.
        bpemodel: The sentencepiece model, for ``bpe``.
    """

    def __init__(
        self,
        token_type: str,
        token_list: Sequence[str],
        bpemodel: str | Path | None = None,
    ):
        self.tokenizer = build_tokenizer(token_type, bpemodel)
        self.converter = TokenIDConverter(token_list)

    def __call__(self, text: str) -> np.ndarray:
        """Tokenize the plain words of a transcript."""
        tokens = self.tokenizer.text2tokens(plain_words(text))
        return np.array(self.converter.tokens2ids([*tokens, END]))


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
