"""What folds share stands beside WA and UA, whoever made the data directory."""

import csv
import json
from pathlib import Path

import pytest
from stage_faults import FAULTS, heal, state
from stage_world import finished_world, restored

from espnet_sentiment.bin import tables
from espnet_sentiment.core.files import read_json
from espnet_sentiment.data.overlap import overlap as count
from espnet_sentiment.recipe import overlap_file

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run everything once; return the world and a copy of its files."""
    return finished_world(tmp_path_factory.mktemp("shared"), an4_wavs)


@pytest.fixture
def world(finished):
    """Return the finished world, as it was."""
    return restored(*finished)


def results(world):
    """Return the experiment's results."""
    return read_json(next(world.root.glob("exp/an4_*/results.json")))


def corpus_counts(world):
    corpus = world.corpus()
    return count(corpus.utterances, corpus.folds)


def test_results_and_all_tables_carry_what_stage_0_counted(world):
    kept = read_json(world.root / "data" / "an4" / "overlap.json")
    assert results(world)["overlap"] == kept == corpus_counts(world)
    speakers = kept["all"]["test"]["speakers"]
    said = f"{speakers['train']} of {speakers['n']}"
    report = next(world.root.glob("exp/an4_*/RESULTS.md")).read_text()
    assert f"\n- tested that also train: speakers {said}, recordings 0 of 4" in report
    assert f"| {said} |" in (world.root / "exp" / "RESULTS_an4.md").read_text()
    paths = {key: str(world.root / key) for key in ("exp", "dump")}
    options = [text for key, path in paths.items() for text in (f"--{key}", path)]
    tables.main(["--data_dir", str(world.root / "data" / "an4"), *options])
    assert f"| {said} |" in (world.root / "exp" / "TABLES_an4.md").read_text()
    with open(world.root / "exp" / "table2_an4.csv", newline="") as stream:
        ours = [row for row in csv.DictReader(stream) if row["source"] == "ours"]
    assert ours[0]["speakers_in_train"] == said
    page = next(world.root.glob("exp/an4_*/report.html")).read_text()
    assert f'"overlap":{json.dumps(kept["all"], separators=(",", ":"))}' in page


@pytest.mark.parametrize("whole", [True, False])
def test_a_data_directory_of_somebody_else_is_counted_when_it_is_scored(
    world, whole, monkeypatch
):
    data = world.root / "data" / "an4"
    for name in (".done.json", ".done.plan.json", "overlap.json"):
        (data / name).unlink()
    if not whole:
        (data / "text").unlink()
    assert "6" in world.run(first=6)
    expected = corpus_counts(world)
    if not whole:
        for counts in (expected["all"], *expected["folds"].values()):
            for part in counts.values():
                part["texts"] = None
    assert results(world)["overlap"] == expected
    assert not (data / "overlap.json").exists()
    # What is up to date reads no recording again.
    monkeypatch.setattr(overlap_file, "overlap", None)
    assert world.run(first=6) == []


def test_a_fold_that_was_edited_since_is_counted_as_it_is_now(world):
    parts = world.folds["1"]
    parts["train"].append(parts["test"].pop())
    for part in ("train", "test"):
        path = world.root / "data" / "an4" / "folds" / "1" / part
        path.write_text("".join(f"{utt}\n" for utt in parts[part]))
    world.run(first=4)
    assert results(world)["overlap"] == corpus_counts(world)
    report = next(world.root.glob("exp/an4_*/RESULTS.md")).read_text()
    assert "\n- WARNING: 1 of 2 tested speakers also train (33.3 % of the" in report
    assert ", in 1 of 2 folds): the scores are not those of new speakers" in report


@pytest.mark.parametrize("fault", FAULTS)
def test_what_stage_0_counted_is_counted_again_when_its_file_is_damaged(world, fault):
    name = Path("data", "an4", "overlap.json")
    whole = state(world.root)
    assert str(name) in whole
    outcome = heal(world, name, fault, whole)
    assert outcome == ("-" if fault == "swap" else "made again")


def test_what_was_scored_before_it_was_counted_is_unknown_in_tables(world):
    path = next(world.root.glob("exp/an4_*/results.json"))
    found = read_json(path)
    del found["overlap"]
    path.write_text(json.dumps(found))
    path.with_name(".score.json").unlink()
    paths = {key: str(world.root / key) for key in ("exp", "dump")}
    options = [text for key, path in paths.items() for text in (f"--{key}", path)]
    tables.main(["--data_dir", str(world.root / "data" / "an4"), *options])
    assert "| unknown |" in (world.root / "exp" / "TABLES_an4.md").read_text()
