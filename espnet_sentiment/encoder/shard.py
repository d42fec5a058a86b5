"""Stage 3, shards: a frozen encoder once over clean and SpecAugmented utterances.

Threads read and encode, each a batch of a view alone, so that a store's bytes do not
depend on how many there are. What SpecAugment draws, one thread draws in order.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

from espnet_sentiment.core.chance import seed_of
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.threads import ordered, worker_pool
from espnet_sentiment.data.dump import DumpReader
from espnet_sentiment.data.feature_store import StoreWriter
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder
from espnet_sentiment.layers.padding import pad
from espnet_sentiment.specaug.specaugment import SpecAugment

SPARE = 2  # batches that are encoded, or about to be, besides those that threads encode


@dataclasses.dataclass(frozen=True)
class View:
    """One store to write: the clean features, or one SpecAugment view of them."""

    writer: StoreWriter
    specaug: SpecAugment | None = None
    seed: int = 0


def view_specaug(encoder: AbsPretrainedEncoder, view: Mapping) -> SpecAugment:
    """Build a view's SpecAugment for the frames that an encoder eats."""
    if view["specaug"] == "specaugment":
        return SpecAugment(**{**encoder.specaug_scales(), **view["specaug_conf"]})
    raise DataError(
        f"specaug: {view['specaug']} cannot be kept in the feature store: use "
        "specaug: specaugment, or train SentimentTask on audio"
    )


class Batch(NamedTuple):
    """Utterances of a shard that are encoded together, with the views to write."""

    number: int
    utts: Sequence[str]
    views: Sequence[View]
    is_last: bool


class Frames(NamedTuple):
    """A batch in the form that the encoder eats: frames (B, T, F) and lengths (B,)."""

    batch: Batch
    feats: torch.Tensor
    lengths: torch.Tensor


class Task(NamedTuple):
    """A batch of one view, to be encoded."""

    view: View
    frames: Frames


def write_shards(
    encoder: SpeechEncoder,
    reader: DumpReader,
    numbers: Iterable[int],
    views: Sequence[View],
    batch_size: int = 16,
    on_batch: Callable[[int], object] | None = None,
) -> None:
    """Write shards of all views that lack them.

    Args:
        encoder: The frozen encoder.
        reader: Gives an utterance's audio or fbank.
        numbers: The shards, whose numbers decide what SpecAugment draws.
        views: What to write.
        batch_size: Utterances encoded together.
        on_batch: Told the utterances of every batch of a view.

    Raises:
        DataError: An utterance is too short for the encoder.
    """
    with worker_pool(encoder.device.type) as pool:
        # As those of the pool, which restores what was: bytes depend on no threads.
        torch.set_num_threads(1)
        batches = _batches(numbers, views, batch_size)
        front_end = functools.partial(_front_end, encoder, reader)
        ahead = pool.n_workers + SPARE
        tasks = _augmented(ordered(pool, front_end, batches, ahead))
        features: dict[tuple[View, int], dict[str, np.ndarray]] = {}
        encode = functools.partial(_encode, encoder, reader)
        for view, batch, encoded in ordered(pool, encode, tasks, ahead):
            place = (view, batch.number)
            features.setdefault(place, {}).update(encoded)
            if on_batch is not None:
                on_batch(len(batch.utts))
            if batch.is_last:
                # The pool goes on with the next shard meanwhile.
                view.writer.write(batch.number, features.pop(place))


def _batches(
    numbers: Iterable[int], views: Sequence[View], size: int
) -> Iterator[Batch]:
    """Cut shards into batches; views that have a shard are left out."""
    for number in numbers:
        todo = [view for view in views if not view.writer.has(number)]
        utts = views[0].writer.shards[number] if todo else ()
        for begin in range(0, len(utts), size):
            end = begin + size
            yield Batch(number, utts[begin:end], todo, end >= len(utts))


def _front_end(encoder: SpeechEncoder, reader: DumpReader, batch: Batch) -> Frames:
    inputs = [reader(utt).numpy() for utt in batch.utts]
    if reader.kind == "fbank":
        return Frames(batch, *pad(inputs, encoder.device))
    try:
        return Frames(batch, *encoder.to_frames(inputs))
    except TooShortUttError as error:
        raise _too_short(reader, batch.utts, error) from None


def _augmented(frames: Iterable[Frames]) -> Iterator[Task]:
    """Give every shard as each of its views has it, one view after another.

    So the features of one view's shard are in memory, and not those of all views.
    """
    shard: list[Frames] = []
    for clean in frames:
        shard.append(clean)
        if clean.batch.is_last:
            for view in clean.batch.views:
                yield from _view_of(shard, view)
            shard = []


def _view_of(shard: Iterable[Frames], view: View) -> Iterator[Task]:
    generator = None
    for clean in shard:
        if view.specaug is None:
            yield Task(view, clean)
            continue
        generator = generator or _generator(view.seed, clean.batch.number)
        feats, _ = view.specaug(clean.feats, clean.lengths, generator=generator)
        yield Task(view, clean._replace(feats=feats))


def _generator(seed: int, shard: int) -> torch.Generator:
    """Seed a shard's random numbers by the view and the shard alone.

    So a continued run draws what an uninterrupted one would have drawn.
    """
    return torch.Generator().manual_seed(seed_of(f"{seed}/{shard}") >> 1)


def _encode(
    encoder: SpeechEncoder, reader: DumpReader, task: Task
) -> tuple[View, Batch, dict[str, np.ndarray]]:
    batch, feats, lengths = task.frames
    try:
        out, out_lengths = encoder.from_frames(feats, lengths)
    except TooShortUttError as error:
        raise _too_short(reader, batch.utts, error) from None
    rows = zip(batch.utts, out.half().cpu().numpy(), out_lengths.tolist(), strict=True)
    return task.view, batch, {utt: row[:n] for utt, row, n in rows}


def _too_short(reader, utts, error) -> DataError:
    shortest = min(utts, key=lambda u: len(reader(u)))
    return DataError(
        f"utterance {shortest} ({reader.where[shortest]}) is too short for the "
        f"encoder: {error}. Take it out of the data directory"
    )
