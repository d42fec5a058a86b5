"""``predict`` of conversations from the command line: one call, many, wrong options."""

import csv
import functools
import io
import json
import shutil

import numpy as np
import pytest
import soundfile
from demo_fixture import trained_experiment  # noqa: F401
from test_cli_predict import Terminal, call
from test_conversation import make_call

from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.inference import call_archive as many
from espnet_sentiment.inference import long_recordings
from espnet_sentiment.inference.call_list import list_calls
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.turns.read import read_turns
from espnet_sentiment.turns.write import write_turns

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module", name="folder")
def folder_of_calls(tmp_path_factory, an4_wavs):
    """Return a folder with calls/a.wav, calls/sub/b.wav and their turns in rttm/."""
    root = tmp_path_factory.mktemp("folder")
    for name, wavs in (("a", an4_wavs[:4]), ("sub/b", an4_wavs[4:8])):
        path = root / "calls" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = make_call(path, wavs, channels=2)
        turns = root / "rttm" / f"{name}.rttm"
        turns.parent.mkdir(parents=True, exist_ok=True)
        write_turns(made.turns, turns, path.stem)
    return root


@pytest.fixture(name="run")
def run_command(experiment, capsys):
    def run(*arguments):
        try:
            code = main(["predict", "-m", str(experiment), *map(str, arguments)])
        except SystemExit as error:
            code = error.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_table_of_turns(run, folder):
    wav, turns = folder / "calls/a.wav", folder / "rttm/a.rttm"
    code, out, err = run(wav, "--turns", turns)
    lines = out.splitlines()
    assert code == 0 and err == ""
    assert lines[0].split()[:5] == ["start", "end", "speaker", "label", "posterior"]
    assert len(lines) == 1 + 4 + 2
    assert [line.split()[2] for line in lines[1:5]] == list("abab")
    assert lines[5].startswith("a: 2 turns, ")
    # By folder, too.
    assert run(wav, "--turns", folder / "rttm") == (code, out, err)


def test_files_by_suffix_have_the_same_turns(run, folder, tmp_path):
    wav, turns = folder / "calls/a.wav", folder / "rttm/a.rttm"
    suffixes = ("csv", "jsonl", "rttm", "TextGrid", "eaf", "vtt", "srt", "json")
    outs = [tmp_path / f"x.{suffix}" for suffix in suffixes]
    named = [part for out in outs for part in ("--out", out)]
    code, out, _ = run(wav, "--turns", turns, *named)
    assert code == 0 and out == ""
    _, plain, _ = run(wav, "--turns", turns)
    code, again, _ = run(wav, "--turns", outs[-1])
    assert (code, again) == (0, plain)
    whole = json.loads(outs[-1].read_text())
    assert (whole["channels"], whole["turns_from"]) == (2, str(turns))
    _, out, _ = run(wav, "--turns", turns, "--json")
    rows = list(map(json.loads, out.splitlines()))
    assert [{"path": str(wav), **turn} for turn in whole["turns"]] == rows
    _, out, _ = run(wav, "--turns", turns, "--csv")
    assert outs[0].read_text() == out
    (first, *_) = csv.DictReader(io.StringIO(out))
    assert float(first[f"posteriors.{first['label']}"]) == pytest.approx(
        rows[0]["posteriors"][rows[0]["label"]], abs=1e-5
    )
    for path in outs[:-1]:
        found, _ = read_turns(path, recording="a", channels=2)
        assert [turn.label for turn in found] == [row["label"] for row in rows]
        times = [(turn.start, turn.end) for turn in found]
        expected = [(row["start"], row["end"]) for row in rows]
        np.testing.assert_allclose(times, expected, atol=2e-3)


def test_a_page_lets_hear_the_call(run, folder, tmp_path):
    wav, turns = folder / "calls/a.wav", folder / "rttm/a.rttm"
    code, _, _ = run(wav, "--turns", turns, "--out", tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text()
    assert code == 0 and str(wav) in text and "data:audio/ogg;base64," in text


def test_each_channel_and_voice_activity(run, folder):
    wav = folder / "calls/a.wav"
    code, out, err = run(wav, "--channel", "each", "--json")
    rows = list(map(json.loads, out.splitlines()))
    assert code == 0 and {row["speaker"] for row in rows} == {"channel 0", "channel 1"}
    assert "no turns were given" in err
    code, out, err = run(wav, "--conversation", "--channel", "mix", "--json")
    assert "who speaks is open" in err
    assert not any("speaker" in json.loads(line) for line in out.splitlines())


def test_voice_activity_shows_how_far_it_is(experiment, folder, tmp_path, monkeypatch):
    predict = ("predict", "-m", experiment)
    given = (folder / "calls/a.wav", "--channel", "each")
    monkeypatch.setattr(long_recordings, "BAR_AFTER", 1000.0)
    assert "voice activity," not in call([*predict, *given], wrapper=Terminal).err
    monkeypatch.setattr(long_recordings, "BAR_AFTER", 0.0)
    # A bar is drawn ten times a second; a fast machine is done before.
    at_once = functools.partial(long_recordings.tqdm, mininterval=0)
    monkeypatch.setattr(long_recordings, "tqdm", at_once)
    assert "voice activity," not in call([*predict, *given]).err
    many_calls = (folder / "calls", "--channel", "each", "--out", tmp_path / "out")
    for options in (given, many_calls):
        shown = call([*predict, *options], wrapper=Terminal).err
        assert "voice activity, channel 0: 100%" in shown
        assert "voice activity, channel 1: 100%" in shown
    samples, rate = soundfile.read(folder / "calls/a.wav")
    soundfile.write(tmp_path / "long.wav", samples.sum(axis=1), rate)
    long = [*predict, "--max_seconds", 2, tmp_path / "long.wav"]
    shown = call(long, wrapper=Terminal)
    assert "voice activity: 100%" in shown.err


def test_short_turns_and_their_options(run, folder, tmp_path):
    wav = folder / "calls/a.wav"
    (tmp_path / "t.csv").write_text(
        "who,start,end,channel\na,0.1,0.4,0\na,0.5,0.9,0\nb,3,3.2,1\n"
    )
    given = (wav, "--turns", tmp_path / "t.csv", "--map", "speaker=who")
    _, out, _ = run(*given)
    assert "[joined of 2]" in out and "[short]" in out
    _, out, _ = run(*given, "--max_pause", 0.05, "--min_turn", 0.3)
    assert "joined" not in out and len(out.splitlines()) == 6
    _, out, _ = run(*given, "--min_turn", 0)
    assert "[short]" not in out


def test_what_is_read_is_not_replaced(run, folder, tmp_path):
    turns = tmp_path / "a.rttm"
    shutil.copy(folder / "rttm/a.rttm", turns)
    before = turns.read_text()
    code, _, err = run(folder / "calls/a.wav", "--turns", turns, "--out", turns)
    assert code == 2 and "which is read: name another" in err
    # Where it is found in a folder, too.
    code, _, err = run(folder / "calls/a.wav", "--turns", tmp_path, "--out", turns)
    assert code == 2 and f"would replace {turns}, which is read" in err
    assert turns.read_text() == before


@pytest.mark.parametrize("suffix", ["rttm", "csv", "jsonl", "TextGrid", "vtt", "json"])
def test_turns_of_many_calls_are_not_replaced(
    run, folder, tmp_path, monkeypatch, suffix
):
    calls, out = tmp_path / "calls", tmp_path / "out"
    for place in (calls, out):
        shutil.copytree(folder / "calls", calls, dirs_exist_ok=True)
        turns, _ = read_turns(folder / "rttm/a.rttm", "a", channels=2)
        place.mkdir(exist_ok=True)
        kept = place / f"a.{suffix}"
        if suffix == "json":
            rows = [{"start": t.start, "end": t.end, "channel": "0"} for t in turns]
            kept.write_text(json.dumps(rows))
        else:
            write_turns(turns, kept, "a")
        before = kept.read_bytes()
        formats = ("--formats", suffix)
        # Also of a folder that a run has begun, which would be continued.
        monkeypatch.setattr(many, "check_folder", lambda *_: None)
        for given in (place, kept):
            code, _, err = run(calls, "--turns", given, "--out", place, *formats)
            assert code == 2 and f"{given} is read as turns" in err
            assert "name another folder to write (--out)" in err
        assert kept.read_bytes() == before
        assert not (place / "calls.jsonl").exists()


def test_a_file_that_cannot_be_written_takes_no_other_with_it(run, folder, tmp_path):
    wav, turns = folder / "calls/a.wav", tmp_path / "t.csv"
    turns.write_text("start,end,channel,text\n0.1,0.9,0,a --> b\n")
    bad, good = tmp_path / "x.srt", tmp_path / "x.csv"
    code, _, err = run(wav, "--turns", turns, "--out", bad, "--out", good)
    assert code == 2 and f"{bad}: " in err and not bad.exists()
    assert len(good.read_text().splitlines()) == 1 + 1


def test_no_call_is_answered_for_a_file_that_cannot_be_written(
    run, folder, tmp_path, monkeypatch
):
    wav, turns = folder / "calls/a.wav", folder / "rttm/a.rttm"
    (tmp_path / "file").touch()
    bad, good = tmp_path / "file/x.csv", tmp_path / "x.csv"
    monkeypatch.setattr(Speech2Sentiment, "conversation", lambda *_, **__: 1 / 0)
    code, _, err = run(wav, "--turns", turns, "--out", good, "--out", bad)
    assert code == 2 and f"--out {bad} cannot be written (Not a directory)" in err
    for many_out in (tmp_path / "file", tmp_path / "file" / "x"):
        calls = (folder / "calls", "--turns", folder / "rttm")
        code, _, err = run(*calls, "--out", many_out)
        assert code == 2 and f"{many_out} cannot be written" in err
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--conversation", "b.wav", "--out", "x", "--formats", "exe"],
            "exe is no format",
        ),
        (["--min_turn", "1"], "--min_turn is for conversations: add --turns"),
        (["--formats", "csv"], "--formats is for conversations"),
        (["--out", "a", "--out", "b"], "name one file"),
        (["--turns", "T", "--conversation"], "leave out it, or --turns"),
        (["--turns", "T", "--speakers", "channel"], "leave out --speakers"),
        (["--conversation", "--timing"], "leave it out of conversations"),
        (["--conversation", "--sheet", "x"], "add --turns FILE"),
        (["--conversation", "--out", "a.csv", "--json"], "leave out --json"),
        (["--conversation", "--out", "a.xyz"], "end it in one of .html"),
        (["--conversation", "--formats", "csv"], "give --out FILE"),
        (["--conversation", "more.wav"], "take one --out DIR"),
        (["--turns", "none.rttm"], "none.rttm does not exist"),
        (["--conversation", "--min_turn", "-1"], "(--min_turn): give 0 seconds or"),
        (["--conversation", "--max_pause", "nan"], "(--max_pause): give 0 seconds or"),
        (["--conversation", "--max_seconds", "nan"], "give at least 1 second"),
        (["--conversation"], "--channel each"),
    ],
)
def test_wrong_options_are_refused_with_a_remedy(run, folder, options, said):
    code, out, err = run(folder / "calls/a.wav", *options)
    assert code == 2 and out == "" and said in err
    assert "Traceback" not in err


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_many_calls_with_a_broken_one_and_one_without_turns(run, folder, tmp_path):
    calls = tmp_path / "calls"
    shutil.copytree(folder / "calls", calls)
    (calls / "broken.wav").write_bytes(b"RIFF and nothing")
    samples, rate = soundfile.read(calls / "a.wav")
    soundfile.write(calls / "lost.wav", samples, rate)
    shutil.copytree(folder / "rttm", tmp_path / "rttm")
    shutil.copy(tmp_path / "rttm" / "a.rttm", tmp_path / "rttm" / "broken.rttm")
    out = tmp_path / "answers"
    given = (calls, "--turns", tmp_path / "rttm", "--out", out, "--formats", "csv,vtt")
    code, said, err = run(*given)
    assert code == 1 and "4 calls, 2 of them without an answer" in said
    rows = rows_of(out / "calls.jsonl")
    assert [row["call"] for row in rows] == ["a", "broken", "lost", "sub/b"]
    assert "cannot be read as audio" in rows[1]["error"]
    assert "has no turns of lost: add lost.rttm" in rows[2]["error"]
    assert rows[3]["files"] == ["sub/b.jsonl", "sub/b.csv", "sub/b.vtt"]
    assert rows[0]["turns"] == len(rows_of(out / "a.jsonl")) == 4
    assert "error: " in err and "broken.wav" in err
    index = (out / "index.html").read_text()
    assert "sub/b.jsonl" in index and "has no turns of lost" in index
    assert {path.name for path in (out / "sub").iterdir()} == {
        *("b.jsonl", "b.csv", "b.vtt")
    }
    # The answers are those of a call alone.
    _, alone, _ = run(calls / "a.wav", "--turns", tmp_path / "rttm/a.rttm", "--json")
    pairs = zip(alone.splitlines(), rows_of(out / "a.jsonl"), strict=True)
    for line, other in pairs:
        one = json.loads(line)
        assert one["posteriors"] == pytest.approx(other["posteriors"], abs=1e-6)
    # Nothing is done again, and what was mended is.
    written = (out / "a.jsonl").stat().st_mtime_ns
    code, _, err = run(*given)
    assert code == 1 and "up to date" in err
    assert (out / "a.jsonl").stat().st_mtime_ns == written
    turns, _ = read_turns(folder / "rttm/a.rttm", "a", channels=2)
    write_turns(turns, tmp_path / "rttm/lost.rttm", "lost")
    code, said, _ = run(*given)
    assert "4 calls, 1 of them without" in said
    code, _, err = run(calls, "--turns", tmp_path / "rttm", "--out", out)
    assert code == 2 and "answers to another list, model or options" in err


def test_many_calls_continue_where_they_were_cut_off(
    experiment, folder, tmp_path, monkeypatch
):
    given = (experiment, folder / "calls", tmp_path / "out", folder / "rttm")
    answer, done = many.answer_call, []

    def interrupted(*args):
        if done:
            raise KeyboardInterrupt
        return noted(*args)

    def noted(*args):
        done.append(args[-1][0].name)
        return answer(*args)

    monkeypatch.setattr(many, "answer_call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        many.answer_calls(*given)
    assert done == ["a"] and not (tmp_path / "out" / "calls.jsonl").exists()
    monkeypatch.setattr(many, "answer_call", noted)
    summary = many.answer_calls(*given)
    assert done == ["a", "sub/b"] and (summary.entries, summary.errors) == (2, 0)
    # A file that is gone is written again.
    (tmp_path / "out" / "a.jsonl").unlink()
    many.answer_calls(*given)
    assert done[2:] == ["a", "sub/b"] and (tmp_path / "out" / "a.jsonl").exists()


def test_names_of_calls_must_differ(tmp_path):
    for name in ("a.wav", "A.flac"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"A\.flac and .*a\.wav would both"):
        list_calls(tmp_path)
    with pytest.raises(DataError, match="names no recordings"):
        list_calls([])
    (tmp_path / "l.scp").write_text("one a.wav\ntwo A.flac\n")
    assert [entry.name for entry in list_calls(tmp_path / "l.scp")] == ["one", "two"]
    for name in ("a.rttm", "a.csv"):
        (tmp_path / name).write_text("")
    (entry,) = list_calls([tmp_path / "a.wav"], tmp_path)
    assert "has a.csv and a.rttm: keep the one that is meant" in entry.error
