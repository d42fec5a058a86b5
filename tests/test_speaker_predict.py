"""Speakers given to ``predict``: as stage 5, from packs, tables, folders, channels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from stage_world import World
from test_speaker_mvn import BY_SPEAKER

from espnet_sentiment.cli.inputs import Input
from espnet_sentiment.cli.main import main
from espnet_sentiment.cli.speakers import speaker_teller
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.recording_table import TableRow, read_recording_table
from espnet_sentiment.data.speaker_statistics import (
    BY_ALL,
    SPEAKER_NORMALISED,
    SpeakerStatistics,
)
from espnet_sentiment.inference import archive
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.inference.spoken_entries import SpokenEntry, speakers_whole
from espnet_sentiment.inference.waveform import Excerpt
from espnet_sentiment.pack.pack import pack_model
from espnet_sentiment.scoring.predictions import read_predictions

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def world(tmp_path_factory, an4_wavs):
    """Run all stages on ten utterances, one of nobody who is known."""
    world = World(tmp_path_factory.mktemp("world"), an4_wavs[:10])
    unknown = max(world.utterances)
    world.utterances[unknown]["speaker"] = unknown
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, config | BY_SPEAKER)
    world.run()
    return world


@pytest.fixture(scope="module")
def fold(world):
    return next((world.root / "exp").glob("*/fold1"))


@pytest.fixture(scope="module")
def model(fold):
    return Speech2Sentiment.from_pretrained(fold)


def wav(world, utt):
    return world.root / f"{utt}.wav"


def speaker(world, utt):
    name = world.utterances[utt]["speaker"]
    return None if name == utt else name


def decoded(fold):
    rows = read_predictions(fold / "decode" / "predictions.jsonl")
    return {row["utt"]: list(row["posteriors"].values()) for row in rows}


def given(answers):
    return [list(answer.posteriors.values()) for answer in answers]


def check(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_predict_with_speakers_gives_stage_5s_posteriors(world, fold, model):
    utts = sorted(world.utterances)
    answers = dict(
        zip(
            utts,
            model.predict(
                [wav(world, utt) for utt in utts],
                speakers=[speaker(world, utt) for utt in utts],
            ),
            strict=True,
        )
    )
    expected = decoded(fold)
    check(given(answers[utt] for utt in expected), list(expected.values()))
    for utt, answer in answers.items():
        name = speaker(world, utt)
        said = BY_ALL if name is None else f"{SPEAKER_NORMALISED}: {name}, "
        assert answer.as_dict()["normalisation"].startswith(said)
    # And without, they are others.
    plain = [model(wav(world, utt)) for utt in expected]
    assert not np.allclose(given(plain), list(expected.values()), atol=1e-5)
    assert {answer.normalisation for answer in plain} == {BY_ALL}


def test_a_speaker_who_returns_is_known(world, fold, model, tmp_path):
    utts, expected = sorted(world.utterances), decoded(fold)
    before = [utt for utt in utts if utt not in expected]
    known = SpeakerStatistics()
    for _ in model.predict(
        [wav(world, utt) for utt in before],
        speakers=[speaker(world, utt) for utt in before],
        speaker_statistics=known,
    ):
        pass
    known.save(tmp_path / "known.npz")
    again = SpeakerStatistics.load(tmp_path / "known.npz")
    answers = model.predict(
        [wav(world, utt) for utt in expected],
        speakers=[speaker(world, utt) for utt in expected],
        speaker_statistics=again,
    )
    check(given(answers), list(expected.values()))
    frames = sum(int(again[name]["count"]) for name in again)
    assert frames > sum(int(known[name]["count"]) for name in known)
    # One at a time, too.
    utt = next(iter(expected))
    answer = model(
        wav(world, utt), speaker=speaker(world, utt), speaker_statistics=known
    )
    assert SPEAKER_NORMALISED in answer.normalisation


def test_a_pack_knows_speakers(world, fold, tmp_path):
    pack_model(fold, tmp_path / "pack.zip")
    card = pack_model(fold, tmp_path / "pack")
    assert card.description["metrics"]["normalisation"] == SPEAKER_NORMALISED
    assert SPEAKER_NORMALISED in (tmp_path / "pack" / "README.md").read_text()
    utts, expected = sorted(world.utterances), decoded(fold)
    packed = Speech2Sentiment.from_pretrained(tmp_path / "pack.zip")
    answers = packed.predict(
        [wav(world, utt) for utt in utts],
        speakers=[speaker(world, utt) for utt in utts],
    )
    by_utt = dict(zip(utts, answers, strict=True))
    check(given(by_utt[utt] for utt in expected), list(expected.values()))


def test_wrong_speakers_are_refused(world, model):
    paths = [wav(world, utt) for utt in sorted(world.utterances)[:2]]
    for names in (["a"], ["a", "b", "c"]):
        with pytest.raises(UserError, match="as many speakers as recordings"):
            list(model.predict(paths, speakers=names))
    with pytest.raises(UserError, match="no speaker's name"):
        list(model.predict(paths, speakers=["a", ""]))
    with pytest.raises(UserError, match="a name for each recording"):
        model.predict(paths, speakers="ab")
    with pytest.raises(UserError, match="a name for each recording"):
        model.predict(paths, speaker_statistics=SpeakerStatistics())
    with pytest.raises(UserError, match="another encoder"):
        model.predict(
            paths, speakers=["a", "b"], speaker_statistics=SpeakerStatistics("x")
        )


def test_a_broken_recording_stands_in_its_place_and_counts_nothing(
    world, model, tmp_path
):
    utt = min(world.utterances)
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    paths = [wav(world, utt), tmp_path / "broken.wav", wav(world, utt)]
    known = SpeakerStatistics()
    answers = list(
        model.predict(
            paths, on_error="return", speakers=["a", "b", "c"], speaker_statistics=known
        )
    )
    assert isinstance(answers[1], DataError) and list(known) == ["a", "c"]
    check(*given([answers[0], answers[2]]))
    with pytest.raises(DataError, match="broken"):
        list(model.predict(paths, speakers=["a", "b", "c"]))


def test_an_excerpt_is_answered_as_if_it_were_cut_out(world, model, an4_wavs):
    samples, rate = soundfile.read(an4_wavs[0], dtype="float32")
    part = samples[rate // 4 : rate]
    expected = model((part, rate))
    for speech in ((samples, rate), an4_wavs[0]):
        found = model(Excerpt(speech, 0.25, 1.0))
        check(*given([found, expected]))
        assert found.duration == pytest.approx(0.75)
    with pytest.raises(DataError, match="is no part of its"):
        model(Excerpt(an4_wavs[0], 0.5, 99.0))


def run(capsys, fold, *arguments):
    code = main(["predict", "--model", str(fold), "--json", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_a_tables_column_names_speakers(world, fold, tmp_path, capsys):
    utts, expected = sorted(world.utterances), decoded(fold)
    rows = [f"{wav(world, u)},{speaker(world, u) or ''},x\n" for u in utts]
    (tmp_path / "t.csv").write_text("file,speaker,note\n" + "".join(rows))
    code, answers, err = run(capsys, fold, tmp_path / "t.csv")
    by_utt = dict(zip(utts, answers, strict=True))
    check(
        [list(by_utt[u]["posteriors"].values()) for u in expected],
        list(expected.values()),
    )
    assert code == 0
    n = len(utts) - 1
    assert f"{n} answers are {SPEAKER_NORMALISED}, 1 {BY_ALL}" in err
    assert "columns without a meaning here: note" in err


def test_folders_recordings_and_channels_may_be_speakers(
    world, fold, an4_wavs, tmp_path, capsys
):
    (tmp_path / "anna").mkdir()
    utt = min(world.utterances)
    shutil.copy(wav(world, utt), tmp_path / "anna" / "a.wav")
    one, two = (soundfile.read(path)[0] for path in an4_wavs[:2])
    length = min(len(one), len(two))
    both = np.stack([one[:length], two[:length]], axis=1)
    soundfile.write(tmp_path / "call.wav", both, 16000)
    kept = tmp_path / "known.npz"
    _, answers, _ = run(
        capsys, fold, "--speakers", "folder", "--speaker_statistics", kept,
        tmp_path / "anna",
    )  # fmt: skip
    assert f"{SPEAKER_NORMALISED}: {tmp_path}/anna, " in answers[0]["normalisation"]
    assert list(SpeakerStatistics.load(kept)) == [str(tmp_path / "anna")]
    _, answers, _ = run(
        capsys, fold, "--speakers", "channel", tmp_path / "call.wav", wav(world, utt)
    )
    names = [answer["path"] for answer in answers]
    assert names == [
        f"{tmp_path}/call.wav (channel A)",
        f"{tmp_path}/call.wav (channel B)",
        str(wav(world, utt)),
    ]
    for name, answer in zip(names, answers, strict=True):
        assert f"{SPEAKER_NORMALISED}: {name}, " in answer["normalisation"]
    assert answers[0]["posteriors"] != answers[1]["posteriors"]


def test_turns_of_a_conversation_are_rows(world, fold, an4_wavs, tmp_path, capsys):
    soundfile.write(tmp_path / "call.wav", soundfile.read(an4_wavs[0])[0], 16000)
    (tmp_path / "turns.tsv").write_text(
        "path\tspeaker\tstart\tend\n"
        "call.wav\tA\t0\t0.5\ncall.wav\tB\t0.5\t0.9\nnone.wav\tB\t0\t1\n"
    )
    code, answers, err = run(capsys, fold, tmp_path / "turns.tsv")
    assert code == 1 and "turns.tsv:4: " in err and "none.wav" in err
    assert [a["path"] for a in answers][:2] == [
        "call.wav (0 to 0.5 s)",
        "call.wav (0.5 to 0.9 s)",
    ]
    assert [a.get("duration") for a in answers] == [0.5, pytest.approx(0.4), None]


def test_all_rows_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "t.csv").write_text(
        "path,start,end,channel\na.wav,0,1,C\n,0,1,A\nb.wav,0,1,A\n"
    )
    with pytest.raises(DataError, match=r"2 of 3 rows(.|\n)*t\.csv:2(.|\n)*t\.csv:3"):
        read_recording_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("clip,who\na.wav,anna\n")
    with pytest.raises(DataError, match="--map path=COLUMN"):
        read_recording_table(tmp_path / "t.csv")
    found, said = read_recording_table(
        tmp_path / "t.csv", {"path": "clip", "speaker": "who"}
    )
    assert (found[0].name, found[0].speaker) == ("a.wav", "anna")
    assert "columns are taken: clip as path, who as speaker" in said


def test_every_table_says_that_a_row_is_normalised_by_speaker(world):
    exp = world.root / "exp"
    results = json.loads(next(exp.glob("*/results.json")).read_text())
    assert results["normalisation"] == SPEAKER_NORMALISED
    for name in ("RESULTS_an4.md", "*/RESULTS.md"):
        assert SPEAKER_NORMALISED in next(exp.glob(name)).read_text()
    assert SPEAKER_NORMALISED in next(exp.glob("*/report.html")).read_text()


def test_a_recording_is_one_speaker_and_so_is_its_channel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    turns = [
        Input(
            name,
            Path("a.wav"),
            row=TableRow("t.csv:2", "a.wav", Path("a.wav"), channel=c),
        )
        for name, c in (
            ("a.wav (0 to 1 s)", "A"),
            ("a.wav (1 to 2 s)", "A"),
            ("b", "B"),
        )
    ]
    by = speaker_teller("recording")
    assert {by(turn) for turn in turns} == {f"{tmp_path}/a.wav"}
    by = speaker_teller("channel")
    expected = [f"{tmp_path}/a.wav (channel {c})" for c in "AAB"]
    assert [by(turn) for turn in turns] == expected


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def spoken_table(world, tmp_path):
    """Write a table whose speakers take turns, one of them unknown."""
    utts = sorted(world.utterances)
    utts = [*utts[::2], *utts[1::2]]
    rows = [f"{wav(world, utt)},{speaker(world, utt) or ''}" for utt in utts]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["path,speaker", *rows, ""]))
    return path, utts


def test_a_table_in_shards_is_answered_as_stage_5_does_in_its_order(
    world, fold, spoken_table, tmp_path
):
    table, utts = spoken_table
    summary = archive.score_archive(fold, table, tmp_path / "out", shard_size=2)
    rows = lines(summary.predictions)
    assert [row["path"] for row in rows] == [str(wav(world, utt)) for utt in utts]
    assert [row.get("speaker") for row in rows] == [speaker(world, u) for u in utts]
    found = {u: list(r["posteriors"].values()) for u, r in zip(utts, rows, strict=True)}
    expected = decoded(fold)
    check([found[utt] for utt in expected], list(expected.values()))


def test_shards_of_speakers_continue_after_a_fault(
    world, fold, spoken_table, tmp_path, monkeypatch
):
    table, _ = spoken_table
    whole = archive.score_archive(fold, table, tmp_path / "whole", shard_size=2)
    made = []

    def work(files, transcript, options, path, *rest, **named):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(path.name)
        return score(files, transcript, options, path, *rest, **named)

    score = archive.score_shard
    monkeypatch.setattr(archive, "score_shard", work)
    with pytest.raises(KeyboardInterrupt):
        archive.score_archive(fold, table, tmp_path / "out", shard_size=2)
    first = [*made]
    made[:] = ["other", "shards", "count"]
    again = archive.score_archive(fold, table, tmp_path / "out", shard_size=2)
    assert not {*first} & {*made[3:]}
    assert again.predictions.read_bytes() == whole.predictions.read_bytes()


def test_folders_and_recordings_are_speakers_of_a_list(world, fold, tmp_path, capsys):
    utts = sorted(world.utterances)[:4]
    for utt in utts:
        folder = tmp_path / world.utterances[utt]["speaker"]
        folder.mkdir(exist_ok=True)
        shutil.copy(wav(world, utt), folder)
    paths = sorted(tmp_path.glob("*/*.wav"), key=lambda path: path.name)
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in paths))
    for how, who in (("folder", lambda p: p.parent), ("recording", lambda p: p)):
        out = tmp_path / f"by_{how}"
        summary = archive.score_archive(fold, listed, out, speakers=how)
        rows = lines(summary.predictions)
        assert [row["speaker"] for row in rows] == [str(who(path)) for path in paths]
        argv = ["predict", "-m", fold, "--json", "--speakers", how, *paths]
        assert main([*map(str, argv)]) == 0
        alone = map(json.loads, capsys.readouterr().out.splitlines())
        found = ([*row["posteriors"].values()] for row in alone)
        check([[*row["posteriors"].values()] for row in rows], list(found))


def test_speakers_are_whole_in_shards_and_places_rise():
    def entry(speaker):
        return SpokenEntry(None, speaker, 0.0, None, None, "/x.wav")

    entries = [entry(name) for name in (*"abacaaa", None, *"bc", None)]
    shards = speakers_whole(entries, 3, True)
    assert shards == [[0, 2, 4, 5, 6], [1, 8], [3, 7, 9], [10]]
    assert speakers_whole(entries, 4, False) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_a_model_that_does_not_go_by_speakers_refuses_them(fold, world, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(fold, plain)
    config = yaml.safe_load((plain / "config.yaml").read_text())
    config["normalize"] = "global_mvn"
    (plain / "config.yaml").write_text(yaml.safe_dump(config))
    (plain / ".done.json").unlink(missing_ok=True)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{wav(world, min(world.utterances))}\n")
    with pytest.raises(DataError, match="leave --speakers out"):
        archive.score_archive(plain, listed, tmp_path / "out", speakers="folder")
    assert not (tmp_path / "out").exists()
