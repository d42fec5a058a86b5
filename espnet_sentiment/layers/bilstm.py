"""Bi-directional LSTM over padded batches."""

import torch

from espnet_sentiment.layers.packed_lstm import packed_bilstm, packing
from espnet_sentiment.layers.padding import pad_mask


class BiLSTM(torch.nn.Module):
    """Run a bi-LSTM over each utterance's valid frames only.

    PyTorch's packed sequences would do the same, but on the CPU those of different
    lengths go step by step, without oneDNN (benchmarks/bilstm.py). So the backward
    direction reads every utterance reversed, its padding still at the end, where it
    reaches no valid state. That computes the padding, too: for training on batches
    whose lengths differ much, there is ``layers/packed_lstm.py``.

    Args:
        input_size: Channels D of the input.
        hidden_size: Units H per direction.
        num_layers: Stacked layers.
        mixed_lengths: Training batches hold utterances of any length, as a decoder's
            do: on the CPU it leaves the padding out. The numbers are the same to
            rounding.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        mixed_lengths: bool = False,
    ):
        super().__init__()
        self.hidden_size, self.mixed_lengths = hidden_size, mixed_lengths
        sizes = [input_size] + [2 * hidden_size] * (num_layers - 1)
        self.forwards, self.backwards = (
            torch.nn.ModuleList(
                torch.nn.LSTM(size, hidden_size, batch_first=True) for size in sizes
            )
            for _ in range(2)
        )

    def output_size(self) -> int:
        """Return the channels of the output: both directions together."""
        return 2 * self.hidden_size

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode a batch.

        Args:
            x: Frames (B, T, D).
            lengths: Valid frames (B,), from 1 to T.

        Returns:
            Hidden states (B, T, 2H), forward first, zero on padding.
        """
        if self.mixed_lengths and self.training and x.device.type == "cpu":
            return self._packed(x, lengths)
        for forward, backward in zip(self.forwards, self.backwards, strict=True):
            there, _ = forward(x)
            back, _ = backward(reverse(x, lengths))
            x = torch.cat([there, reverse(back, lengths)], dim=-1)
        return x.masked_fill(pad_mask(lengths, x.size(1))[..., None], 0.0)

    def _packed(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode a batch without its padding."""
        packed = packing(lengths, x.size(1))
        states = x.flatten(0, 1).index_select(0, packed.rows)
        for forward, backward in zip(self.forwards, self.backwards, strict=True):
            states = packed_bilstm(forward, backward, states, packed)
        out = states.new_zeros(x.size(0) * x.size(1), self.output_size())
        return out.index_copy(0, packed.rows, states).unflatten(0, x.shape[:2])

    def last(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return where each direction ends (B, 2H), forward at the last valid frame.

        Args:
            states: What :meth:`forward` returned.
            lengths: Valid frames (B,).
        """
        there, back = states.chunk(2, dim=-1)
        rows = torch.arange(states.size(0), device=states.device)
        return torch.cat([there[rows, lengths - 1], back[:, 0]], dim=-1)


def reverse(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Reverse the valid frames of every utterance (B, T, D); padding stays."""
    t = torch.arange(x.size(1), device=x.device)
    index = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    return x.gather(1, index[..., None].expand_as(x))
