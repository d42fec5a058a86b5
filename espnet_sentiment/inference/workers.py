"""Threads that read and score batches."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

GPU_WORKERS = 4  # that read audio for one GPU


@contextlib.contextmanager
def worker_pool(device_type: str, alone: bool = False) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads; what has not started at the end is dropped.

    On the CPU there are as many as PyTorch may use threads, and each computes its
    batches alone: two batches side by side take less time than two threads that share
    the many small steps of one.

    Args:
        device_type: ``cpu`` or ``cuda``.
        alone: One thread that computes with all of PyTorch's.
    """
    n_threads = torch.get_num_threads()
    n_workers = n_threads
    if device_type != "cpu":
        n_workers = min(GPU_WORKERS, os.cpu_count() or 1)
    if alone:
        n_workers = 1
    pool = ThreadPoolExecutor(n_workers, "sentiment", None if alone else _compute_alone)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        # PyTorch takes a thread's number for the default of new threads.
        torch.set_num_threads(n_threads)


def _compute_alone() -> None:
    # Asking first: PyTorch sets a thread's number when the thread first needs it.
    torch.get_num_threads()
    torch.set_num_threads(1)
