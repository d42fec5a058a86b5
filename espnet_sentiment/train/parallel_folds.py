"""Train several folds at once.

On one machine forked processes share imports and features; a cluster has its workers.
"""

import functools
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait

import torch
from tqdm import tqdm

from espnet_sentiment.cluster.client import run_on
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.core.workers import WorkerPool
from espnet_sentiment.tasks.sentiment_trainer import SentimentTrainer

POLL = 0.5  # seconds between two looks at the progress

# A child finds its job here: what fork copies need not be pickled.
_jobs: list[Callable[[], None]] = []


def run_jobs(
    jobs: Sequence[Callable[[], None]], epochs: Sequence[int], processes: int
) -> None:
    """Run training jobs under one progress bar that counts epochs.

    A decoder is so small that one core trains it almost as fast as two, so every job
    gets one thread, and the numbers do not depend on ``processes``.

    Args:
        jobs: What to run.
        epochs: The most epochs that each job trains.
        processes: Jobs at once; 1 runs them in this process.

    Raises:
        UserError: A process was killed.
    """
    progress = functools.partial(tqdm, total=sum(epochs), desc="train", unit="epoch")
    if processes == 1:
        _one_thread()
        with progress() as bar:
            SentimentTrainer.on_epoch = bar.update
            for job in jobs:
                job()
        return
    counter = multiprocessing.get_context("fork").Value("i", 0)

    def count() -> None:
        with counter.get_lock():
            counter.value += 1

    SentimentTrainer.on_epoch = count
    _jobs[:] = jobs
    with WorkerPool(processes, "fork", _one_thread) as pool:
        # The first submission forks; the bar would bring a thread, so it comes after.
        pending = {pool.submit(_run, index) for index in range(len(jobs))}
        with progress() as bar:
            while pending:
                done, pending = wait(pending, POLL, FIRST_COMPLETED)
                bar.update(counter.value - bar.n)
                for future in done:
                    future.result()


def run_jobs_on(
    cluster: PathLike, jobs: Sequence[Callable[[], None]], names: Sequence[str]
) -> None:
    """Run training jobs on a cluster, with the numbers that ``run_jobs`` gives.

    Args:
        cluster: A file of ``conf/cluster``.
        jobs: What to run; can be pickled.
        names: What messages call them.

    Raises:
        UserError: A job ended its worker several times.
    """
    shards = ((name, (job,)) for name, job in zip(names, jobs, strict=True))
    with tqdm(total=len(jobs), desc="train", unit="fold") as bar:
        for _ in run_on(cluster, _run_on_worker, shards):
            bar.update()


def _run_on_worker(job: Callable[[], None]) -> None:
    _one_thread()
    job()


def _one_thread() -> None:
    torch.set_num_threads(1)


def _run(index: int) -> None:
    _jobs[index]()
