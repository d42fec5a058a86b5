"""Transcripts as token indices."""

import numpy as np
from espnet2.train.preprocessor import CommonPreprocessor

from espnet_sentiment.core.errors import DataError


class StrictPreprocessor(CommonPreprocessor):
    """ESPnet's preprocessor, but tokens outside the token list are an error.

    ESPnet's own turns them into ``<unk>`` and says nothing, so that a model learns to
    write it.
    """

    def __call__(
        self, uid: str, data: dict[str, str | np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Preprocess an utterance.

        Raises:
            DataError: The message names the utterance and the unknown tokens.
        """
        text = data.get(self.text_name)
        if isinstance(text, str):
            tokens = self.tokenizer.text2tokens(self.text_cleaner(text))
            known = self.token_id_converter.token2id
            unknown = sorted({token for token in tokens if token not in known})
            if unknown:
                raise DataError(
                    f"the transcript of utterance {uid} holds "
                    f"{', '.join(map(repr, unknown))}, which the token list does not: "
                    f"fix the text ({text!r}), or make the token list anew"
                )
        return super().__call__(uid, data)
