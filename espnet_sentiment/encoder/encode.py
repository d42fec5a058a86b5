"""Stage 3: write the feature stores, shard by shard, here or on a cluster."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

from espnet_sentiment.cluster.client import open_workers
from espnet_sentiment.core.entry import check_gpus
from espnet_sentiment.core.files import PathLike, read_json
from espnet_sentiment.data.feature_store import PLAN, StoreWriter
from espnet_sentiment.data.store_dtype import compute_dtype
from espnet_sentiment.encoder.pace import Pace

if TYPE_CHECKING:
    from espnet_sentiment.encoder.output_size import OutputSize

UTTS_PER_SHARD = 64

Check = Callable[
    ["OutputSize", Sequence[Sequence[str]], Mapping[Path, Mapping]], object
]


class Source(NamedTuple):
    """What is encoded by what.

    Args:
        config: The encoder's config as JSON, with what it computes in.
        kind: ``audio`` or ``fbank``.
        dump: Folder that stage 1 wrote.
        device: Where the encoder runs.
    """

    config: str
    kind: str
    dump: Path
    device: str


def plan_shards(num_units: Mapping[str, int]) -> list[list[str]]:
    """Cut a corpus into shards of utterances of like length.

    Args:
        num_units: Samples or frames of every utterance, as stage 1 wrote them.
    """
    utts = sorted(num_units, key=lambda u: (num_units[u], u))
    return [utts[i : i + UTTS_PER_SHARD] for i in range(0, len(utts), UTTS_PER_SHARD)]


def typical_first(
    shards: Sequence[Sequence[str]], num_units: Mapping[str, int]
) -> list[int]:
    """Order shards so that the first, of average length, tell how long all take."""
    average = sum(num_units.values()) / max(len(num_units), 1)
    lengths = [sum(num_units[u] for u in shard) / len(shard) for shard in shards]
    return sorted(range(len(shards)), key=lambda n: abs(lengths[n] - average))


def encode(
    source: Source,
    num_units: Mapping[str, int],
    views: Mapping[Path, Mapping],
    meta: Mapping,
    check: Check,
    say: Callable[[str], object],
    cluster: PathLike | None = None,
) -> tuple[list[Path], list[Path]]:
    """Write all views that are not complete; the front end runs once for all.

    Args:
        source: What is encoded by what.
        num_units: Samples or frames of every utterance, as stage 1 wrote them.
        views: Folders of the stores, with their SpecAugment.
        meta: What defines the features.
        check: Called before anything is written, with what the encoder makes of an
            utterance, the shards, and what defines every store; it may raise.
        say: Told how long it takes, once that is known.
        cluster: A file of ``conf/cluster``; None encodes in this process.

    Returns:
        The indices and the shards of the stores.

    Raises:
        DataError: An utterance is too short for the encoder.
        UserError: A shard ended its worker several times.
    """
    shards = plan_shards(num_units)
    try:
        with open_workers(cluster) as workers:
            # A cluster's encoder is loaded there, where the GPU and the memory are.
            [size] = workers.run(output_size, [("loading the encoder", (source,))])
            metas = {
                root: {**meta, "n_layers": size.n_layers, **view}
                for root, view in views.items()
            }
            check(size, shards, metas)
            writers = [StoreWriter(root, shards, m) for root, m in metas.items()]
            lacking = {
                number: sum(not writer.has(number) for writer in writers)
                for number in range(len(shards))
            }
            missing = [n for n in typical_first(shards, num_units) if lacking[n]]
            total = sum(map(len, shards)) * len(views)
            todo = sum(len(shards[number]) * lacking[number] for number in missing)
            first = sum(len(shards[number]) * lacking[number] for number in missing[:1])
            pace = Pace(_aside(say), todo, first * getattr(workers, "n_workers", 1))
            with tqdm(
                total=total, initial=total - todo, desc="encode", unit="utt"
            ) as bar:

                def done(utterances: int) -> None:
                    bar.update(utterances)
                    pace(utterances)

                if cluster is None:
                    encode_shards(source, list(views), missing, done)
                else:
                    named = (
                        (
                            f"stage 3, shard {number} from {shards[number][0]}",
                            (source, list(views), [number]),
                        )
                        for number in missing
                    )
                    for encoded in workers.run(encode_shards, named):
                        done(encoded)
        written = [writer.finish() for writer in writers]
        return [index for index, _ in written], [p for _, ps in written for p in ps]
    finally:
        # In this process another run may find other files.
        _load.cache_clear()
        _open_views.cache_clear()


def _aside(say: Callable[[str], object]) -> Callable[[str], object]:
    """Let a progress bar make room for what is said."""

    def speak(message: str) -> None:
        with tqdm.external_write_mode():
            say(message)

    return speak


@functools.lru_cache(maxsize=1)
def _load(source: Source):
    """Load the encoder and the tables once a process."""
    from espnet_sentiment.data.dump import DumpReader
    from espnet_sentiment.encoder.build import build_encoder
    from espnet_sentiment.encoder.freezing import FrozenEncoder
    from espnet_sentiment.encoder.speech_encoder import SpeechEncoder

    check_gpus(int(source.device == "cuda"))
    config = json.loads(source.config)
    built = build_encoder(config["encoder"], config["encoder_conf"])
    frozen = FrozenEncoder(built).encoder
    encoder = SpeechEncoder(frozen, source.device, compute_dtype(config))
    return encoder, DumpReader(source.dump, source.kind, encoder.sample_rate)


def output_size(source: Source) -> "OutputSize":
    """Return what the encoder makes of an utterance."""
    from espnet_sentiment.encoder.output_size import measure_output_size

    encoder, _ = _load(source)
    return measure_output_size(encoder.encoder, source.kind, source.device)


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
