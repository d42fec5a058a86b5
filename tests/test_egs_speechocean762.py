"""speechocean762: its layout, its split by speakers, its errors."""

import os
import shutil
from pathlib import Path

import pytest
import soundfile
from recipe_fixtures import recipe_module

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table, write_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.transcribed import check_transcripts

RECIPE = Path(__file__).parents[1] / "egs" / "speechocean762"


@pytest.fixture
def prepare():
    with recipe_module("speechocean762") as module:
        yield module


def write_split(corpus: Path, part: str, speakers: range, recording: Path) -> None:
    """Write one split; its recordings are copies of one of real speech."""
    tables = {name: {} for name in ("wav.scp", "text", "utt2spk")}
    for speaker in speakers:
        for number in (11, 35):
            utt = f"{speaker:05d}{number:04d}"
            wav = Path("WAVE", f"SPEAKER{speaker:04d}", f"{utt}.flac")
            (corpus / wav).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(recording, corpus / wav)
            tables["wav.scp"][utt] = str(wav)
            tables["text"][utt] = f"SPEAKER'S  {chr(65 + speaker % 26)}"
            tables["utt2spk"][utt] = f"{speaker:04d}"
    names = [f"{speaker:04d}" for speaker in speakers]
    tables["spk2age"] = {s: "8" if int(s) % 4 < 2 else "30" for s in names}
    tables["spk2gender"] = {s: "mf"[int(s) % 2] for s in names}
    for name, rows in tables.items():
        write_table(corpus / part / name, rows)
        table = corpus / part / name  # as the corpus does, with tabs
        table.write_text(table.read_text().replace(" ", "\t", 1))


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    samples, rate = soundfile.read(an4_wavs[0])
    recording = tmp_path / "one.flac"
    soundfile.write(recording, samples, rate)
    write_split(tmp_path / "corpus", "train", range(1, 41), recording)
    write_split(tmp_path / "corpus", "test", range(51, 54), recording)
    return tmp_path / "corpus"


def run(prepare, tmp_path, corpus):
    data_dir = tmp_path / "data" / "speechocean762"
    prepare.main(["--speechocean762", str(corpus), "--data_dir", str(data_dir)])
    return data_dir


def speakers_of(data_dir):
    utt2spk = read_table(data_dir / "utt2spk")
    (fold,) = read_folds(data_dir)
    parts = (fold.train, fold.valid, fold.test)
    return [{utt2spk[utt] for utt in part} for part in parts]


def share(speakers, table, value):
    return sum(table[s] == value for s in speakers)


def test_the_corpus_own_test_split_tests(prepare, tmp_path, corpus, capsys):
    data_dir = run(prepare, tmp_path, corpus)
    train, valid, test = speakers_of(data_dir)
    assert test == {"0051", "0052", "0053"}
    assert len(valid) == 10 and len(train) == 30 and not train & valid
    assert read_table(data_dir / "text")["000010011"] == "SPEAKER'S B"
    assert soundfile.info(read_table(data_dir / "wav.scp")["000010011"]).frames
    assert check_transcripts(read_kaldi_dir(data_dir)) == []
    assert "test is the corpus' own test split" in capsys.readouterr().err


def test_without_a_test_split_further_speakers_test(prepare, tmp_path, corpus, capsys):
    shutil.rmtree(corpus / "test")
    data_dir = run(prepare, tmp_path, corpus)
    parts = speakers_of(data_dir)
    assert [len(part) for part in parts] == [20, 10, 10]
    assert len(set().union(*parts)) == 40
    assert "has no test split: test is 10 held-out speakers" in capsys.readouterr().err


def test_held_out_speakers_are_of_both_ages_and_genders(prepare, tmp_path, corpus):
    shutil.rmtree(corpus / "test")
    _, *held_out = speakers_of(run(prepare, tmp_path, corpus))
    ages = read_table(corpus / "train" / "spk2age")
    genders = read_table(corpus / "train" / "spk2gender")
    for speakers in held_out:
        assert 4 <= share(speakers, ages, "8") <= 6
        assert 4 <= share(speakers, genders, "f") <= 6


def test_the_validation_speakers_are_the_same_with_and_without_a_test_split(
    prepare, tmp_path, corpus
):
    valid = speakers_of(run(prepare, tmp_path, corpus))[1]
    shutil.rmtree(corpus / "test")
    assert speakers_of(run(prepare, tmp_path, corpus))[1] == valid


def test_punctuation_is_dropped_and_a_digit_leaves_the_utterance_out(
    prepare, tmp_path, corpus, capsys
):
    table = corpus / "train" / "text"
    changed = {"000010011": "Well,\tit\u2019s half-done.", "000010035": "ROOM 5"}
    write_table(table, read_table(table) | changed)
    data_dir = run(prepare, tmp_path, corpus)
    text = read_table(data_dir / "text")
    assert text["000010011"] == "WELL IT'S HALF DONE"
    assert "000010035" not in text
    assert (
        "000010035 is left out: its transcript is 'ROOM 5'" in capsys.readouterr().err
    )


def test_the_second_run_is_up_to_date_until_a_transcript_changes(
    prepare, tmp_path, corpus, capsys
):
    run(prepare, tmp_path, corpus)
    run(prepare, tmp_path, corpus)
    assert capsys.readouterr().err.count("up to date") == 1
    table = corpus / "train" / "text"
    write_table(table, read_table(table) | {"000010011": "OTHER WORDS HERE"})
    data_dir = run(prepare, tmp_path, corpus)
    assert read_table(data_dir / "text")["000010011"] == "OTHER WORDS HERE"


@pytest.mark.parametrize("name", ["wav.scp", "text", "utt2spk"])
def test_an_utterance_that_one_table_lacks_is_named(prepare, tmp_path, corpus, name):
    table = corpus / "train" / name
    rows = read_table(table)
    del rows["000070035"]
    write_table(table, rows)
    with pytest.raises(DataError, match=f"{table}: utterance 000070035 is missing"):
        run(prepare, tmp_path, corpus)


def test_a_missing_recording_is_named(prepare, tmp_path, corpus):
    wav = corpus / "WAVE" / "SPEAKER0007" / "000070035.flac"
    wav.unlink()
    with pytest.raises(DataError, match=f"{wav} does not exist"):
        run(prepare, tmp_path, corpus)


def test_a_speaker_of_both_splits_is_refused(prepare, tmp_path, corpus):
    table = corpus / "test" / "utt2spk"
    write_table(table, dict.fromkeys(read_table(table), "0007"))
    with pytest.raises(DataError, match="speaker 0007 stands in train and in test"):
        run(prepare, tmp_path, corpus)


def test_a_folder_that_is_not_the_corpus_names_the_remedy(prepare, tmp_path):
    with pytest.raises(DataError, match="holds no train/wav.scp: give the folder"):
        run(prepare, tmp_path, tmp_path)
    assert not (tmp_path / "data").exists()


def test_too_few_speakers_are_refused(prepare, tmp_path, an4_wavs):
    write_split(tmp_path / "few", "train", range(1, 21), an4_wavs[0])
    with pytest.raises(DataError, match="20 speakers, too few to hold out 10"):
        run(prepare, tmp_path, tmp_path / "few")


def fetch(prepare, monkeypatch, tmp_path, corpus):
    """Run with a downloaded archive of a small corpus."""
    downloads = tmp_path / "downloads"

    def download(url, path):
        archive = tmp_path / "speechocean762"
        made = shutil.make_archive(str(archive), "gztar", corpus.parent, corpus.name)
        path.parent.mkdir()
        return Path(shutil.move(made, path))

    monkeypatch.setattr(prepare, "download", download)
    data_dir = tmp_path / "data"
    prepare.main(["--downloads", str(downloads), "--data_dir", str(data_dir)])
    return data_dir


def test_a_downloaded_corpus_is_unpacked_and_its_archive_removed(
    prepare, monkeypatch, tmp_path, corpus
):
    small = corpus.rename(tmp_path / "speechocean762")
    known = prepare.train_sha256(prepare.read_split(small / "train"))
    monkeypatch.setattr(prepare, "TRAIN_SHA256", known)
    data_dir = fetch(prepare, monkeypatch, tmp_path, small)
    assert len(read_table(data_dir / "text")) == 86
    assert os.listdir(tmp_path / "downloads") == ["speechocean762"]


def test_a_download_that_is_not_the_corpus_is_refused(
    prepare, monkeypatch, tmp_path, corpus
):
    small = corpus.rename(tmp_path / "speechocean762")
    with pytest.raises(
        DataError, match="not the corpus that this recipe knows.*delete"
    ):
        fetch(prepare, monkeypatch, tmp_path, small)


@pytest.fixture
def real_corpus():
    root = os.environ.get("ESPNET_SENTIMENT_TEST_DATA")
    if not root:
        pytest.skip("ESPNET_SENTIMENT_TEST_DATA is not set: no real corpus")
    folder = Path(root, "data", "speechocean762")
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def test_the_real_corpus_is_whole_and_split_by_speakers(prepare, tmp_path, real_corpus):
    own = prepare.read_split(real_corpus / "train")
    assert len(own) == 2500 and len({u.speaker for u in own}) == 125
    assert prepare.train_sha256(own) == prepare.TRAIN_SHA256
    data_dir = run(prepare, tmp_path, real_corpus)
    text = read_table(data_dir / "text")
    assert {u.utt for u in own} <= text.keys()
    assert set("".join(text.values())) == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ' ")
    train, valid, test = speakers_of(data_dir)
    has_test = (real_corpus / "test").is_dir()
    assert [len(train), len(valid), len(test)] == (
        [115, 10, 125] if has_test else [105, 10, 10]
    )
    assert not train & valid and not (train | valid) & test
    (fold,) = read_folds(data_dir)
    assert not {text[u] for u in fold.train} & {text[u] for u in fold.valid}
    ages = read_table(real_corpus / "train" / "spk2age")
    assert 4 <= sum(int(ages[speaker]) < 18 for speaker in valid) <= 6
