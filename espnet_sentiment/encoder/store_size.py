"""Before stage 3: what it will write, whether that fits, and what would."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.data.feature_store import stored_bytes
from espnet_sentiment.data.store_dtype import store_dtype

if TYPE_CHECKING:
    from espnet_sentiment.encoder.output_size import OutputSize

# Bytes an utterance beside its values, its id and its scales: in a shard's header; of
# int8, for the scales once more; in plan and index.
HEADER = {"float16": 64, "int8": 133}
TABLES = 45
SHARD = 350  # a shard's seal, its hash in the index, and padding


@dataclasses.dataclass(frozen=True)
class Corpus:
    """What is encoded: utterances, their frames, and how they are kept.

    Args:
        ids: Bytes of all ids.
        fixed: Bytes of a store that no utterance adds to.
        frames: Frames (N,) of the encoder's output.
        size: What the encoder makes of an utterance.
        dtype: One of ``DTYPES[KEY]``, see ``data/store_dtype.py``.
    """

    ids: int
    fixed: int
    frames: np.ndarray
    size: "OutputSize"
    dtype: str

    @classmethod
    def of(
        cls,
        units: Mapping[str, int],
        size: "OutputSize",
        meta: Mapping[str, Any],
        n_shards: int,
    ) -> "Corpus":
        """Describe a corpus.

        Args:
            units: Stage 1's table of samples or frames.
            size: What the encoder makes of an utterance.
            meta: What defines the features; plan and index hold it.
            n_shards: Files of a store.
        """
        ids = sum(len(json.dumps(utt, ensure_ascii=False).encode()) for utt in units)
        fixed = 2 * len(json.dumps(meta, indent=2)) + SHARD * n_shards
        frames = size.frames(np.array(list(units.values())))
        return cls(ids, fixed, frames, size, store_dtype(meta))

    def bytes(self, n_layers: int | None = None, dtype: str | None = None) -> int:
        """Return the bytes of one store, or of one of other layers or another type."""
        layers, dtype = n_layers or self.size.n_layers, dtype or self.dtype
        channels, n = layers * self.size.dim, len(self.frames)
        rows = int(self.frames.sum())
        if dtype == "int8":
            # A row of int8 each, and an utterance's scales and offsets in float16.
            values, names = rows + 4 * n, 4 * self.ids
        else:
            values, names = 2 * rows, 3 * self.ids
        return self.fixed + values * channels + names + (HEADER[dtype] + TABLES) * n


@dataclasses.dataclass(frozen=True)
class Stores:
    """The stores of a run: what of them is there, by folder.

    Args:
        kept: Bytes of finished shards.
        there: Those, and the bytes of other features, which go before new ones come.
        views: The SpecAugment view of each; 0 is the store without.
    """

    kept: Mapping[Path, int]
    there: Mapping[Path, int]
    views: Mapping[Path, int]

    @classmethod
    def find(
        cls, metas: Mapping[Path, Mapping], shards: Sequence[Sequence[str]]
    ) -> "Stores":
        """Look at the stores' folders; nothing is changed in them."""
        found = {root: stored_bytes(root, shards, m) for root, m in metas.items()}
        return cls(
            {root: kept for root, (kept, _) in found.items()},
            {root: there for root, (_, there) in found.items()},
            {root: meta.get("view", 0) for root, meta in metas.items()},
        )

    def up_to(self, n_views: int | None) -> list[Path]:
        """Return the folders that are left with so many views; None leaves all."""
        return [r for r, v in self.views.items() if n_views is None or v <= n_views]

    def missing(self, store: int, n_views: int | None = None) -> int:
        """Return the bytes that have to be free, if a store takes so many."""
        roots = self.up_to(n_views)
        return len(roots) * store - sum(self.there[root] for root in roots)


@dataclasses.dataclass(frozen=True)
class Configs:
    """Where what decides on the size is set, for messages.

    Args:
        encoder: The encoder's config.
        sentiments: Sentiment configs that have views, with their number.
    """

    encoder: Path
    sentiments: Mapping[Path, int]


def check_room(
    say: Callable[[str], None], corpus: Corpus, stores: Stores, configs: Configs
) -> None:
    """Say what will be written, and what is free; refuse what does not fit.

    Raises:
        UserError: It does not fit; the message says what would.
    """
    root = next(iter(stores.views))
    folder, size, store = root.parent, corpus.size, corpus.bytes()
    n_stores, kept = len(stores.views), sum(stores.kept.values())
    free = shutil.disk_usage(_existing(folder)).free
    missing = stores.missing(store)
    there = f", {human(kept)} of it there already" if kept else ""
    what = (
        f"{human(n_stores * store)} to {folder}{there}: {n_stores} x {human(store)} "
        f"(without SpecAugment, and each view), {size.n_layers} x {size.dim} channels "
        f"as {corpus.dtype}, {corpus.frames.sum()} frames of {len(corpus.frames)} "
        "utterances"
    )
    if missing <= free:
        say(f"writes {what}; {human(free)} are free")
        return
    fitting = remedies(corpus, stores, configs, free)
    if not fitting:
        fitting = ["nothing: one layer as int8 without SpecAugment is still too much"]
    raise UserError(
        "\n  ".join(
            [
                f"stage 3 would write {what}. It needs {human(missing)}, and "
                f"{human(free)} are free. Make room, or let {folder} be a link to a "
                "larger disk; what would fit:",
                *fitting,
            ]
        )
    )


class Cut(NamedTuple):
    """A setting that makes stores smaller; None leaves it as it is."""

    n_views: int | None = None
    n_layers: int | None = None
    dtype: str | None = None


def remedies(corpus: Corpus, stores: Stores, configs: Configs, free: int) -> list[str]:
    """Return what would fit, a line each with its size: of every kind the mildest.

    Where no kind alone is enough, they are tried together.
    """
    views = range(max(configs.sentiments.values(), default=0) - 1, -1, -1)
    layers = range(corpus.size.n_layers - 1, 0, -1)
    int8 = None if corpus.dtype == "int8" else "int8"

    def mildest(cuts: Iterable[Cut]) -> list[str]:
        for cut in cuts:
            store = corpus.bytes(cut.n_layers, cut.dtype)
            if stores.missing(store, cut.n_views) <= free:
                total = len(stores.up_to(cut.n_views)) * store
                return [f"{describe(cut, corpus, configs)}: {human(total)}"]
        return []

    found = mildest(Cut(n_views=n) for n in views)
    found += mildest(Cut(n_layers=n) for n in layers if n > 1)
    found += mildest(Cut(n_layers=1) for _ in layers[-1:])
    found += mildest(Cut(dtype="int8") for _ in [int8] if int8)
    fewest = 1 if layers else None
    return (
        found
        or mildest(Cut(None, n, int8) for n in layers)
        or mildest(Cut(n, fewest, int8) for n in views)
    )


def describe(cut: Cut, corpus: Corpus, configs: Configs) -> str:
    """Say which keys of which files make a cut."""
    keys = []
    if cut.n_layers is not None:
        # Emotion is heard best in the middle: on EmoDB, in layer 3 of Whisper base's 8.
        start = (corpus.size.n_layers - cut.n_layers) // 2
        numbers = list(corpus.size.numbers[start : start + cut.n_layers])
        others = f"(or {'others' if len(numbers) > 1 else 'another'})"
        keys.append(f"layer: {numbers if len(numbers) > 1 else numbers[0]} {others}")
    if cut.dtype is not None:
        keys.append(f"store_dtype: {cut.dtype}")
    text = [f"{' and '.join(keys)} in {configs.encoder}"] if keys else []
    if cut.n_views is not None:
        files = [str(f) for f, n in configs.sentiments.items() if n > cut.n_views]
        key = f"views: {cut.n_views}" if cut.n_views else "specaug: null"
        text.append(f"{key} in {' and '.join(files)}")
    return "; ".join(text)


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def human(n_bytes: float) -> str:
    """Write bytes as people say them: 494 MB, 2.61 GB, 258 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if n_bytes < 999.5 or unit == "TB":
            break
        n_bytes /= 1000
    return f"{n_bytes:.3g} {unit}" if n_bytes < 999.5 else f"{n_bytes:.0f} {unit}"
