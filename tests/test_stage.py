"""Stages that skip, continue and start over."""

import time

import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.core.stamp import write_stamp
from espnet_sentiment.recipe.stage import (
    Stage,
    content_hash,
    say,
    stage_seconds,
    stat_hash,
)


@pytest.fixture
def done(tmp_path):
    (tmp_path / "output").write_text("x")
    stage = Stage("test", tmp_path / ".done.json", {"a": 1}, 1)
    stage.start(tmp_path)
    stage.finish("done", [tmp_path / "output"])
    return tmp_path


def test_a_complete_stage_with_the_same_inputs_says_so(done, capsys):
    assert Stage("test", done / ".done.json", {"a": 1}, 1).is_done()
    assert "[test] up to date" in capsys.readouterr().err


def test_who_speaks_stands_before_what_is_said(tmp_path, capsys):
    say("test", "reading")
    Stage("test", tmp_path / ".done.json", {}, 1).say("reading")
    assert capsys.readouterr().err == 2 * "[test] reading\n"
    assert not list(tmp_path.iterdir())


def test_changed_inputs_or_a_missing_output_run_it_again(done):
    assert not Stage("test", done / ".done.json", {"a": 2}, 1).is_done()
    (done / "output").unlink()
    assert not Stage("test", done / ".done.json", {"a": 1}, 1).is_done()


def test_partial_outputs_survive_only_with_the_same_inputs(done):
    Stage("test", done / ".done.json", {"a": 1}, 1).start(done)
    assert (done / "output").exists()
    Stage("test", done / ".done.json", {"a": 2}, 1).start(done)
    assert not (done / "output").exists()


def test_a_folder_that_no_stage_filled_is_never_emptied(tmp_path):
    (tmp_path / "mine").write_text("x")
    Stage("test", tmp_path / ".done.json", {"a": 1}, 1).start(tmp_path)
    assert (tmp_path / "mine").exists()


def test_a_stage_that_is_running_is_not_done(done):
    stage = Stage("test", done / ".done.json", {"a": 1}, 1)
    stage.start(done)
    assert not stage.is_done()


def test_seconds_of_stages_that_ran_at_once_count_once(tmp_path):
    for name, begin, seconds in [("a", 0, 10), ("b", 5, 10), ("c", 20, 1)]:
        stamp = {"inputs": {}, "outputs": {}, "begin": 100 + begin}
        write_stamp(tmp_path / name, stamp | {"seconds": seconds})
    assert stage_seconds([tmp_path / name for name in "abc"]) == 16
    assert stage_seconds([tmp_path / "never"]) is None


def test_a_finished_stage_knows_its_seconds(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    stage = Stage("test", tmp_path / ".done.json", {}, 1)
    clock[0] += 100  # what comes before the work does not count
    stage.start()
    clock[0] += 12.5
    stage.finish()
    assert stage_seconds([tmp_path / ".done.json"]) == 12.5


def test_hashes_follow_content_and_time(tmp_path):
    path = tmp_path / "table"
    absent = content_hash([path])
    path.write_text("a")
    first = content_hash([path]), stat_hash([path])
    path.write_text("bb")
    second = content_hash([path]), stat_hash([path])
    assert len({absent, first[0], second[0]}) == 3 and first[1] != second[1]


def test_a_broken_stamp_names_the_remedy(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON.*delete it"):
        read_json(tmp_path / "x.json")
