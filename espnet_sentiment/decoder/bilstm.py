"""Bi-directional LSTM over padded batches, shared by the RNN decoders."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BiLSTM(torch.nn.Module):
    """Run a bi-LSTM over each utterance's valid frames only.

    The backward direction starts at an utterance's last valid frame, so padding
    never reaches its states.

    Args:
        input_size: Channels D of the input.
        hidden_size: Units per direction.
        num_layers: Stacked layers.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1):
        super().__init__()
        self.lstm = torch.nn.LSTM(
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=True,
        )

    def output_size(self) -> int:
        """Return the channels of the output: both directions together."""
        return 2 * self.lstm.hidden_size

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch.

        Args:
            x: Frames (B, T, D).
            lengths: Valid frames (B,).

        Returns:
            Hidden states (B, T, 2H), zero on padding, and the last valid state of
            both directions (B, 2H): forward at the last frame, backward at the
            first.
        """
        packed = pack_padded_sequence(
            x, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, (last, _) = self.lstm(packed)
        states, _ = pad_packed_sequence(
            states, batch_first=True, total_length=x.size(1)
        )
        return states, torch.cat([last[-2], last[-1]], dim=-1)
