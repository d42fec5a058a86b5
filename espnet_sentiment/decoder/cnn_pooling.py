"""CNN, or CNN and LSTM, with pooling: acoustic baselines (paper, Table 2)."""

from collections.abc import Sequence

import torch
from typeguard import typechecked

from espnet_sentiment.decoder.abs_sentiment_decoder import AbsSentimentDecoder
from espnet_sentiment.layers.bilstm import BiLSTM
from espnet_sentiment.layers.dropout import Dropout
from espnet_sentiment.layers.one_line import OneLine
from espnet_sentiment.layers.padding import pad_mask
from espnet_sentiment.layers.pooling import POOLINGS, check_pooling


class CNNPoolingDecoder(AbsSentimentDecoder):
    """1-D convolutions over time, a bi-LSTM on them where asked for, then pooling.

    The paper tuned the number of layers from 2 to 5, the filters' sizes and strides and
    the hidden units (Section 3.1), and names no result of it: all are options here.

    Args:
        vocab_size: Number of classes.
        encoder_output_size: Channels D of the frames.
        channels: Output channels of every convolution.
        kernel_sizes: Width in frames of every convolution, odd.
        strides: Stride in frames of every convolution.
        rnn_layers: Layers of the bi-LSTM; 0 leaves it out.
        hidden_size: LSTM units per direction.
        pooling: ``avg`` or ``max`` over the valid frames.
        dropout: Dropout on the input and after every layer.

    Raises:
        ValueError: The convolutions' lists differ in length, or a width is even.
    """

    @typechecked
    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        channels: Sequence[int] = (128, 128, 128),
        kernel_sizes: Sequence[int] = (5, 5, 5),
        strides: Sequence[int] = (2, 2, 2),
        rnn_layers: int = 0,
        hidden_size: int = 64,
        pooling: str = "avg",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.pooling = check_pooling(pooling, POOLINGS)
        if not len(channels) == len(kernel_sizes) == len(strides) > 0:
            raise ValueError(
                "channels, kernel_sizes and strides must name the same layers, but "
                f"have {len(channels)}, {len(kernel_sizes)} and {len(strides)} values"
            )
        if even := [size for size in kernel_sizes if size % 2 == 0]:
            raise ValueError(f"kernel_sizes must be odd, but {even[0]} is even")
        self.dropout = Dropout(dropout)
        sizes = [encoder_output_size, *channels]
        self.convs = torch.nn.ModuleList(
            torch.nn.Conv1d(i, o, kernel, stride, padding=kernel // 2)
            for i, o, kernel, stride in zip(
                sizes, channels, kernel_sizes, strides, strict=False
            )
        )
        self.kernel_sizes, self.strides = tuple(kernel_sizes), tuple(strides)
        size = sizes[-1]
        self.rnn = None
        if rnn_layers:
            self.rnn = BiLSTM(size, hidden_size, rnn_layers, mixed_lengths=True)
            size = self.rnn.output_size()
        self.output = torch.nn.Linear(size, vocab_size)

    def forward(self, hs_pad: torch.Tensor, hlens: torch.Tensor) -> torch.Tensor:
        """Map frames (B, T, D) of lengths (B,) to logits (B, n_classes)."""
        line = None
        if self.training and hs_pad.device.type == "cpu":  # half of it may be padding
            line = OneLine(hlens, self.kernel_sizes, self.strides)
            hs_pad = line.line_up(hs_pad)
        x, lengths = self.dropout(hs_pad).transpose(1, 2), hlens
        for layer, conv in enumerate(self.convs):
            # Frames beyond an utterance look like the zeros beyond the batch.
            if line:
                beyond = ~line.valid[layer]
            else:
                beyond = pad_mask(lengths, x.size(2))[:, None]
            x = self.dropout(conv(x.masked_fill(beyond, 0.0)).relu())
            lengths = (lengths - 1) // self.strides[layer] + 1
        x = x.transpose(1, 2)
        if line:
            x = line.batch(x)
        if self.rnn is not None:
            x = self.dropout(self.rnn(x, lengths))
        return self.output(POOLINGS[self.pooling](x, lengths))
