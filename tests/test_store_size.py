"""Before stage 3: the bytes of its stores, what fits, and that remedies work."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from recipe_fixtures import Recipe

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.data.feature_store import FeatureStore, StoreWriter, shard_path
from espnet_sentiment.encoder import pace, store_size
from espnet_sentiment.encoder.output_size import OutputSize, Windows
from espnet_sentiment.encoder.store_size import Configs, Corpus, Stores, remedies

UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def parse(text):
    number, unit = text.split()
    return float(number) * UNITS[unit]


def written(folder):
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def stores(recipe):
    """Return the bytes of all stores, without stage 3's stamp beside them."""
    return sum(map(written, filter(Path.is_dir, recipe.store.iterdir())))


def give_room(monkeypatch, free):
    usage = shutil.disk_usage("/")._replace(free=int(free))
    monkeypatch.setattr(store_size.shutil, "disk_usage", lambda path: usage)


def corpus_of(n_layers, dtype="float16", frames=1000):
    size = OutputSize(None, Windows(1, 0), Windows(1, 0), 1, tuple(range(n_layers)), 10)
    utts = {f"utt{n}": frames for n in range(10)}
    return Corpus.of(utts, size, {"store_dtype": dtype}, 1)


def stores_of(n_views, there=0):
    roots = {Path(f"/nowhere/view{n}"): n for n in range(n_views + 1)}
    return Stores(dict.fromkeys(roots, 0), dict.fromkeys(roots, there), roots)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("dim", [20, 512])
def test_bytes_are_those_of_a_store(tmp_path, dtype, dim):
    rng = np.random.default_rng(0)
    frames = {f"speaker{n % 7}-{n}": int(rng.integers(5, 60)) for n in range(120)}
    utts = list(frames)
    shards = [utts[:64], utts[64:]]
    meta = {"store_dtype": dtype}
    writer = StoreWriter(tmp_path, shards, meta)
    for number, shard in enumerate(shards):
        writer.write(number, {u: rng.normal(size=(frames[u], dim)) for u in shard})
    writer.finish()
    size = OutputSize(None, Windows(1, 0), Windows(1, 0), 1, (0, 1), dim // 2)
    bytes_ = Corpus.of(frames, size, meta, len(shards)).bytes()
    assert bytes_ == pytest.approx(written(tmp_path), rel=0.02)


CONFIGS = Configs(Path("e.yaml"), {Path("a.yaml"): 4, Path("b.yaml"): 2})


def test_every_kind_of_cut_is_offered_at_its_mildest():
    # 5 stores of 8 layers of 10 channels: 8 MB.
    found = remedies(corpus_of(8), stores_of(4), CONFIGS, free=5.2e6)
    assert [re.sub(r": [\d.]+ MB$", "", line) for line in found] == [
        "views: 2 in a.yaml",
        "layer: [1, 2, 3, 4, 5] (or others) in e.yaml",
        "layer: 3 (or another) in e.yaml",
        "store_dtype: int8 in e.yaml",
    ]
    assert found[0].endswith(": 4.81 MB") and found[2].endswith(": 1.01 MB")


def test_cuts_are_joined_where_none_is_enough_alone():
    # One layer as int8: 0.1 MB a store; five are too many.
    found = remedies(corpus_of(8), stores_of(4), CONFIGS, free=0.35e6)
    assert found == [
        "layer: 3 (or another) and store_dtype: int8 in e.yaml; "
        "views: 2 in a.yaml: 308 kB"
    ]
    assert remedies(corpus_of(8), stores_of(4), CONFIGS, free=0.05e6) == []


def test_what_is_left_as_it_is_is_not_offered():
    found = remedies(corpus_of(1, "int8"), stores_of(0), Configs(Path("e"), {}), 1)
    assert found == []


def test_features_that_will_be_replaced_make_room():
    one = corpus_of(8).bytes()
    assert stores_of(4, there=one).missing(one // 2) < 0
    assert stores_of(4, there=one // 2).missing(one) == 5 * (one - one // 2)


def test_the_time_is_told_once_when_enough_is_done(monkeypatch):
    now = iter([0.0, 30.0])
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(now))
    said = []
    told = pace.Pace(said.append, todo=400, enough=200)
    for _ in range(4):
        told(100)
    assert said == [
        "30 s to go at 6.7 utterances a second, as the first 200 of 400 took"
    ]


@pytest.fixture
def recipe(tmp_path, an4_wavs):
    """Return a recipe that has encoded nothing yet."""
    recipe = Recipe(tmp_path, an4_wavs[:6])
    # As many frames as such short speech can have.
    edit(recipe.encoder, "subsample", 1)
    recipe.run(1, 1)
    return recipe


def edit(path, key, value):
    config = yaml.safe_load(path.read_text())
    place = config["encoder_conf"] if key in ("layer", "subsample") else config
    place[key] = yaml.safe_load(str(value))
    path.write_text(yaml.safe_dump(config))


@pytest.mark.recipe
def test_what_is_announced_is_written(recipe, capsys):
    recipe.run(3, 3)
    said = capsys.readouterr().err
    total, one = re.search(
        r"writes ([\d.]+ \w+) to .*: 3 x ([\d.]+ \w+) ", said
    ).groups()
    assert parse(total) == pytest.approx(stores(recipe), rel=0.03)
    assert parse(one) == pytest.approx(written(recipe.store / "clean"), rel=0.05)
    assert "4 x 16 channels as float16" in said
    # A continued run says what it need not write.
    shard_path(recipe.store / "clean", 0).unlink()
    (recipe.store / "clean" / "index.json").unlink()
    recipe.run(3, 3)
    there = re.search(r", ([\d.]+ \w+) of it there", capsys.readouterr().err)[1]
    assert parse(there) == pytest.approx(parse(total) - parse(one), rel=0.05)


@pytest.mark.recipe
def test_what_does_not_fit_is_refused_and_every_remedy_works(recipe, monkeypatch):
    edit(recipe.encoder, "subsample", 2)
    recipe.run(3, 3)
    give_room(monkeypatch, 0)
    edit(recipe.encoder, "subsample", 1)
    with pytest.raises(UserError, match="Make room, or let .* link") as refused:
        recipe.run(3, 3)
    # Nothing was lost by that.
    assert len(FeatureStore(recipe.store / "clean")) == 6
    shutil.rmtree(recipe.store)
    total = parse(re.search(r"would write ([\d.]+ \w+) to", str(refused.value))[1])
    give_room(monkeypatch, 0.7 * total)
    with pytest.raises(UserError) as refused:
        recipe.run(3, 3)
    assert not list(recipe.store.rglob("shard*"))
    kept = {path: path.read_text() for path in (recipe.encoder, recipe.sentiment)}
    lines = str(refused.value).splitlines()[1:]
    assert [line.split()[0] for line in lines] == [
        "views:",
        "layer:",
        "layer:",
        "store_dtype:",
    ]
    for line in lines:
        pattern = r"(\w+): (\[.*\]|\w+)(?: \(.*\))? in (\S+): (.+)"
        key, value, file, size = re.fullmatch(pattern, line.strip()).groups()
        edit(Path(file), key, value)
        recipe.run(3, 3)
        assert stores(recipe) == pytest.approx(parse(size), rel=0.03)
        assert stores(recipe) <= 0.72 * total
        shutil.rmtree(recipe.store)
        for path, text in kept.items():
            path.write_text(text)
