"""Stages that skip, continue and start over."""

import contextlib
import json
import os
import time
from importlib.metadata import version

import pytest

from espnet_sentiment.core import stamp as stamp_module
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path, read_json, write_json
from espnet_sentiment.core.stamp import read_stamp, write_stamp
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
    (tmp_path / "large").write_text("x")
    stage = Stage("test", tmp_path / ".done.json", {"a": 1}, 1)
    stage.start(tmp_path)
    stage.finish("done", [tmp_path / "output"], [tmp_path / "large"])
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


@pytest.mark.parametrize("content", ["[]", "{", "", '"done"', '{"inputs": 3}', "null"])
def test_a_stamp_that_is_none_is_no_stamp(done, content):
    (done / ".done.json").write_text(content)
    assert not Stage("test", done / ".done.json", {"a": 1}, 1).is_done()
    (done / ".done.plan.json").write_text(content)
    Stage("test", done / ".done.json", {"a": 1}, 1).start(done)


@pytest.mark.parametrize("key", ["inputs", "outputs", "versions", "seconds"])
def test_a_stamp_that_was_changed_is_no_stamp(done, key):
    facts = json.loads((done / ".done.json").read_text())
    facts[key] = 1 if key == "seconds" else {**facts[key], "b": "c"}
    (done / ".done.json").write_text(json.dumps(facts))
    assert read_stamp(done / ".done.json") is None


@pytest.mark.parametrize("content", ["y", "", "xx"])
def test_an_output_that_was_changed_is_set_aside_and_made_again(done, capsys, content):
    (done / "output").write_text(content)
    stage = Stage("test", done / ".done.json", {"a": 1}, 1)
    assert not stage.is_done()
    stage.start(done)
    assert (done / ".changed" / "output").read_text() == content
    assert not (done / "output").exists()
    assert f"{done / 'output'} is not as it was written" in capsys.readouterr().err


def test_of_large_outputs_the_size_is_looked_at_and_content_where_they_are_read(
    done, monkeypatch
):
    monkeypatch.setattr(stamp_module, "SMALL", 0)
    (done / "large").write_text("y")
    stage = Stage("stage 3: test", done / ".done.json", {"a": 1}, 1)
    assert stage.is_done()
    stamp = read_stamp(done / ".done.json")
    with pytest.raises(DataError, match=r"not as \[test\] wrote it: run test again"):
        stamp.check(done / "large")
    assert not stage.is_done()
    # What is not large is read with every look.
    (done / "large").write_text("x")
    assert stage.is_done()
    (done / "output").write_text("y")
    assert not stage.is_done()


def test_what_killed_writers_left_is_swept_and_others_work_is_not(done):
    with atomic_path(done / "output") as mine:
        gone = mine.with_name(mine.name.replace(f".{os.getpid()}.", ".4194304."))
        for path in (mine, gone):
            path.write_text("x")
        Stage("test", done / ".done.json", {"a": 1}, 1).start(done)
        assert mine.exists() and not gone.exists()


def test_a_large_output_that_was_changed_is_removed(done):
    (done / "large").write_text("y")
    Stage("test", done / ".done.json", {"a": 1}, 1).start(done)
    assert not (done / "large").exists() and not (done / ".changed").exists()


def test_a_folder_stands_for_all_that_is_in_it(tmp_path):
    (tmp_path / "folds" / "1").mkdir(parents=True)
    (tmp_path / "folds" / "1" / "test").write_text("a\n")
    stage = Stage("test", tmp_path / ".done.json", {}, 1)
    stage.finish(None, [tmp_path / "folds"])
    assert stage.is_done()
    (tmp_path / "folds" / "2").mkdir()
    assert not stage.is_done()
    (tmp_path / "folds" / "2").rmdir()
    assert stage.is_done()
    (tmp_path / "folds" / "1" / "test").write_text("b\n")
    assert not stage.is_done()


def test_a_stage_says_which_inputs_are_others(done, capsys):
    inputs = {"a": {"lr": 2, "new": 3}, "seed": 0}
    old = Stage("test", done / ".done.json", {"a": {"lr": 1}, "seed": 0}, 1)
    old.start(done)
    old.finish(None)
    Stage("test", done / ".done.json", inputs, 2).start(done)
    assert "again: other a.lr, a.new, algorithm" in capsys.readouterr().err


def test_a_stamp_knows_the_versions_that_made_the_outputs(done):
    assert read_stamp(done / ".done.json").versions["torch"] == version("torch")


def test_outputs_of_other_inputs_name_the_stage(done):
    stamp = read_stamp(done / ".done.json")
    stamp.expect({"a": 1, "unknown": 2})
    with pytest.raises(
        DataError, match=r"made from other inputs \(a\): run test again"
    ):
        stamp.expect({"a": 2})


def test_a_moved_folder_keeps_its_stamp(done, tmp_path):
    (tmp_path / "moved").mkdir()
    for name in ("output", "large", ".done.json"):
        (done / name).rename(tmp_path / "moved" / name)
    assert read_stamp(tmp_path / "moved" / ".done.json").changed(deep=True) == []


def test_stamps_of_the_first_version_name_files_alone(tmp_path):
    stamp = {"inputs": {"a": 1}, "outputs": ["x"], "begin": 0, "seconds": 1}
    write_json(tmp_path / ".done.json", stamp)
    assert read_stamp(tmp_path / ".done.json").outputs == {}
    assert not Stage("test", tmp_path / ".done.json", {"a": 1}, 1).is_done()


@pytest.mark.parametrize("deleted", range(24))
def test_a_folder_whose_emptying_was_killed_is_emptied_by_the_next_run(
    done, monkeypatch, deleted
):
    others = [done / f"output{number}" for number in range(20)]
    for path in others:
        path.write_text("made from a 1")
    left, unlink = [deleted], os.unlink

    def killed(path, **kwargs):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        unlink(path, **kwargs)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(os, "unlink", killed)
        Stage("test", done / ".done.json", {"a": 2}, 1).start(done)
    Stage("test", done / ".done.json", {"a": 2}, 1).start(done)
    assert [path for path in others if path.exists()] == []


def test_what_was_set_aside_stays_when_more_is(done):
    for content in ("first", "second"):
        (done / "output").write_text(content)
        stage = Stage("test", done / ".done.json", {"a": 1}, 1)
        stage.start(done)
        (done / "output").write_text("x")
        stage.finish(None, [done / "output"], [done / "large"])
    kept = [done / ".changed" / name for name in ("output", "output.1")]
    assert [path.read_text() for path in kept] == ["first", "second"]
