"""MLP with pooling (paper, Section 2.2)."""

from collections.abc import Sequence

import torch
from typeguard import typechecked

from espnet_sentiment.decoder.abs_sentiment_decoder import AbsSentimentDecoder
from espnet_sentiment.layers.dropout import Dropout
from espnet_sentiment.layers.pooling import POOLINGS, check_pooling


class MLPPoolingDecoder(AbsSentimentDecoder):
    """A multi-layer perceptron on every frame, then pooling over time.

    Args:
        vocab_size: Number of classes.
        encoder_output_size: Channels D of the encoder's frames.
        hidden_sizes: Units of the layers. The default matches the RNN decoder's
            hidden nodes, as the paper asks (Section 3.1): 2 x 64, then 8 x 32.
        pooling: ``avg`` or ``max`` over the valid frames.
        dropout: Dropout on the input and after every layer.
    """

    @typechecked
    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        hidden_sizes: Sequence[int] = (128, 256),
        pooling: str = "avg",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.pooling = check_pooling(pooling, POOLINGS)
        layers: list[torch.nn.Module] = [Dropout(dropout)]
        size = encoder_output_size
        for hidden in hidden_sizes:
            layers += [
                torch.nn.Linear(size, hidden),
                torch.nn.ReLU(),
                Dropout(dropout),
            ]
            size = hidden
        self.mlp = torch.nn.Sequential(*layers)
        self.output = torch.nn.Linear(size, vocab_size)

    def forward(self, hs_pad: torch.Tensor, hlens: torch.Tensor) -> torch.Tensor:
        """Map frames (B, T, D) of lengths (B,) to logits (B, n_classes)."""
        return self.output(POOLINGS[self.pooling](self.mlp(hs_pad), hlens))
