"""The CNN rows' training step with the utterances in one line, against padded batches.

    python benchmarks/convolution.py CORPUS [--threads N]

Batches of 32 in random order, of a corpus' own lengths: forward and backward pass of
``conf/sentiment/cnn.yaml``, interleaved, several times through the corpus. CORPUS is a
folder of recordings, such as EmoDB's wav/.
"""

import argparse
import random
import statistics
import time
from pathlib import Path

import soundfile
import torch

from espnet_sentiment.decoder.cnn_pooling import CNNPoolingDecoder

BATCH, DIM, RUNS = 32, 80, 5


def frames(folder: Path) -> list[int]:
    """Return how many frames of 10 ms the recordings have."""
    found = [soundfile.info(path).duration for path in sorted(folder.iterdir())]
    return [max(1, int(100 * seconds)) for seconds in found]


def seconds(decoder: torch.nn.Module, x: torch.Tensor, lengths: torch.Tensor) -> float:
    """Time one forward and backward pass."""
    begin = time.perf_counter()
    decoder(x, lengths).square().sum().backward()
    return time.perf_counter() - begin


def main() -> None:
    """Print the seconds of both, and their ratio in every run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    random.seed(0)
    sizes = frames(args.corpus)
    decoder = CNNPoolingDecoder(4, DIM)
    totals, share = [], []
    for _ in range(RUNS):
        random.shuffle(sizes)
        taken = {True: 0.0, False: 0.0}
        for begin in range(0, len(sizes), BATCH):
            lengths = torch.tensor(sizes[begin : begin + BATCH])
            x = torch.randn(len(lengths), int(lengths.max()), DIM)
            share.append(1 - float(lengths.sum()) / x[..., 0].numel())
            for in_line in taken:
                decoder.train(in_line)
                taken[in_line] += seconds(decoder, x, lengths)
        totals.append(taken)
    ratios = [taken[False] / taken[True] for taken in totals]
    line, padded = (statistics.median(t[key] for t in totals) for key in (True, False))
    print(
        f"{len(sizes)} utterances, {statistics.mean(share):.0%} of a batch is padding: "
        f"in one line {line:.2f} s, padded {padded:.2f} s, "
        f"{statistics.median(ratios):.2f} times as long "
        f"({min(ratios):.2f} to {max(ratios):.2f} in {RUNS} runs)"
    )


if __name__ == "__main__":
    main()
