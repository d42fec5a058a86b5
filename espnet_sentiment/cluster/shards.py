"""Run a long list of shards on Dask's workers, a few in flight at any time.

What a shard makes, the worker itself keeps as a file, written atomically; through Dask
go small things only. So a run that was cut off continues with the shards whose file is
missing, and the parent's memory does not grow with their number.
"""

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from espnet_sentiment.core.errors import UserError

if TYPE_CHECKING:
    from distributed import Client, Future

ATTEMPTS = 3  # workers that a shard may end before it is given up
POLL = 5.0  # seconds between two looks at whether workers were lost


class Cluster:
    """Workers that share shards.

    Args:
        client: Connected to them.
        n_workers: How many there should be.
    """

    def __init__(self, client: "Client", n_workers: int):
        self.client, self.n_workers = client, n_workers
        self._said = False

    def run(
        self, work: Callable[..., Any], shards: Iterable[tuple[str, tuple]]
    ) -> Iterator[Any]:
        """Give what ``work`` returns, in the order in which shards finish.

        A shard whose worker is lost is done again by another. ``shards`` is read as
        workers become free.

        Args:
            work: Called in this folder on a worker; can be pickled, as its arguments.
            shards: A name for messages, and the arguments of ``work``.

        Raises:
            UserError: ``work`` raised one, or a shard ended all of its workers.
        """
        from distributed import KilledWorker, wait

        todo = iter(shards)
        running: dict[Future, str] = {}
        folder = os.getcwd()
        try:
            while True:
                # No more than workers: a shard that waits at one that is lost would be
                # accused with the one that was being done.
                there = min(self.n_workers, len(self.client.nthreads()))
                free = max(there, 1) - len(running)
                for name, args in itertools.islice(todo, max(free, 0)):
                    future = self.client.submit(_run, folder, work, args, pure=False)
                    running[future] = name
                if not running:
                    return
                try:
                    done = wait(
                        list(running), timeout=POLL, return_when="FIRST_COMPLETED"
                    ).done
                except TimeoutError:
                    # Starts again what ended for good, such as a job past its time.
                    if (cluster := self.client.cluster) is not None:
                        cluster.scale(self.n_workers)
                    self._say_if_alone()
                    continue
                for future in done:
                    name = running.pop(future)
                    try:
                        result = future.result()
                    except KilledWorker:
                        raise UserError(
                            f"{name}: this work ended its worker {ATTEMPTS} times, "
                            "perhaps for want of memory: give workers more, or take "
                            "out what breaks them; then run the same command again to "
                            "continue"
                        ) from None
                    except Exception as error:
                        error.add_note(f"on a worker, in {name}")
                        raise
                    future.release()
                    yield result
        finally:
            self.client.cancel(list(running))

    def _say_if_alone(self) -> None:
        """Say once that no worker has come yet, as in a queue that is full."""
        if not self._said and not self.client.scheduler_info()["workers"]:
            self._said = True
            print(
                "no worker has started yet: look at the queue, or Ctrl-C and run the "
                "same command again later",
                file=sys.stderr,
            )


def _run(folder: str, work: Callable[..., Any], args: tuple) -> Any:
    # Jobs of a queue may start elsewhere.
    os.chdir(folder)
    return work(*args)
