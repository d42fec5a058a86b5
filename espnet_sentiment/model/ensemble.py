"""The mean of the posteriors of several models on one encoder."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from espnet_sentiment.model.on_encoder import OnEncoder
from espnet_sentiment.model.sentiment_model import SentimentModel


class Ensemble(OnEncoder):
    """Averages the posteriors of the folds' models; the encoder runs once for all.

    Args:
        members: Models of one config, without an encoder; each normalises what it
            reads by the statistics of its own training utterances.
    """

    def __init__(self, members: Sequence[SentimentModel]):
        super().__init__()
        self.members = torch.nn.ModuleList(members)
        self.token_list = members[0].token_list
        self.attach_encoder(None, None)

    @property
    def models(self) -> list[SentimentModel]:
        """The members."""
        return list(self.members)  # type: ignore[arg-type]

    @property
    def has_attention(self) -> bool:
        """Whether ``classify`` can give attention."""
        return self.models[0].has_attention

    @property
    def of_speaker(self) -> Callable | None:
        """Gives mean and standard deviation of a speaker by member, (K, 2, L * D)."""
        if self.models[0].of_speaker is None:
            return None
        return self._of_speaker

    def _of_speaker(self, moments: Mapping[str, Any] | None) -> torch.Tensor:
        found = [one.of_speaker for one in self.models]
        return torch.stack([of(moments) for of in found if of is not None])

    def classify(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        with_attention: bool = False,
        text: torch.Tensor | None = None,
        text_lengths: torch.Tensor | None = None,
        speaker: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return log posteriors (B, n_classes), on request attention (B, K * n, T).

        Args:
            speech: Audio (B, N), or features (B, T, L * D) without an encoder.
            speech_lengths: Valid samples or frames (B,).
            with_attention: Whether to return the n heads of all K members.
            text: See ``SentimentModel``.
            text_lengths: See ``SentimentModel``.
            speaker: Mean and standard deviation (B, K, 2, L * D) of every utterance's
                speaker.
        """
        feats, lengths = speech[:, : speech_lengths.max()], speech_lengths
        if self.frontend is not None:
            feats, lengths = self.frontend(feats, lengths)
        if self.encoder is not None:
            feats, lengths, _ = self.encoder(feats, lengths)
        posteriors, attention = [], []
        for number, member in enumerate(self.models):
            affine = None if speaker is None else speaker[:, number]
            # A copy: ESPnet's GlobalMVN writes into what it is given.
            logits, weights = member.classify(
                feats.clone(), lengths, with_attention, text, text_lengths, affine
            )
            posteriors.append(logits.double().log_softmax(dim=-1))
            attention.append(weights)
        mean = torch.stack(posteriors).logsumexp(dim=0) - math.log(len(posteriors))
        heads = [weights for weights in attention if weights is not None]
        return mean, torch.cat(heads, dim=1) if heads else None
