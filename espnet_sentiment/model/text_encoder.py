"""The text branch of the acoustic + text baseline (paper, Table 2)."""

import torch
from typeguard import typechecked

from espnet_sentiment.layers.bilstm import BiLSTM
from espnet_sentiment.layers.dropout import Dropout
from espnet_sentiment.layers.pooling import POOLINGS, check_pooling


class LSTMTextEncoder(torch.nn.Module):
    """Embeddings of words or sentencepieces, a bi-LSTM, pooling.

    Args:
        vocab_size: Number of tokens.
        embed_size: Channels of the embeddings.
        hidden_size: LSTM units per direction.
        num_layers: LSTM layers.
        pooling: ``avg`` or ``max`` over the tokens.
        dropout: Dropout on embeddings and LSTM states.
    """

    @typechecked
    def __init__(
        self,
        vocab_size: int,
        embed_size: int = 128,
        hidden_size: int = 64,
        num_layers: int = 1,
        pooling: str = "max",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.pooling = check_pooling(pooling, POOLINGS)
        self.embed = torch.nn.Embedding(vocab_size, embed_size)
        self.dropout = Dropout(dropout)
        self.rnn = BiLSTM(embed_size, hidden_size, num_layers, mixed_lengths=True)

    def output_size(self) -> int:
        """Return the channels of the output."""
        return self.rnn.output_size()

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode token indices (B, U), negative on padding, of lengths (B,): (B, E)."""
        embedded = self.dropout(self.embed(tokens.clamp(min=0)))
        states = self.dropout(self.rnn(embedded, lengths))
        return POOLINGS[self.pooling](states, lengths)
