"""Gradients that processes of one machine average in shared memory."""

import multiprocessing
from threading import Thread

import pytest
import torch

from espnet_sentiment.tasks import shared_gradients
from espnet_sentiment.tasks.shared_gradients import SharedGradients

FORK = multiprocessing.get_context("fork")
SIZES = (3, 64, 65, 200, 1)  # of buckets; a chunk has 64 numbers here


class Bucket:
    """A bucket of DistributedDataParallel, as a hook sees it."""

    def __init__(self, gradients):
        self.gradients = gradients

    def buffer(self):
        return self.gradients


def draw(rank):
    generator = torch.Generator().manual_seed(rank)
    return [torch.randn(size, generator=generator) for size in SIZES]


def average(shared, rank, pipe):
    buckets = draw(rank)
    done = [shared._average(rank, Bucket(bucket)).wait() for bucket in buckets]
    pipe.send([bucket.tolist() for bucket in done])


@pytest.mark.parametrize("processes", [2, 3])
def test_every_process_gets_the_mean_of_all_gradients(processes, monkeypatch):
    monkeypatch.setattr(shared_gradients, "CHUNK", 64)
    shared = SharedGradients(processes)
    pipes = [FORK.Pipe(duplex=False) for _ in range(processes)]
    workers = [
        FORK.Process(target=average, args=(shared, rank, send))
        for rank, (_, send) in enumerate(pipes)
    ]
    for worker in workers:
        worker.start()
    results = [receive.recv() for receive, _ in pipes]
    for worker in workers:
        worker.join(10)
    drawn = [draw(rank) for rank in range(processes)]
    for result in results:
        assert result == results[0]
        for mean, *gradients in zip(result, *drawn, strict=True):
            expected = torch.stack([g / processes for g in gradients]).sum(dim=0)
            assert torch.equal(torch.tensor(mean), expected)


def test_who_waits_for_a_process_that_has_failed_is_told():
    shared = SharedGradients(2)
    Thread(target=shared.abort).start()
    with pytest.raises(RuntimeError, match="another training process has failed"):
        shared._average(0, Bucket(torch.ones(3)))
