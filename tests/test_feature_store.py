"""The feature store: atomic shards, continuing, views and statistics."""

import numpy as np
import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.feature_store import (
    FeatureStore,
    FeatureViews,
    StoreWriter,
    feature_statistics,
    shard_path,
)

SHARDS = [["a", "b"], ["c"]]


def features(scale=1.0):
    rng = np.random.default_rng(0)
    lengths = {"a": 3, "b": 5, "c": 2}
    return {u: scale * rng.standard_normal((n, 4)) for u, n in lengths.items()}


def write(root, scale=1.0, meta=None):
    writer = StoreWriter(root, SHARDS, meta or {"scale": scale})
    for number, utts in enumerate(SHARDS):
        writer.write(number, {u: features(scale)[u] for u in utts})
    writer.finish()
    return FeatureStore(root)


def test_features_come_back_in_half_precision(tmp_path):
    store = write(tmp_path / "store")
    assert sorted(store) == ["a", "b", "c"] and len(store) == 3 and store.dim == 4
    for utt, array in features().items():
        np.testing.assert_array_equal(store[utt], array.astype(np.float16))
        assert store.n_frames(utt) == len(array)


def test_features_come_back_of_8_bits_within_half_a_step(tmp_path):
    rng = np.random.default_rng(0)
    speech = rng.standard_normal((9, 4)) * [1e-6, 1.0, 300.0, 0.0] + [0, 50, -9000, 7]
    long = rng.standard_normal((40, 4))
    given = {"a": speech, "b": speech[:1], "c": long}
    writer = StoreWriter(tmp_path, SHARDS, {"store_dtype": "int8"})
    for number, utts in enumerate(SHARDS):
        writer.write(number, {u: given[u] for u in utts})
    writer.finish()
    store = FeatureStore(tmp_path)
    assert sorted(store) == ["a", "b", "c"] and store.dim == 4
    for utt, array in given.items():
        assert store[utt].dtype == np.float32 and store.n_frames(utt) == len(array)
        step = np.ptp(array, axis=0) / 254
        # float16 rounds an offset, and near zero has steps of its own.
        rounded = np.abs(array).max(axis=0) / 2**11 + 2**-24
        assert (np.abs(store[utt] - array) <= 0.51 * step + rounded).all()
    stats = feature_statistics(store, ["c"])
    np.testing.assert_allclose(stats["sum"], long.sum(axis=0), atol=0.1)


def test_features_that_are_not_finite_are_refused_in_8_bits_as_well(tmp_path):
    writer = StoreWriter(tmp_path, SHARDS, {"store_dtype": "int8"})
    with pytest.raises(DataError, match="utterance a are not finite"):
        writer.write(0, {"a": np.full((2, 4), np.nan), "b": np.zeros((2, 4))})
    with pytest.raises(DataError, match="utterance b are not finite"):
        writer.write(0, {"a": np.zeros((2, 4)), "b": np.full((2, 4), 1e6)})


def test_shards_of_another_type_are_removed(tmp_path):
    write(tmp_path, meta={"seed": 1})
    assert not StoreWriter(tmp_path, SHARDS, {"seed": 1, "store_dtype": "int8"}).has(0)


def test_a_store_without_all_shards_is_not_read(tmp_path):
    writer = StoreWriter(tmp_path, SHARDS, {})
    writer.write(0, {u: features()[u] for u in SHARDS[0]})
    with pytest.raises(DataError, match="not a complete feature store: run stage 3"):
        FeatureStore(tmp_path)


def test_finished_shards_are_kept_when_a_killed_run_continues(tmp_path):
    writer = StoreWriter(tmp_path, SHARDS, {"seed": 1})
    writer.write(0, {u: features()[u] for u in SHARDS[0]})
    before = shard_path(tmp_path, 0).stat().st_mtime_ns
    writer = StoreWriter(tmp_path, SHARDS, {"seed": 1})
    assert writer.has(0) and not writer.has(1)
    assert shard_path(tmp_path, 0).stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [({"seed": 2}, SHARDS), ({"seed": 1}, SHARDS[:1])])
def test_shards_made_from_other_inputs_are_removed(tmp_path, change):
    write(tmp_path, meta={"seed": 1})
    meta, shards = change
    writer = StoreWriter(tmp_path, shards, meta)
    assert not writer.has(0)
    with pytest.raises(DataError, match="not a complete feature store"):
        FeatureStore(tmp_path)


def test_the_same_inputs_in_another_order_leave_the_index_as_it_is(tmp_path):
    write(tmp_path, meta={"policy": "LB", "fill": "mean"})
    before = (tmp_path / "index.json").read_bytes()
    writer = StoreWriter(tmp_path, SHARDS, {"fill": "mean", "policy": "LB"})
    assert writer.has(0) and writer.has(1)
    writer.finish()
    assert (tmp_path / "index.json").read_bytes() == before


def test_features_that_float16_cannot_hold_are_refused(tmp_path):
    with pytest.raises(DataError, match="utterance b are not finite"):
        bad = {"a": features()["a"], "b": np.full((2, 4), 1e6)}
        StoreWriter(tmp_path, SHARDS, {}).write(0, bad)
    assert not shard_path(tmp_path, 0).exists()


def test_a_damaged_shard_is_named(tmp_path):
    store = write(tmp_path)
    path = shard_path(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match="shard.00000.safetensors is not as stage 3"):
        store["a"]
    # The remedy holds: without an index stage 3 runs, and it keeps the sound shard.
    with pytest.raises(DataError, match="not a complete feature store: run stage 3"):
        FeatureStore(tmp_path)
    writer = StoreWriter(tmp_path, SHARDS, {"scale": 1.0})
    assert not writer.has(0) and writer.has(1)


def test_views_are_drawn_evenly_and_repeat_under_a_seed(tmp_path):
    roots = [tmp_path / f"view{i}" for i in range(3)]
    for i, root in enumerate(roots):
        write(root, scale=i + 1.0)
    views = FeatureViews(",".join(map(str, roots)))
    draws = []
    for _ in range(2):
        np.random.seed(7)
        draws.append([views["c"][0, 0].item() for _ in range(300)])
    assert draws[0] == draws[1]
    _, counts = np.unique(draws[0], return_counts=True)
    assert len(counts) == 3 and counts.min() > 70


def test_statistics_are_those_of_the_given_utterances_alone(tmp_path):
    store = write(tmp_path)
    stats = feature_statistics(store, ["a", "c"])
    frames = np.concatenate([store["a"], store["c"]]).astype(np.float64)
    assert stats["count"] == 5
    np.testing.assert_allclose(stats["sum"], frames.sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(stats["sum_square"], (frames**2).sum(axis=0), rtol=1e-6)
