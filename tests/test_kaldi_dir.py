"""Kaldi data directories and folds."""

import dataclasses

import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path, read_table, write_table
from espnet_sentiment.data.folds import (
    Fold,
    leave_one_speaker_out,
    read_folds,
    write_folds,
)
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir


@pytest.fixture
def utterances(an4_wavs):
    return [
        Utterance(f"spk{i}-utt", str(wav), f"spk{i}", label="ab"[i % 2], text="a b")
        for i, wav in enumerate(an4_wavs[:4])
    ]


def test_tables_are_sorted_and_read_back(tmp_path, utterances):
    voted = [dataclasses.replace(u, votes=("a", "b", "a")) for u in utterances]
    write_kaldi_dir(tmp_path / "set", reversed(voted))
    data = read_kaldi_dir(tmp_path / "set")
    assert data.utts == [u.utt for u in utterances]
    assert data.classes == ["a", "b"]
    assert data.utt2votes["spk0-utt"] == "a b a"
    assert not (tmp_path / "set" / "segments").exists()
    for name in ("wav.scp", "text", "utt2spk", "spk2utt", "utt2label"):
        keys = list(read_table(tmp_path / "set" / name))
        assert keys == sorted(keys) and len(keys) == 4


def test_segments_name_their_recording_once(tmp_path, utterances):
    wav = utterances[0].wav
    cut = [
        Utterance(f"s-{i}", wav, "s", label="a", start=i * 0.1, end=i * 0.1 + 0.1)
        for i in range(3)
    ]
    write_kaldi_dir(tmp_path / "set", cut)
    data = read_kaldi_dir(tmp_path / "set")
    assert len(data.wav_scp) == 1 and len(data.segments) == 3
    assert data.segments["s-1"].split()[1:] == ["0.100", "0.200"]


def test_the_sides_of_a_call_are_recordings_of_one_file(tmp_path, utterances):
    wav = utterances[0].wav
    sides = [
        Utterance("b-1", wav, "b", label="a", start=0.2, end=0.3, channel="B"),
        Utterance("a-1", wav, "a", label="a", start=0.1, end=0.2, channel="A"),
        Utterance("a-2", wav, "a", label="a", start=0.2, end=0.3, channel="A"),
    ]
    write_kaldi_dir(tmp_path / "set", sides)
    file = sides[0].file
    table = tmp_path / "set" / "reco2file_and_channel"
    assert table.read_text() == f"{file}-A {file} A\n{file}-B {file} B\n"
    data = read_kaldi_dir(tmp_path / "set")
    assert data.wav_scp == {f"{file}-A": wav, f"{file}-B": wav}
    assert data.channels == {f"{file}-A": "A", f"{file}-B": "B"}
    assert data.segments["b-1"] == f"{file}-B 0.200 0.300"
    write_kaldi_dir(tmp_path / "set", utterances)
    assert not table.exists() and read_kaldi_dir(tmp_path / "set").channels == {}


def test_a_whole_recordings_side_goes_by_the_utterances_id(tmp_path, utterances):
    whole = dataclasses.replace(utterances[0], channel="B")
    write_kaldi_dir(tmp_path / "set", [whole])
    table = tmp_path / "set" / "reco2file_and_channel"
    assert table.read_text() == f"{whole.utt} {whole.file} B\n"
    assert read_kaldi_dir(tmp_path / "set").channels == {whole.utt: "B"}


@pytest.mark.parametrize("row", ["file 2", "A", ""])
def test_a_bad_row_of_channels_is_named(tmp_path, utterances, row):
    write_kaldi_dir(tmp_path / "set", utterances)
    (tmp_path / "set" / "reco2file_and_channel").write_text(f"spk0-utt {row}\n")
    with pytest.raises(DataError, match=f"spk0-utt has '{row}': write.*, A or B"):
        read_kaldi_dir(tmp_path / "set")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"utt": "spk1-utt"}, "'spk1-utt' occurs 2 times"),
        ({"label": "very good"}, "spk0-utt: bad label 'very good'"),
        ({"wav": "/nowhere/a.wav"}, "/nowhere/a.wav does not exist"),
        ({"channel": "1"}, "spk0-utt: bad channel '1'"),
        ({"speaker": "a b"}, "may not be empty or hold spaces"),
    ],
)
def test_bad_utterances_are_named(tmp_path, utterances, change, message):
    utterances[0] = dataclasses.replace(utterances[0], **change)
    with pytest.raises(DataError, match=message):
        write_kaldi_dir(tmp_path / "set", utterances)
    assert not (tmp_path / "set" / "wav.scp").exists()


def test_an_empty_corpus_is_refused(tmp_path):
    with pytest.raises(DataError, match="check the corpus path"):
        write_kaldi_dir(tmp_path / "set", [])


def test_a_label_without_audio_is_named(tmp_path, utterances):
    write_kaldi_dir(tmp_path / "set", utterances)
    with open(tmp_path / "set" / "utt2label", "a") as table:
        table.write("zzz a\n")
    with pytest.raises(DataError, match="utt2label:5: utterance zzz has no audio"):
        read_kaldi_dir(tmp_path / "set")


def test_a_missing_table_names_the_stage_that_writes_it(tmp_path, utterances):
    write_kaldi_dir(tmp_path / "set", utterances)
    (tmp_path / "set" / "utt2spk").unlink()
    with pytest.raises(DataError, match="utt2spk is missing: run stage 0"):
        read_kaldi_dir(tmp_path / "set")


def test_a_duplicate_line_and_a_foreign_encoding_are_named(tmp_path):
    (tmp_path / "twice").write_text("a 1\na 2\n")
    with pytest.raises(DataError, match="twice:2: 'a' stands there twice"):
        read_table(tmp_path / "twice")
    (tmp_path / "latin1").write_bytes("a Tüte\n".encode("latin1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_table(tmp_path / "latin1")


def test_a_failed_write_keeps_the_old_table(tmp_path):
    write_table(tmp_path / "table", {"a": "1"})
    with (
        pytest.raises(KeyboardInterrupt),
        atomic_path(tmp_path / "table") as temporary,
    ):
        temporary.write_text("half a l")
        raise KeyboardInterrupt
    assert read_table(tmp_path / "table") == {"a": "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["table"]


def test_every_speaker_is_tested_once_and_never_trains_or_validates_then():
    utt2spk = {f"{s}-{i}": s for s in ("03", "08", "11", "16") for i in range(3)}
    folds = leave_one_speaker_out(utt2spk)
    assert [f.name for f in folds] == ["1", "2", "3", "4"]
    assert sorted(u for f in folds for u in f.test) == sorted(utt2spk)
    for fold in folds:
        speakers = [
            {utt2spk[u] for u in part} for part in (fold.train, fold.valid, fold.test)
        ]
        assert len(speakers[1]) == len(speakers[2]) == 1
        assert len(set.union(*speakers)) == 4 == sum(map(len, speakers))
    assert utt2spk[folds[3].valid[0]] == "03"


def test_a_corpus_can_choose_its_validation_speakers():
    utt2spk = {f"{s}-0": s for s in "abcd"}
    folds = leave_one_speaker_out(utt2spk, {"a": "d"})
    assert folds[0].valid == ["d-0"] and folds[1].valid == ["c-0"]


def test_two_speakers_are_too_few():
    with pytest.raises(DataError, match="at least 3 speakers"):
        leave_one_speaker_out({"a-1": "a", "b-1": "b"})


def test_folds_are_read_back_in_numerical_order(tmp_path):
    folds = [Fold(str(i), ["a"], ["b"], ["c"]) for i in range(1, 12)]
    write_folds(tmp_path, folds)
    assert read_folds(tmp_path) == folds


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [("valid", "", "valid is empty"), ("test", "a\n", "stands in two parts")],
)
def test_a_broken_fold_is_named(tmp_path, part, content, message):
    write_folds(tmp_path, [Fold("1", ["a"], ["b"], ["c"])])
    (tmp_path / "folds" / "1" / part).write_text(content)
    with pytest.raises(DataError, match=message):
        read_folds(tmp_path)
