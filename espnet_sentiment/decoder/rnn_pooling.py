"""RNN with pooling (paper, Section 2.2)."""

import torch
from typeguard import typechecked

from espnet_sentiment.decoder.abs_sentiment_decoder import AbsSentimentDecoder
from espnet_sentiment.layers.bilstm import BiLSTM
from espnet_sentiment.layers.dropout import Dropout
from espnet_sentiment.layers.pooling import POOLINGS, check_pooling


class RNNPoolingDecoder(AbsSentimentDecoder):
    """A bi-LSTM whose states are pooled over time.

    Args:
        vocab_size: Number of classes.
        encoder_output_size: Channels D of the encoder's frames.
        hidden_size: LSTM units per direction (paper: 64).
        num_layers: LSTM layers (paper: 1).
        pooling: ``last`` (last valid state of both directions), ``avg`` or
            ``max`` over the valid frames.
        dropout: Dropout on the input and on the pooled states.
    """

    @typechecked
    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        hidden_size: int = 64,
        num_layers: int = 1,
        pooling: str = "avg",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.pooling = check_pooling(pooling, ["last", *POOLINGS])
        self.dropout = Dropout(dropout)
        self.rnn = BiLSTM(
            encoder_output_size, hidden_size, num_layers, mixed_lengths=True
        )
        self.output = torch.nn.Linear(self.rnn.output_size(), vocab_size)

    def forward(self, hs_pad: torch.Tensor, hlens: torch.Tensor) -> torch.Tensor:
        """Map frames (B, T, D) of lengths (B,) to logits (B, n_classes)."""
        states = self.rnn(self.dropout(hs_pad), hlens)
        pool = self.rnn.last if self.pooling == "last" else POOLINGS[self.pooling]
        pooled = pool(states, hlens)
        return self.output(self.dropout(pooled))
