"""The feature store: what a frozen encoder said, kept for all folds and decoders.

A store is a folder of safetensors shards, each written atomically and sealed, and an
``index.json`` that appears when the last shard is complete. Shards are mapped into
memory, so folds, decoders and processes share one copy in the page cache. Reading
checks a shard's SHA-256 once a process; where it does not hold, the index goes, so that
stage 3 makes that shard again. Features are kept as float16, or as int8 with scales.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import (
    PathLike,
    atomic_path,
    find_json,
    hash_file,
    sha256_of,
    write_json,
)
from espnet_sentiment.core.seal import break_seal, seal, sealed
from espnet_sentiment.data.int8 import from_int8, to_int8
from espnet_sentiment.data.store_dtype import store_dtype
from espnet_sentiment.data.store_layers import layer_channels

INDEX = "index.json"
PLAN = "plan.json"
CLEAN_SHARE = "clean="
AFFINE = " affine"  # after an utterance's id, which has no spaces: its scales


def shard_path(root: PathLike, number: int) -> Path:
    """Return the path of a shard."""
    return Path(root) / f"shard.{number:05d}.safetensors"


def _plan(meta: Mapping, shards: Sequence[Sequence[str]]) -> dict:
    """Return what ``plan.json`` holds."""
    return {"meta": dict(meta), "shards": [list(shard) for shard in shards]}


def _is_planned(root: PathLike, plan: dict) -> bool:
    return find_json(Path(root) / PLAN) == json.loads(json.dumps(plan))


def stored_bytes(
    root: PathLike, shards: Sequence[Sequence[str]], meta: Mapping
) -> tuple[int, int]:
    """Return the bytes of a store's shards that a writer would keep, and of all.

    By their sizes alone: gigabytes are not read for it.
    """
    there = sum(p.stat().st_size for p in Path(root).glob("shard.*.safetensors"))
    return there if _is_planned(root, _plan(meta, shards)) else 0, there


class StoreWriter:
    """Write a store shard by shard; finished shards of an earlier run are kept.

    Args:
        root: Folder of the store.
        shards: The utterance ids of every shard.
        meta: What defines the features (encoder, audio, augmentation); shards that
            another ``meta`` left behind are removed, and those that were changed.
    """

    def __init__(self, root: PathLike, shards: Sequence[Sequence[str]], meta: Mapping):
        self.root, self.shards, self.meta = Path(root), shards, dict(meta)
        plan = _plan(meta, shards)
        if not _is_planned(root, plan):
            (self.root / INDEX).unlink(missing_ok=True)
            for old in self.root.glob("shard.*.safetensors"):
                break_seal(old)
            write_json(self.root / PLAN, plan)

    def _of(self, number: int) -> str:
        """Say what a shard is made from."""
        return sha256_of([self.meta, list(self.shards[number])])

    def has(self, number: int) -> bool:
        """Tell whether a shard is written, and as it was written."""
        return sealed(shard_path(self.root, number), self._of(number)) is not None

    def write(self, number: int, features: Mapping[str, np.ndarray]) -> None:
        """Write the features (T, D) of a shard's utterances in the store's type.

        Raises:
            DataError: A value is not finite.
        """
        with np.errstate(over="ignore"):  # checked below, with the utterance's name
            arrays = {
                u: np.ascontiguousarray(f, np.float16) for u, f in features.items()
            }
        for utt, array in arrays.items():
            if not np.isfinite(array).all():
                raise DataError(
                    f"{self.root}: the features of utterance {utt} are not finite: "
                    "look at its recording, and at the encoder's range (the store "
                    "keeps float16)"
                )
        if store_dtype(self.meta) == "int8":
            for utt, feats in features.items():
                arrays[utt], arrays[utt + AFFINE] = to_int8(feats)
        path = shard_path(self.root, number)
        with atomic_path(path) as temporary:
            save_file(arrays, temporary)
        seal(path, self._of(number))

    def finish(self) -> tuple[Path, list[Path]]:
        """Write the index: from now on the store is complete.

        Returns:
            The index and the shards.
        """
        utterances, paths = {}, []
        for number, utts in enumerate(self.shards):
            paths.append(shard_path(self.root, number))
            with safe_open(paths[-1], framework="np") as shard:
                for utt in utts:
                    length, dim = shard.get_slice(utt).get_shape()
                    utterances[utt] = [number, length]
        index = {
            "meta": self.meta,
            "dim": dim,
            "shards": [hash_file(path) for path in paths],
            "utterances": utterances,
        }
        # Configs may say the same in another order: stamps know the index by its bytes.
        if find_json(self.root / INDEX) != json.loads(json.dumps(index)):
            write_json(self.root / INDEX, index)
        return self.root / INDEX, paths


class FeatureStore(Mapping):
    """Read a complete store: a mapping from utterance id to features (T, D).

    They are float16, or float32 of a store that keeps int8.

    Args:
        root: Folder of the store.
        layer: Number of the layer that is read alone, where there are several.

    Attributes:
        meta: What defines the features.
        dim: Channels D.
        n_layers: Layers in them.

    Raises:
        DataError: The store is missing or not complete.
    """

    def __init__(self, root: PathLike, layer: int | None = None):
        self.root = Path(root)
        index = find_json(self.root / INDEX)
        try:
            self.meta = index["meta"]
            self.dim: int = index["dim"]
            self._index: dict[str, tuple[int, int]] = index["utterances"]
            self._sums: list[str] = index["shards"]
        except (KeyError, TypeError):
            raise DataError(
                f"{self.root} is not a complete feature store: run stage 3"
            ) from None
        self._shards: dict = {}
        self.n_layers: int = self.meta.get("n_layers", 1)
        self._channels = slice(None)
        if layer is not None and self.n_layers > 1:
            read = self.meta["encoder"]["encoder_conf"]["layer"]
            self._channels = layer_channels(layer, read, self.n_layers, self.dim)
            self.dim, self.n_layers = self.dim // self.n_layers, 1

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __contains__(self, utt: object) -> bool:
        return utt in self._index  # without reading it

    def n_frames(self, utt: str) -> int:
        """Return the frames T of an utterance without reading them."""
        return self._index[utt][1]

    def __getitem__(self, utt: str) -> np.ndarray:
        number, _ = self._index[utt]
        if number not in self._shards:
            self._shards[number] = self._open(number)
        shard = self._shards[number]
        values = self._read(shard, utt)
        if store_dtype(self.meta) == "int8":
            return from_int8(values, self._read(shard, utt + AFFINE))
        return values

    def _read(self, shard, name: str) -> np.ndarray:
        if self._channels == slice(None):
            return shard.get_tensor(name)
        return shard.get_slice(name)[:, self._channels]

    def check(self) -> None:
        """Check all shards, which a process that is forked later need not do again.

        Raises:
            DataError: One is missing or was changed.
        """
        for number in range(len(self._sums)):
            self._check(number)

    def _check(self, number: int) -> Path:
        path = shard_path(self.root, number)
        try:
            if hash_file(path) == self._sums[number]:
                return path
        except OSError:
            pass
        # Without it, stage 3 has work to do; it keeps what its seals vouch for.
        with contextlib.suppress(OSError):
            (self.root / INDEX).unlink()
        raise DataError(f"{path} is not as stage 3 wrote it: run stage 3 again")

    def _open(self, number: int):
        path = self._check(number)
        try:
            return safe_open(path, framework="np").__enter__()
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path} cannot be read ({error})") from None


class FeatureViews(Mapping):
    """Several stores of the same utterances; reading draws one of them at random.

    The draw uses numpy's global generator, which ESPnet's Trainer seeds for every
    epoch: a resumed training sees the same views as an uninterrupted one.

    Args:
        roots: Folders of the stores, separated by commas; all are equally likely.
            ``clean=0.5,`` before them gives the first one this share of the draws, and
            the others equal parts of the rest.
        layer: As of ``FeatureStore``.
    """

    def __init__(self, roots: str, layer: int | None = None):
        first, *rest = roots.split(",")
        self._clean: float | None = None
        if rest and first.startswith(CLEAN_SHARE):
            self._clean = float(first.removeprefix(CLEAN_SHARE))
        else:
            rest = [first, *rest]
        self.stores = [FeatureStore(root, layer) for root in rest]

    def __len__(self) -> int:
        return len(self.stores[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.stores[0])

    def __getitem__(self, utt: str) -> np.ndarray:
        return self.stores[self._draw()][utt]

    def _draw(self) -> int:
        n = len(self.stores)
        # One store, or equal shares: one draw.
        if n == 1 or self._clean is None or self._clean == 1 / n:
            return np.random.randint(n)
        if np.random.random() < self._clean:
            return 0
        return np.random.randint(1, n)


def register_data_type() -> None:
    """Let ESPnet's datasets read stores: type ``feature_views``."""
    from espnet2.train.dataset import DATA_TYPES

    DATA_TYPES["feature_views"] = {
        "func": FeatureViews,
        "kwargs": [],
        "help": "Comma-separated feature stores of espnet_sentiment; "
        "each access draws one of them",
    }


class FeatureStatistics(TypedDict):
    """ESPnet's ``feats_stats``: ``count`` (), ``sum`` and ``sum_square`` (D,)."""

    count: np.ndarray
    sum: np.ndarray
    sum_square: np.ndarray


def feature_statistics(store: FeatureStore, utts: Sequence[str]) -> FeatureStatistics:
    """Sum up the features of some utterances in ESPnet's ``feats_stats`` form.

    Args:
        store: A store of clean features.
        utts: Training utterances only, so that nothing leaks from the tested ones.

    Returns:
        The sums in float64.
    """
    return frame_sums((store[utt] for utt in utts), store.dim)


def frame_sums(features: Iterable[np.ndarray], dim: int) -> FeatureStatistics:
    """Sum up features (T, D) of ``dim`` channels, as ``feature_statistics`` does."""
    count, total, square = 0, np.zeros(dim), np.zeros(dim)
    for array in features:
        frames = array.astype(np.float32)
        count += len(frames)
        total += frames.sum(axis=0, dtype=np.float64)
        square += np.einsum("td,td->d", frames, frames, dtype=np.float64)
    return {"count": np.array(count), "sum": total, "sum_square": square}


def add_up(statistics: Sequence[FeatureStatistics]) -> FeatureStatistics:
    """Return the sums of several sums, at least one."""
    return {
        "count": np.sum([one["count"] for one in statistics], axis=0),
        "sum": np.sum([one["sum"] for one in statistics], axis=0),
        "sum_square": np.sum([one["sum_square"] for one in statistics], axis=0),
    }
