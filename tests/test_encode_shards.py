"""Stage 3 writes the same bytes whatever computes them, and predict's numbers."""

import itertools
import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file
from stage_world import World

from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.feature_store import FeatureStore, shard_path
from espnet_sentiment.encoder import encode as encode_module
from espnet_sentiment.encoder import shard as shard_module
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.encode import Source, encode, plan_shards
from espnet_sentiment.encoder.packed_linear import PackedLinear, can_pack
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder

SPECAUG = {"specaug": "specaugment", "specaug_conf": {"policy": "LB"}}
META = {"batch_size": 3}


@pytest.fixture(scope="module")
def dump(tmp_path_factory, an4_wavs):
    """Return a source, and the samples of eight utterances, of three shards."""
    world = World(tmp_path_factory.mktemp("world"), an4_wavs[:10])
    world.run(0, 1)
    conf = {"model": str(world.model), "layer": "weighted_sum", "subsample": 4}
    config = json.dumps({"encoder": "huggingface", "encoder_conf": conf})
    source = Source(config, "audio", world.root / "dump" / "audio" / "an4", "cpu")
    samples = read_table(source.dump / "utt2num_samples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_module, "UTTS_PER_SHARD", 3)
        yield source, {utt: int(n) for utt, n in samples.items()}


def write(root, dump, views=2, meta=META):
    """Write a clean store and views; return all shards' bytes by view and number."""
    source, samples = dump
    roots = {root / "clean": {}}
    roots |= {root / f"view{k}": {**SPECAUG, "view": k} for k in range(1, views + 1)}
    encode(source, samples, roots, meta, lambda *_: None, lambda _: None)
    return {
        (folder.name, n): shard_path(folder, n).read_bytes()
        for folder in roots
        for n in range(len(plan_shards(samples)))
    }


@pytest.fixture(scope="module")
def written(dump, tmp_path_factory):
    return write(tmp_path_factory.mktemp("stores"), dump)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_stores_bytes_do_not_depend_on_the_number_of_threads(
    dump, written, tmp_path, n_threads
):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        assert write(tmp_path, dump) == written
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)


def test_few_encoded_batches_are_in_memory(dump, tmp_path, monkeypatch):
    waiting, most, order, augmented = 0, 0, [], shard_module._augmented

    def counted(frames):
        nonlocal waiting, most
        for task in augmented(frames):
            waiting += 1
            most = max(most, waiting)
            order.append((task.frames.batch.number, task.view.writer.root))
            yield task

    def taken(*_):
        nonlocal waiting
        waiting -= 1

    encode_shards = encode_module.encode_shards
    monkeypatch.setattr(shard_module, "_augmented", counted)
    monkeypatch.setattr(
        encode_module, "encode_shards", lambda *args: encode_shards(*args[:3], taken)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        write(tmp_path, dump, meta={"batch_size": 1})
    finally:
        torch.set_num_threads(before)
    assert 2 <= most <= 4
    # A view's shard is complete before another one begins.
    assert len(list(itertools.groupby(order))) == len(set(order)) < len(order)


def test_what_was_cut_off_is_continued_with_the_same_bytes(dump, written, tmp_path):
    write(tmp_path, dump)
    for lost in ("clean/index.json", "view1/index.json"):
        (tmp_path / lost).unlink()
    # One shard of one view alone, another of all views.
    shard_path(tmp_path / "view1", 0).unlink()
    for view in ("clean", "view1", "view2"):
        shard_path(tmp_path / view, 2).unlink()
    assert write(tmp_path, dump) == written


def test_a_view_that_is_added_changes_no_other(dump, written, tmp_path):
    write(tmp_path, dump, views=1)
    assert write(tmp_path, dump, views=2) == written


def test_views_differ_and_so_do_their_shards(written):
    assert len(set(written.values())) == len(written)


def test_shards_on_a_cluster_are_those_made_here(dump, written, tmp_path):
    source, samples = dump
    root = tmp_path / "stores"
    write(root, dump)
    (root / "clean" / "index.json").unlink()
    shard_path(root / "clean", 1).unlink()
    # What a worker does, shard by shard.
    done = encode_module.encode_shards(source, [root / "clean", root / "view1"], [1])
    assert done == len(plan_shards(samples)[1])
    found = shard_path(root / "clean", 1).read_bytes()
    assert found == written["clean", 1]


def test_stage_3_stores_what_predict_computes(dump, written, tmp_path):
    source, samples = dump
    config = json.loads(source.config)
    encoder = SpeechEncoder(build_encoder("huggingface", config["encoder_conf"]))
    path = tmp_path / "shard"
    path.write_bytes(written["clean", 0])
    stored = load_file(path)
    tables = (line.split() for line in (source.dump / "wav.scp").open())
    wavs = {utt: soundfile.read(wav, dtype="float32")[0] for utt, wav in tables}
    for utt in plan_shards(samples)[0]:
        feats, _ = encoder([wavs[utt]])
        np.testing.assert_allclose(
            stored[utt], feats[0].half().numpy(), atol=2e-3, rtol=2e-3
        )


@pytest.mark.skipif(not can_pack(torch.float32), reason="PyTorch without oneDNN")
def test_stage_3_computes_by_packed_layers(dump):
    source, _ = dump
    encoder, _ = encode_module._load(source)
    encode_module._load.cache_clear()
    assert any(isinstance(module, PackedLinear) for module in encoder.encoder.modules())


@pytest.mark.espnet
def test_a_config_says_that_stage_3_computes_in_bfloat16(tmp_path, an4_wavs):
    world = World(tmp_path, an4_wavs[:6])
    world.edit(world.sentiment, "specaug", None)
    clean = tmp_path / "dump" / world.encoder.stem / "an4" / "clean"
    found = []
    for dtype in (None, "bfloat16"):
        if dtype is not None:
            world.edit(world.encoder, "compute_dtype", dtype)
        world.run(0, 3)
        assert FeatureStore(clean).meta.get("compute_dtype") == dtype
        found.append(load_file(shard_path(clean, 0)))
    for utt, features in found[0].items():
        error = np.abs(found[1][utt].astype(float) - features)
        assert 0 < error.mean() < 0.02 * features.astype(float).std()
