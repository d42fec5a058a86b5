"""Our bi-LSTM on padded batches against PyTorch's on packed sequences.

    python benchmarks/bilstm.py [--threads N] [--device cuda]

Forward and backward pass of one layer over utterances of different lengths: the median
of several interleaved runs.
"""

import argparse
import statistics
import time

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from espnet_sentiment.layers.bilstm import BiLSTM

SIZES = [(8, 200, 256, 192), (32, 200, 256, 192), (32, 40, 512, 64)]
RUNS = 9


class Packed(torch.nn.Module):
    """PyTorch's bi-LSTM on packed sequences."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.lstm = torch.nn.LSTM(
            input_size, hidden_size, batch_first=True, bidirectional=True
        )

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode frames (B, T, D) of lengths (B,)."""
        packed = pack_padded_sequence(
            x, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


def same_weights(ours: BiLSTM, packed: Packed) -> None:
    """Give both the same weights, so that their outputs can be compared."""
    for name, weight in packed.lstm.named_parameters():
        lstm = ours.backwards[0] if name.endswith("_reverse") else ours.forwards[0]
        weight.data.copy_(getattr(lstm, name.removesuffix("_reverse")).data)


def seconds(module: torch.nn.Module, x: torch.Tensor, lengths: torch.Tensor) -> float:
    """Time one forward and backward pass."""
    begin = time.perf_counter()
    module(x, lengths).square().sum().backward()
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
    for batch, frames, channels, units in SIZES:
        torch.manual_seed(0)
        lengths = torch.linspace(frames, 0.8 * frames, batch).long().to(args.device)
        x = torch.randn(batch, frames, channels, device=args.device)
        ours = BiLSTM(channels, units).to(args.device)
        packed = Packed(channels, units).to(args.device)
        same_weights(ours, packed)
        torch.testing.assert_close(ours(x, lengths), packed(x, lengths))
        times = {module: [] for module in (ours, packed)}
        for _ in range(RUNS):
            for module, taken in times.items():
                taken.append(seconds(module, x, lengths))
        mine, theirs = (1000 * statistics.median(times[m]) for m in (ours, packed))
        print(
            f"({batch}, {frames}, {channels}) {units} units: ours {mine:.1f} ms, "
            f"packed {theirs:.1f} ms, {theirs / mine:.1f} times as long"
        )


if __name__ == "__main__":
    main()
