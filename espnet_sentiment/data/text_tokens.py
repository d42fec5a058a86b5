"""Transcripts as indices of tokens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from espnet2.text.build_tokenizer import build_tokenizer
from espnet2.text.token_id_converter import TokenIDConverter

from espnet_sentiment.data.token_list import END
from espnet_sentiment.data.words import plain_words


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
