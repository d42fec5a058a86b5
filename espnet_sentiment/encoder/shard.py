"""Stage 3, a shard: a frozen encoder once over clean and SpecAugmented utterances."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.dump import DumpReader
from espnet_sentiment.data.feature_store import StoreWriter
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.specaug.specaugment import SpecAugment


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


@torch.no_grad()
def write_shard(
    encoder: AbsPretrainedEncoder,
    reader: DumpReader,
    number: int,
    utts: Sequence[str],
    views: Sequence[View],
    batch_size: int = 16,
    device: str = "cpu",
    on_batch: Callable[[int], object] | None = None,
) -> None:
    """Write a shard of all views that lack it.

    Args:
        encoder: Frozen encoder, on ``device``.
        reader: Gives an utterance's audio or fbank.
        number: The shard's number, which decides what SpecAugment draws.
        utts: Its utterance ids.
        views: What to write.
        batch_size: Utterances encoded together.
        device: Where the encoder is.
        on_batch: Told the utterances of every batch of a view.

    Raises:
        DataError: An utterance is too short for the encoder.
    """
    todo = [view for view in views if not view.writer.has(number)]
    features: list[dict[str, np.ndarray]] = [{} for _ in todo]
    generators = [_generator(view.seed, number) for view in todo]
    for begin in range(0, len(utts) if todo else 0, batch_size):
        batch = utts[begin : begin + batch_size]
        try:
            feats, lengths = _front_end(encoder, reader, batch, device)
            for view, out, generator in zip(todo, features, generators, strict=True):
                augmented = feats
                if view.specaug is not None:
                    augmented, _ = view.specaug(feats, lengths, generator=generator)
                out.update(_encode(encoder, augmented, lengths, batch))
                if on_batch is not None:
                    on_batch(len(batch))
        except TooShortUttError as error:
            raise _too_short(reader, batch, error) from None
    for view, out in zip(todo, features, strict=True):
        view.writer.write(number, out)


def _generator(seed: int, shard: int) -> torch.Generator:
    """Seed a shard's random numbers by the view and the shard alone.

    So a continued run draws what an uninterrupted one would have drawn.
    """
    digest = hashlib.sha256(f"{seed}/{shard}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _front_end(encoder, reader, utts, device):
    inputs = [reader(utt) for utt in utts]
    lengths = torch.tensor([len(x) for x in inputs], device=device)
    feats = pad_sequence(inputs, batch_first=True).to(device)
    if reader.kind == "fbank":
        return feats, lengths
    return encoder.frontend(feats, lengths)


def _encode(encoder, feats, lengths, utts) -> dict[str, np.ndarray]:
    out, out_lengths, _ = encoder(feats, lengths)
    out = out.half().cpu().numpy()
    return {
        utt: out[i, :n]
        for i, (utt, n) in enumerate(zip(utts, out_lengths.tolist(), strict=True))
    }


def _too_short(reader, utts, error) -> DataError:
    shortest = min(utts, key=lambda u: len(reader(u)))
    return DataError(
        f"utterance {shortest} ({reader.where[shortest]}) is too short for the "
        f"encoder: {error}. Take it out of the data directory"
    )
