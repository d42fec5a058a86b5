#!/usr/bin/env python3
"""Says where a step of RNN-T training goes, on an experiment's own batches.

Run it in the recipe's folder, after stage 1 and the beginning of stage 2:

    ../../.venv/bin/python ../../benchmarks/rnnt.py exp/asr_mini_speech_rnnt_small

It takes the first process' share of the first epoch's batches, on one core, and gives
milliseconds a step: reading, forward with backward by kind of operation (PyTorch's
profiler), and the optimiser with and without fusing. Then two processes average as
many gradients, by gloo and in shared memory (espnet_sentiment/tasks), in turns.
"""

import argparse
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from espnet2.train.distributed_utils import DistributedOption
from torch.profiler import ProfilerActivity, profile

from espnet_sentiment.core.config import read_config
from espnet_sentiment.tasks.rnnt import RNNTTask
from espnet_sentiment.tasks.shared_gradients import SharedGradients

WARM_UP = 3
# Parts of operations' names, the first that fits; what is in none is "all else".
KINDS = {
    "bi-LSTMs and prediction network": ("rnn_layer", "lstm"),
    "convolutions": ("convolution",),
    "RNN-T loss": ("rnnt_loss",),
    "CTC": ("ctc",),
    "linear layers": ("::mm", "::addmm", "::bmm", "::linear"),
    "tanh of the joint network": ("tanh",),
    "dropout": ("bernoulli", "dropout"),
    "pooling": ("max_pool",),
}


class Bucket:
    """Gradients as DistributedDataParallel hands them to a hook."""

    def __init__(self, gradients: torch.Tensor):
        self.buffer = lambda: gradients


def milliseconds(call, repeats: int) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(repeats + WARM_UP):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[WARM_UP:]) * 1e3


def kind_of(name: str) -> str:
    """Return the kind of an operation."""
    fits = (k for k, parts in KINDS.items() if any(part in name for part in parts))
    return next(fits, "all else")


def profile_steps(model, batches) -> dict[str, float]:
    """Return milliseconds a step of forward and backward, by kind, largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for batch in batches:
            model.zero_grad()
            model(**batch)[0].backward()
    spent: dict[str, float] = {}
    for event in profiler.key_averages():
        kind = kind_of(event.key)
        spent[kind] = spent.get(kind, 0) + event.self_cpu_time_total / 1e3
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    return {kind: total / len(batches) for kind, total in ordered}


def exchange(rank: int, shared: SharedGradients, size: int, file: str, repeats: int):
    """Time both ways to average gradients, in one of two processes."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=2
    )
    gradients = torch.randn(size)
    ways = {
        "gloo": lambda: torch.distributed.all_reduce(gradients),
        "shared memory": lambda: shared._average(rank, Bucket(gradients)),
    }
    times = {name: [] for name in ways}
    for _ in range(repeats + WARM_UP):
        for name, way in ways.items():
            times[name].append(milliseconds(way, 1))
    if rank == 0:
        for name, found in times.items():
            line(
                f"averaging the gradients of two processes, {name}",
                statistics.median(found[WARM_UP:]),
            )
    torch.distributed.destroy_process_group()


def line(what: str, value: float) -> None:
    """Print a row of the table."""
    print(f"| {what} | {value:.1f} |", flush=True)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("asr_exp", help="folder of the RNN-T")
    parser.add_argument("--steps", type=int, default=20, help="batches (20)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = argparse.Namespace(**read_config(Path(args.asr_exp) / "config.yaml"))
    factory = RNNTTask.build_iter_factory(config, DistributedOption(), mode="train")
    begin = time.perf_counter()
    read = list(itertools.islice(factory.build_iter(1), args.steps))
    reading = (time.perf_counter() - begin) / len(read) * 1e3
    # As ESPnet shares a batch between two processes: every other utterance.
    batches = [{k: x[::2] for k, x in batch.items()} for _, batch in read]
    model = RNNTTask.build_model(config).train()
    profile_steps(model, batches[:WARM_UP])
    print("| a step | ms |\n| --- | ---: |")
    line("reading", reading)
    for kind, spent in profile_steps(model, batches).items():
        line(kind, spent)
    for fused in (False, True):
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
        name = "Adam, fused" if fused else "Adam"
        line(name, milliseconds(optimizer.step, args.steps))
    fork, shared = multiprocessing.get_context("fork"), SharedGradients(2)
    size = sum(p.numel() for p in model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "rendezvous"))
        work = [
            fork.Process(target=exchange, args=(rank, shared, size, file, args.steps))
            for rank in range(2)
        ]
        for process in work:
            process.start()
        for process in work:
            process.join()


if __name__ == "__main__":
    main()
