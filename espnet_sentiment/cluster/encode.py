"""Stage 3 on a cluster: its workers load the encoder once and write the stores."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from espnet_sentiment.cluster.client import open_cluster
from espnet_sentiment.core.entry import check_gpus
from espnet_sentiment.core.files import PathLike


class Source(NamedTuple):
    """What is encoded by what.

    Args:
        config: The encoder's config as JSON.
        kind: ``audio`` or ``fbank``.
        dump: Folder that stage 1 wrote.
        device: Where the encoder runs.
    """

    config: str
    kind: str
    dump: Path
    device: str


def encode_on(
    cluster: PathLike,
    config: Mapping,
    kind: str,
    dump: Path,
    shards: Sequence[Sequence[str]],
    views: Mapping[Path, Mapping],
    meta: Mapping,
    device: str,
) -> None:
    """Write all views that are not complete, as ``extract`` does in one process.

    Args:
        cluster: A file of ``conf/cluster``.
        config: The encoder's config.
        kind: ``audio`` or ``fbank``.
        dump: Folder that stage 1 wrote.
        shards: Utterance ids of every shard.
        views: Folders of the stores, with their SpecAugment.
        meta: What defines the features.
        device: Where the encoder runs.

    Raises:
        DataError: An utterance is too short for the encoder, or a shard ended its
            worker several times.
    """
    from espnet_sentiment.data.feature_store import StoreWriter

    source = Source(json.dumps(config), kind, dump, device)
    with open_cluster(cluster) as workers:
        # Loaded there and not here, where there may be no GPU and little memory.
        [n_layers] = workers.run(count_layers, [("loading the encoder", (source,))])
        writers = [
            StoreWriter(root, shards, {**meta, "n_layers": n_layers, **view})
            for root, view in views.items()
        ]
        todo = [
            number
            for number in range(len(shards))
            if not all(writer.has(number) for writer in writers)
        ]
        named = (
            (f"stage 3, shard {n} from {shards[n][0]}", (source, list(views), n))
            for n in todo
        )
        kept = sum(map(len, shards)) - sum(len(shards[number]) for number in todo)
        with tqdm(
            total=sum(map(len, shards)), initial=kept, desc="encode", unit="utt"
        ) as bar:
            for encoded in workers.run(encode_shard, named):
                bar.update(encoded)
    for writer in writers:
        writer.finish()


@functools.lru_cache(maxsize=1)
def _load(source: Source):
    """Load the encoder and the tables once a process."""
    from espnet_sentiment.encoder.choices import build_encoder
    from espnet_sentiment.encoder.encode import DumpReader
    from espnet_sentiment.encoder.freezing import FrozenEncoder

    check_gpus(int(source.device == "cuda"))
    config = json.loads(source.config)
    frozen = FrozenEncoder(build_encoder(config["encoder"], config["encoder_conf"]))
    encoder = frozen.to(source.device).encoder
    return encoder, DumpReader(source.dump, source.kind, encoder.sample_rate)


def count_layers(source: Source) -> int:
    """Return the layers that the encoder gives."""
    encoder, _ = _load(source)
    return encoder.n_layers


@functools.lru_cache(maxsize=1)
def _open_views(source: Source, roots: tuple[Path, ...]) -> tuple:
    """Open what the parent planned: its plans say all that is to be known."""
    from espnet_sentiment.core.files import read_json
    from espnet_sentiment.data.feature_store import PLAN, StoreWriter
    from espnet_sentiment.encoder.encode import View, view_specaug

    encoder, _ = _load(source)
    views = []
    for root in roots:
        plan = read_json(root / PLAN)
        meta = plan["meta"]
        specaug = view_specaug(encoder, meta) if "specaug" in meta else None
        writer = StoreWriter(root, plan["shards"], meta)
        views.append(View(writer, specaug, meta.get("view", 0)))
    return tuple(views)


def encode_shard(source: Source, roots: Sequence[Path], number: int) -> int:
    """Write a shard of all views that lack it; return its utterances."""
    from espnet_sentiment.encoder.encode import extract_shard

    encoder, reader = _load(source)
    views = _open_views(source, tuple(roots))
    writer = views[0].writer
    utts, batch_size = writer.shards[number], writer.meta["batch_size"]
    extract_shard(encoder, reader, number, utts, views, batch_size, source.device)
    return len(utts)
