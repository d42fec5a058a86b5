"""Threads that read and compute batches."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import torch

from espnet_sentiment.core.fork_lock import ForkLock

GPU_WORKERS = 4  # that read audio for one GPU
AHEAD = 16  # results of ``ordered`` that are under way, where they are small


class WorkerThreads(ThreadPoolExecutor):
    """A pool that says how many threads it has.

    Args:
        n_workers: Threads.
        n_threads: With how many PyTorch computes in each.
    """

    def __init__(self, n_workers: int, n_threads: int):
        super().__init__(n_workers, "sentiment", _compute_with, (n_threads,))
        self.n_workers = n_workers


class _Threads:
    """PyTorch's number of threads, as it was before any pool that is open."""

    def __init__(self):
        self._lock, self._open, self._number = ForkLock(), 0, 1

    @contextlib.contextmanager
    def kept(self) -> Iterator[int]:
        """Give the number, and restore it."""
        with self._lock:
            # Another pool's threads may have set 1 by now.
            if not self._open:
                self._number = torch.get_num_threads()
            self._open += 1
            number = self._number
        try:
            yield number
        finally:
            with self._lock:
                self._open -= 1
                # PyTorch takes a thread's number for the default of new threads. Who
                # works in an open pool has a number of its own.
                torch.set_num_threads(number)


_THREADS = _Threads()


@contextlib.contextmanager
def worker_pool(device_type: str, alone: bool = False) -> Iterator[WorkerThreads]:
    """Give a pool of threads; what has not started at the end is dropped.

    On the CPU there are as many as PyTorch may use threads, and each computes its
    batches alone: two batches side by side take less time than two threads that share
    the many small steps of one.

    Args:
        device_type: ``cpu`` or ``cuda``.
        alone: One thread that computes with all of PyTorch's.
    """
    with _THREADS.kept() as n_threads:
        n_workers = n_threads
        if device_type != "cpu":
            n_workers = min(GPU_WORKERS, os.cpu_count() or 1)
        if alone:
            n_workers = 1
        per_worker = n_threads if alone else 1
        pool = WorkerThreads(n_workers, per_worker)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def ordered[Input, Output](
    pool: Executor,
    function: Callable[[Input], Output],
    inputs: Iterable[Input],
    ahead: int = AHEAD,
) -> Iterator[Output]:
    """Map in the pool, results in the order of the inputs.

    Args:
        pool: Where the function runs.
        function: What is called.
        inputs: Drawn in the caller's thread.
        ahead: Results that are under way, or wait to be taken, at the same time.
    """
    waiting: deque[Future[Output]] = deque()
    for item in inputs:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


# The thread that went through a fork; None in a process that was not forked.
_forked: int | None = None


def _remember_fork() -> None:
    global _forked
    _forked = threading.get_ident()


os.register_at_fork(after_in_child=_remember_fork)


@contextlib.contextmanager
def alone_after_fork() -> Iterator[None]:
    """Let the one thread of a forked child compute alone.

    It believes in a team of OpenMP, whose other threads have stayed in the parent, and
    would wait for them for ever. Threads that begin in the child have teams of their
    own. Enter it after ``worker_pool``, which takes PyTorch's number as it is.
    """
    if threading.get_ident() != _forked or torch.get_num_threads() == 1:
        yield
        return
    with alone():
        yield


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let the calling thread compute alone: many small steps wait for no other."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _compute_with(n_threads: int) -> None:
    # Asking first: PyTorch sets a thread's number when the thread first needs it.
    torch.get_num_threads()
    torch.set_num_threads(n_threads)
