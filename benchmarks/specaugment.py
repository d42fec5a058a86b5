#!/usr/bin/env python3
"""Times SpecAugment (policy LB) side by side with ESPnet's and lhotse's.

All take one float32 batch (64, 1000, 80) of random features and lengths. They run in
turn, in a new order each round, and the table gives the median over the rounds. Apart
from the random draws, they differ in this:

- ESPnet writes into its input, draws time masks over the padded length, and lets all
  utterances share one bound on the masks' starts. Its widths exclude their upper end,
  so it is given F + 1 and T + 1.
- lhotse fills with the mean, warps the supervisions and masks the padded features; its
  widths exclude their upper end, too. It is left out if it is not installed.
"""

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from espnet2.asr.specaug.specaug import SpecAug

from espnet_sentiment.specaug.specaugment import POLICIES, SpecAugment

BATCH, FRAMES, CHANNELS = 64, 1000, 80
LB = POLICIES["LB"]


def espnet(mode: str) -> SpecAug:
    """Returns ESPnet's SpecAug under LB with the given interpolation of the warp."""
    return SpecAug(
        time_warp_window=LB.time_warp,
        time_warp_mode=mode,
        freq_mask_width_range=(0, LB.freq_mask_width + 1),
        num_freq_mask=LB.num_freq_masks,
        time_mask_width_range=(0, LB.time_mask_width + 1),
        num_time_mask=LB.num_time_masks,
    )


def lhotse(lengths: torch.Tensor) -> Callable | None:
    """Returns lhotse's SpecAugment under LB for these lengths, None if missing."""
    try:
        from lhotse.dataset.signal_transforms import SpecAugment as LhotseSpecAugment
    except ImportError:
        return None
    augment = LhotseSpecAugment(
        time_warp_factor=LB.time_warp,
        num_feature_masks=LB.num_freq_masks,
        features_mask_size=LB.freq_mask_width + 1,
        num_frame_masks=LB.num_time_masks,
        frames_mask_size=LB.time_mask_width + 1,
        max_frames_mask_fraction=LB.time_mask_ratio,
        p=1.0,
    )
    # One supervision an utterance: (index, first frame, frames).
    index = torch.arange(len(lengths), dtype=torch.int32)
    first, frames = torch.zeros_like(index), lengths.int().cpu()
    supervisions = torch.stack((index, first, frames), dim=1)
    return lambda x: augment(x, supervisions)


def contestants(lengths: torch.Tensor) -> dict[str, Callable]:
    """Names what is timed; each is a call on the features (B, T, F)."""
    zero, mean = SpecAugment("LB"), SpecAugment("LB", fill="mean")
    calls = {
        "copy of the batch": torch.clone,
        "espnet_sentiment": lambda x: zero(x, lengths),
        "espnet_sentiment, fill=mean": lambda x: mean(x, lengths),
    }
    for mode in ("bicubic", "bilinear"):
        augment = espnet(mode)
        calls[f"ESPnet, {mode}"] = lambda x, augment=augment: augment(x, lengths)
    augment = lhotse(lengths)
    if augment is None:
        print("lhotse is not installed, so it is left out (pip install lhotse)")
    else:
        calls["lhotse, bicubic"] = augment
    return calls


def measure(calls: dict[str, Callable], x: torch.Tensor, repeats: int, seed: int):
    """Returns each call's seconds in every round; the first two rounds warm up."""
    seconds = {name: [] for name in calls}
    order, batch = random.Random(seed), torch.empty_like(x)
    for repeat in range(repeats + 2):
        for name in order.sample(list(calls), len(calls)):
            batch.copy_(x)  # ESPnet's writes into it
            synchronize(x.device)
            start = time.perf_counter()
            calls[name](batch)
            synchronize(x.device)
            if repeat >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def synchronize(device: torch.device):
    """Waits for the device if it works asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """Names the processor or the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used"


def versions() -> str:
    """Lists the versions of what is compared."""
    found = [f"Python {platform.python_version()}"]
    for package in ("torch", "espnet", "lhotse"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} missing")
    return ", ".join(found)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (2)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=31, help="timed rounds (31)")
    parser.add_argument(
        "--min_length", type=int, default=200, help="frames of the shortest one (200)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random draws (0)")
    args = parser.parse_args()
    for name in ("threads", "repeats"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be 1 or more, got {getattr(args, name)}")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no CUDA device here, use --device cpu")
    return args


def main():
    """Measures and prints the table."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(args.seed)
    device = torch.device(args.device)
    lengths = torch.randint(args.min_length, FRAMES + 1, (BATCH,))
    lengths[0] = FRAMES
    x = torch.randn(BATCH, FRAMES, CHANNELS)
    x[torch.arange(FRAMES) >= lengths[:, None]] = 0.0
    x, lengths = x.to(device), lengths.to(device)

    calls = contestants(lengths)
    seconds = measure(calls, x, args.repeats, args.seed)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ours = medians["espnet_sentiment"]
    print(versions())
    print(device_name(device))
    print(
        f"SpecAugment LB on {tuple(x.shape)} float32, lengths {int(lengths.min())} to "
        f"{int(lengths.max())}, median of {args.repeats} rounds"
    )
    print(f"{'':28s}{'median ms':>10s}{'min ms':>10s}{'times ours':>12s}")
    for name, median in medians.items():
        least = min(seconds[name])
        print(f"{name:28s}{median * 1e3:10.2f}{least * 1e3:10.2f}{median / ours:12.2f}")


if __name__ == "__main__":
    main()
