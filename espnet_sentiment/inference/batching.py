"""Batches of like length over an endless iterable, answered in the order of input."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future

import torch

from espnet_sentiment.core.batches import length_batches

# A batch's outputs, and which of them is an item's.
type Place[Output] = tuple[Future[Sequence[Output]], int]

# Inputs that are sorted by length together: few at first, so that the first answer is
# not kept waiting, then more.
FIRST_WINDOW = 8
WINDOW = 256
# Seconds of audio encoded together. A CPU's caches hold the activations of so much.
CPU_BATCH, GPU_BATCH = 12.0, 240.0


def seconds_for(device: torch.device) -> float:
    """Return how many seconds of audio a device best encodes together."""
    return CPU_BATCH if device.type == "cpu" else GPU_BATCH


def windows[Item](items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut an iterable into lists of ``FIRST_WINDOW`` to ``WINDOW`` items."""
    size, window = FIRST_WINDOW, []
    for item in items:
        window.append(item)
        if len(window) == size:
            yield window
            size, window = min(2 * size, WINDOW), []
    if window:
        yield window


def score_in_batches[Item, Output](
    pool: Executor,
    score: Callable[[list[Item]], Sequence[Output]],
    groups: Iterable[Sequence[Item]],
    size: Callable[[Item], int],
    batch_size: int,
) -> Iterator[list[Output]]:
    """Score the items of groups in batches of like length.

    Two windows are under way at a time, so memory does not grow with the number of
    groups, and no worker waits at the end of a window.

    Args:
        pool: Where batches are scored.
        score: Scores a batch.
        groups: The segments of every recording, for example.
        size: Length of an item.
        batch_size: Most of a batch, padding included.

    Returns:
        Every group's outputs, in the order of the input.
    """
    under_way: deque[list[list[Place[Output]]]] = deque()
    for window in windows(groups):
        items = [item for group in window for item in group]
        places: dict[int, Place[Output]] = {}
        sizes = {index: size(item) for index, item in enumerate(items)}
        for batch in length_batches(sizes, batch_size):
            future = pool.submit(score, [items[index] for index in batch])
            for place, index in enumerate(batch):
                places[index] = (future, place)
        of_items = (places[index] for index in range(len(items)))
        under_way.append([[next(of_items) for _ in group] for group in window])
        if len(under_way) > 1:
            yield from _results(under_way.popleft())
    while under_way:
        yield from _results(under_way.popleft())


def _results[Output](window: list[list[Place[Output]]]) -> Iterator[list[Output]]:
    for group in window:
        yield [future.result()[place] for future, place in group]
