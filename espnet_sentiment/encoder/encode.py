"""Stage 3: write the feature stores, shard by shard, here or on a cluster."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from espnet_sentiment.cluster.client import open_workers
from espnet_sentiment.core.entry import check_gpus
from espnet_sentiment.core.files import PathLike, read_json
from espnet_sentiment.data.feature_store import PLAN, StoreWriter

UTTS_PER_SHARD = 64


class Source(NamedTuple):
    """What is encoded by what.

    Args:
        config: The encoder's config as JSON.
        kind: ``audio`` or ``fbank``.
        dump: Folder that stage 1 wrote.
        device: Where the encoder runs.
        dtype: What it computes in, see ``SpeechEncoder``.
    """

    config: str
    kind: str
    dump: Path
    device: str
    dtype: str = "float32"


def plan_shards(num_units: Mapping[str, int]) -> list[list[str]]:
    """Cut a corpus into shards of utterances of like length.

    Args:
        num_units: Samples or frames of every utterance, as stage 1 wrote them.
    """
    utts = sorted(num_units, key=lambda u: (num_units[u], u))
    return [utts[i : i + UTTS_PER_SHARD] for i in range(0, len(utts), UTTS_PER_SHARD)]


def encode(
    source: Source,
    shards: Sequence[Sequence[str]],
    views: Mapping[Path, Mapping],
    meta: Mapping,
    cluster: PathLike | None = None,
) -> tuple[list[Path], list[Path]]:
    """Write all views that are not complete; the front end runs once for all.

    Args:
        source: What is encoded by what.
        shards: Utterance ids of every shard.
        views: Folders of the stores, with their SpecAugment.
        meta: What defines the features.
        cluster: A file of ``conf/cluster``; None encodes in this process.

    Returns:
        The indices and the shards of the stores.

    Raises:
        DataError: An utterance is too short for the encoder.
        UserError: A shard ended its worker several times.
    """
    try:
        with open_workers(cluster) as workers:
            # A cluster's encoder is loaded there, where the GPU and the memory are.
            [n_layers] = workers.run(count_layers, [("loading the encoder", (source,))])
            writers = [
                StoreWriter(root, shards, {**meta, "n_layers": n_layers, **view})
                for root, view in views.items()
            ]
            lacking = {
                number: sum(not writer.has(number) for writer in writers)
                for number in range(len(shards))
            }
            missing = [number for number, views_of in lacking.items() if views_of]
            total = sum(map(len, shards)) * len(views)
            todo = sum(len(shards[number]) * lacking[number] for number in missing)
            with tqdm(
                total=total, initial=total - todo, desc="encode", unit="utt"
            ) as bar:
                if cluster is None:
                    encode_shards(source, list(views), missing, bar.update)
                else:
                    named = (
                        (
                            f"stage 3, shard {number} from {shards[number][0]}",
                            (source, list(views), [number]),
                        )
                        for number in missing
                    )
                    for encoded in workers.run(encode_shards, named):
                        bar.update(encoded)
        written = [writer.finish() for writer in writers]
        return [index for index, _ in written], [p for _, ps in written for p in ps]
    finally:
        # In this process another run may find other files.
        _load.cache_clear()
        _open_views.cache_clear()


@functools.lru_cache(maxsize=1)
def _load(source: Source):
    """Load the encoder and the tables once a process."""
    from espnet_sentiment.data.dump import DumpReader
    from espnet_sentiment.encoder.choices import build_encoder
    from espnet_sentiment.encoder.freezing import FrozenEncoder
    from espnet_sentiment.encoder.speech_encoder import SpeechEncoder

    check_gpus(int(source.device == "cuda"))
    config = json.loads(source.config)
    built = build_encoder(config["encoder"], config["encoder_conf"])
    encoder = SpeechEncoder(FrozenEncoder(built).encoder, source.device, source.dtype)
    return encoder, DumpReader(source.dump, source.kind, encoder.sample_rate)


def count_layers(source: Source) -> int:
    """Return the layers that the encoder gives."""
    encoder, _ = _load(source)
    return encoder.encoder.n_layers


@functools.lru_cache(maxsize=1)
def _open_views(source: Source, roots: tuple[Path, ...]) -> tuple:
    """Open what the parent planned: its plans say all that is to be known."""
    from espnet_sentiment.encoder.shard import View, view_specaug

    encoder, _ = _load(source)
    views = []
    for root in roots:
        plan = read_json(root / PLAN)
        meta = plan["meta"]
        specaug = view_specaug(encoder.encoder, meta) if "specaug" in meta else None
        writer = StoreWriter(root, plan["shards"], meta)
        views.append(View(writer, specaug, meta.get("view", 0)))
    return tuple(views)


def encode_shards(
    source: Source,
    roots: Sequence[Path],
    numbers: Sequence[int],
    on_batch: Callable[[int], object] | None = None,
) -> int:
    """Write shards of all views that lack them; return the utterances of all views."""
    from espnet_sentiment.encoder.shard import write_shards

    encoder, reader = _load(source)
    views = _open_views(source, tuple(roots))
    writer = views[0].writer
    written = 0
    for number in numbers:
        n_missing = sum(not view.writer.has(number) for view in views)
        written += n_missing * len(writer.shards[number])
    write_shards(encoder, reader, numbers, views, writer.meta["batch_size"], on_batch)
    return written
