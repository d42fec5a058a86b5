"""RNN with multi-head self-attention (paper, Section 2.2)."""

import math

import torch
from typeguard import typechecked

from espnet_sentiment.decoder.abs_sentiment_decoder import AbsSentimentDecoder
from espnet_sentiment.layers.bilstm import BiLSTM
from espnet_sentiment.layers.dropout import Dropout
from espnet_sentiment.layers.padding import pad_mask


class MultiHeadAttentionPooling(torch.nn.Module):
    """Weighted sums of hidden states, one for each learned query token.

    For head i, with query token w_Q (1, d_a), key and value projections w_K and
    w_V (d_a, d_k) and hidden states h (T, d_k)::

        a = softmax(w_Q (w_K h^T) / sqrt(d_a))      v = w_V h^T a

    Args:
        input_size: Channels d_k of the hidden states.
        n_heads: Number of heads n_a.
        head_size: Units per head d_a.
    """

    def __init__(self, input_size: int, n_heads: int, head_size: int):
        super().__init__()
        self.query = torch.nn.Parameter(torch.empty(n_heads, head_size))
        self.key = torch.nn.Parameter(torch.empty(n_heads, head_size, input_size))
        self.value = torch.nn.Parameter(torch.empty(n_heads, head_size, input_size))
        torch.nn.init.normal_(self.query)
        for projection in (self.key, self.value):
            torch.nn.init.xavier_uniform_(projection.view(-1, input_size))

    def output_size(self) -> int:
        """Return the channels of the embedding: n_heads * head_size."""
        return self.query.numel()

    def forward(
        self, h: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pool hidden states (B, T, d_k) of lengths (B,).

        Returns:
            The heads' outputs side by side (B, n_heads * head_size) and the
            attention (B, n_heads, T): zero on padding, summing to one.
        """
        # w_Q (w_K h^T) = (w_Q w_K) h^T and w_V h^T a = w_V (h^T a): the same
        # numbers, without a (B, T, n_heads * d_a) tensor for keys and values.
        query = torch.einsum("nd,ndk->nk", self.query, self.key)
        scores = torch.einsum("nk,btk->bnt", query, h) / math.sqrt(self.query.size(1))
        padding = pad_mask(lengths, h.size(1)).unsqueeze(1)
        attention = scores.masked_fill(padding, float("-inf")).softmax(dim=-1)
        pooled = torch.einsum("bnt,btk->bnk", attention, h)
        heads = torch.einsum("ndk,bnk->bnd", self.value, pooled)
        return heads.flatten(1), attention


class RNNAttentionDecoder(AbsSentimentDecoder):
    """A bi-LSTM, then multi-head self-attention over its states.

    Args:
        vocab_size: Number of classes.
        encoder_output_size: Channels D of the encoder's frames.
        hidden_size: LSTM units per direction (paper: 64).
        num_layers: LSTM layers (paper: 1).
        n_heads: Attention heads n_a (paper: 8).
        head_size: Units per head d_a (paper: 32).
        dropout: Dropout on the input and on the embedding.
    """

    has_attention = True

    @typechecked
    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        hidden_size: int = 64,
        num_layers: int = 1,
        n_heads: int = 8,
        head_size: int = 32,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.rnn = BiLSTM(
            encoder_output_size, hidden_size, num_layers, mixed_lengths=True
        )
        self.attention = MultiHeadAttentionPooling(
            self.rnn.output_size(), n_heads, head_size
        )
        self.output = torch.nn.Linear(self.attention.output_size(), vocab_size)

    def forward(self, hs_pad: torch.Tensor, hlens: torch.Tensor) -> torch.Tensor:
        """Map frames (B, T, D) of lengths (B,) to logits (B, n_classes)."""
        return self.forward_with_attention(hs_pad, hlens)[0]

    def forward_with_attention(
        self, hs_pad: torch.Tensor, hlens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, n_classes) and attention (B, n_heads, T)."""
        states = self.rnn(self.dropout(hs_pad), hlens)
        embedding, attention = self.attention(states, hlens)
        return self.output(self.dropout(embedding)), attention
