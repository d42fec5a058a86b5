"""Processes that end with the one that started them, which alone answers Ctrl-C."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.interrupt import SIGNALS

PR_SET_PDEATHSIG = 1  # of Linux, see prctl(2)
WATCH = 1.0  # seconds between two looks at the parent, on other systems


def die_with(parent: int) -> None:
    """Let the system kill this process once its parent is dead.

    Args:
        parent: The parent's id, which may be dead already.
    """
    if sys.platform != "linux":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH)
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back; processes started in the block begin with that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(setup: Callable[[], object] | None = None) -> None:
    """Make this process, started by ``multiprocessing``, a worker of its parent.

    It dies with the parent, leaves Ctrl-C to it, and SIGTERM kills it.

    Args:
        setup: Called afterwards.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with(parent.pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if setup is not None:
        setup()


def one_thread() -> None:
    """Let PyTorch, if imported later, take one thread: processes fill the cores."""
    os.putenv("OMP_NUM_THREADS", "1")


class WorkerPool(ProcessPoolExecutor):
    """A pool of workers; an error or Ctrl-C ends those that work, and waits for none.

    Args:
        processes: How many.
        method: How they start, ``fork`` or ``spawn``.
        setup: Called in every worker as it starts.

    Raises:
        UserError: At the end of a ``with`` block: a worker was killed.
    """

    def __init__(
        self, processes: int, method: str, setup: Callable[[], object] | None = None
    ):
        context = multiprocessing.get_context(method)
        super().__init__(processes, context, begin_worker, (setup,))

    def submit(self, *args, **kwargs):
        """Submit a call, which may start a worker."""
        with signals_held():
            return super().submit(*args, **kwargs)

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            for child in multiprocessing.active_children():
                child.kill()
        self.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "a process was killed, perhaps for want of memory: run the same "
                "command again to continue, with --nj 1 to use less"
            ) from None
