"""Attentive statistics pooling with several heads: our own, beside the paper's three.

Okabe, Koshinaka, Shinoda, "Attentive statistics pooling for deep speaker embedding",
Interspeech 2018, https://doi.org/10.21437/Interspeech.2018-993.
"""

import torch
from typeguard import typechecked

from espnet_sentiment.decoder.abs_sentiment_decoder import AbsSentimentDecoder
from espnet_sentiment.layers.dropout import Dropout
from espnet_sentiment.layers.padding import pad_mask

# Below it a variance is rounding's, as that of a single frame, where the square root
# has no gradient.
MIN_VARIANCE = 1e-5


class AttentiveStatisticsPooling(torch.nn.Module):
    """Weighted means and standard deviations of frames, one of each for every head.

    For head i and frames h_t (Equations 4 to 7 of the paper; its bias k, which a
    softmax takes out again, is left out)::

        a_t = softmax_t(v_i^T tanh(W h_t + b))
        mean = sum_t a_t h_t      std = sqrt(sum_t a_t h_t^2 - mean^2)

    Args:
        input_size: Channels K of the frames.
        n_heads: Number of heads.
        attention_size: Units that the heads' scores are computed from.
    """

    def __init__(self, input_size: int, n_heads: int, attention_size: int):
        super().__init__()
        self.score = torch.nn.Sequential(
            torch.nn.Linear(input_size, attention_size),
            torch.nn.Tanh(),
            torch.nn.Linear(attention_size, n_heads, bias=False),
        )

    def forward(
        self, h: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pool frames (B, T, K) of lengths (B,).

        Returns:
            The heads' means, then their standard deviations (B, 2 * n_heads * K), and
            the attention (B, n_heads, T): zero on padding, summing to one.
        """
        padding = pad_mask(lengths, h.size(1))[..., None]
        h = h.masked_fill(padding, 0.0)
        scores = self.score(h).masked_fill(padding, float("-inf"))
        attention = scores.softmax(dim=1).transpose(1, 2)
        # Squares of 16 bits overflow, and their differences are noise.
        wide = h if h.dtype == torch.float64 else h.float()
        weights = attention.to(wide.dtype)
        mean, square = weights @ wide, weights @ wide.square()
        std = (square - mean.square()).clamp(min=MIN_VARIANCE).sqrt()
        pooled = torch.cat([mean, std], dim=1).flatten(1)
        return pooled.to(h.dtype), attention


class StatsPoolingDecoder(AbsSentimentDecoder):
    """A projection of every frame, then attentive statistics pooling.

    Args:
        vocab_size: Number of classes.
        encoder_output_size: Channels D of the encoder's frames.
        channels: Channels of the projected frames.
        n_heads: Attention heads, each over all channels.
        attention_size: Units that the heads' scores are computed from.
        dropout: Dropout on the input and on the statistics.
    """

    has_attention = True

    @typechecked
    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        channels: int = 128,
        n_heads: int = 4,
        attention_size: int = 64,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.project = torch.nn.Linear(encoder_output_size, channels)
        self.pooling = AttentiveStatisticsPooling(channels, n_heads, attention_size)
        self.output = torch.nn.Linear(2 * n_heads * channels, vocab_size)

    def forward(self, hs_pad: torch.Tensor, hlens: torch.Tensor) -> torch.Tensor:
        """Map frames (B, T, D) of lengths (B,) to logits (B, n_classes)."""
        return self.forward_with_attention(hs_pad, hlens)[0]

    def forward_with_attention(
        self, hs_pad: torch.Tensor, hlens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, n_classes) and attention (B, n_heads, T)."""
        frames = self.project(self.dropout(hs_pad))
        statistics, attention = self.pooling(frames, hlens)
        return self.output(self.dropout(statistics)), attention
