"""The curve of a tested speaker's utterances."""

import csv
import json

import pytest
import yaml
from stage_world import World
from test_speaker_mvn import BY_SPEAKER

from espnet_sentiment.bin import report, speaker_curve
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.feature_store import FeatureStore

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def world(tmp_path_factory, an4_wavs):
    world = World(tmp_path_factory.mktemp("world"), an4_wavs[:10])
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, config | BY_SPEAKER)
    world.run()
    return world


def options(world, *more):
    named = {
        "data_dir": world.root / "data" / "an4",
        "encoder": world.encoder,
        "dump": world.root / "dump",
        "sentiment": world.sentiment,
        "exp": world.root / "exp",
        "seed": world.seed,
    }
    return [*(f"--{key}={value}" for key, value in named.items()), *more]


def test_the_curve_ends_where_stage_5_does(world, monkeypatch, capsys):
    reads = []
    get = FeatureStore.__getitem__
    monkeypatch.setattr(
        FeatureStore, "__getitem__", lambda s, utt: reads.append(utt) or get(s, utt)
    )
    few = ["--utterances", "1", "3", "--draws", "3"]
    speaker_curve.main(options(world, *few))
    # Every fold reads what its tested speakers say once.
    said = []
    for parts in world.folds.values():
        tested = {world.utterances[utt]["speaker"] for utt in parts["test"]}
        said += [u for u, f in world.utterances.items() if f["speaker"] in tested]
    assert sorted(reads) == sorted(said)
    exp = next((world.root / "exp").glob("an4_*/"))
    with (exp / "speaker_curve.csv").open() as file:
        rows = {row["utterances"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["0", "1", "3", "all"]
    assert [row["draws"] for row in rows.values()] == ["1", "3", "3", "1"]
    results = json.loads((exp / "results.json").read_text())
    assert float(rows["all"]["wa"]) == pytest.approx(
        100 * results["pooled"]["wa"], abs=0.01
    )
    assert float(rows["1"]["wa_std"]) == 0  # the tested utterance itself
    before = (exp / "speaker_curve.csv").read_bytes()
    reads.clear()
    speaker_curve.main(options(world, *few))
    assert not reads
    (exp / "speaker_curve.csv").unlink()
    speaker_curve.main(options(world, *few))
    assert (exp / "speaker_curve.csv").read_bytes() == before
    plot = '"speaker_plot":"data:image/png;base64,'
    assert plot not in (exp / "report.html").read_text()
    report.main(options(world, "--embed", "1"))
    assert plot in (exp / "report.html").read_text()


def test_a_model_that_does_not_go_by_speakers_has_no_curve(world):
    world.write(
        world.sentiment.with_name("plain.yaml"),
        yaml.safe_load(world.sentiment.read_text())
        | {"normalize": "global_mvn", "normalize_conf": {}},
    )
    plain = object.__new__(World)
    plain.__dict__ = {**world.__dict__}
    plain.sentiment = world.sentiment.with_name("plain.yaml")
    plain.run(4)
    with pytest.raises(DataError, match="is not normalised by speaker"):
        speaker_curve.main(options(plain))
