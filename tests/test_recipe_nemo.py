"""nEMO: its layout, its folds by speakers and sentences, its errors."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
import soundfile
from recipe_fixtures import (
    clone_recipe,
    recipe_module,
    run_recipe,
    save_small_whisper,
    write_configs,
)

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import read_folds

HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"
TEXTS = ("Lubię czytać przed snem.", "„Ród smoka” to serial.", "Chodźmy w tango.")


@pytest.fixture(scope="module")
def prepare():
    with recipe_module("nemo") as module:
        yield module


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    """Write a small tree of nEMO's layout: 3 speakers, 2 classes, 3 sentences."""
    folder, rows = tmp_path / "nemo", [HEADER]
    (folder / "samples").mkdir(parents=True)
    samples, rate = soundfile.read(an4_wavs[0])
    for speaker in ("EB0", "IC0", "KD0"):
        for emotion in ("anger", "surprised"):
            for number, text in enumerate(TEXTS, 1):
                file = f"{speaker}_{emotion}_{number}.wav"
                soundfile.write(folder / "samples" / file, samples, rate)
                # The corpus has its speakers behind eight spaces.
                row = (file, emotion, text, text.lower(), " " * 8 + speaker, "f", "27")
                rows.append("\t".join(row))
    (folder / "data.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def run(prepare, tmp_path, corpus, *options):
    data_dir = tmp_path / "data" / "nemo"
    prepare.main(["--nemo", str(corpus), "--data_dir", str(data_dir), *options])
    return data_dir


def edit(table: Path, old: str, new: str, count: int = 1) -> None:
    text = table.read_text(encoding="utf-8")
    assert old in text
    table.write_text(text.replace(old, new, count), encoding="utf-8")


def shared(data_dir: Path, item) -> set[int]:
    """How many of a fold's tested items train or validate, for all folds."""
    return {
        len({item(u) for u in fold.test} & {item(u) for u in fold.train + fold.valid})
        for fold in read_folds(data_dir)
    }


def speaker_of(utt: str) -> str:
    return utt.split("_")[0]


def sentence_of(utt: str) -> str:
    return utt.split("_")[2]


def test_speaker_emotion_and_sentence_are_those_of_the_table(
    prepare, tmp_path, corpus, capsys
):
    data_dir = run(prepare, tmp_path, corpus)
    assert Counter(read_table(data_dir / "utt2label").values()) == {
        "anger": 9,
        "surprised": 9,
    }
    assert read_table(data_dir / "utt2spk")["IC0_anger_2"] == "IC0"
    assert read_table(data_dir / "text")["IC0_anger_2"] == TEXTS[1]
    said = capsys.readouterr().err
    assert "WARNING: 9 utterances of anger, but the corpus has 749" in said


def test_every_speaker_is_tested_once_and_the_next_one_validates(
    prepare, tmp_path, corpus
):
    data_dir = run(prepare, tmp_path, corpus)
    folds = read_folds(data_dir)
    assert [{speaker_of(u) for u in f.test} for f in folds] == [
        {"EB0"},
        {"IC0"},
        {"KD0"},
    ]
    assert {speaker_of(u) for u in folds[2].valid} == {"EB0"}
    assert shared(data_dir, speaker_of) == {0}
    assert shared(data_dir, sentence_of) == {3}


def test_neither_tested_speakers_nor_tested_sentences_train_or_validate(
    prepare, tmp_path, corpus
):
    data_dir = run(prepare, tmp_path, corpus, "--folds", "speaker+sentence")
    folds = read_folds(data_dir)
    assert len(folds) == 9
    assert shared(data_dir, speaker_of) == shared(data_dir, sentence_of) == {0}
    tested = [u for f in folds for u in f.test]
    assert sorted(tested) == sorted(read_table(data_dir / "utt2label"))
    found = read_json(data_dir / "overlap.json")["all"]["test"]["texts"]
    assert (found["n"], found["train"], found["valid"]) == (3, 0, 0)


def test_recordings_that_were_coded_anew_are_found_by_their_names(
    prepare, tmp_path, corpus
):
    for wav in sorted((corpus / "samples").glob("*.wav")):
        samples, rate = soundfile.read(wav)
        soundfile.write(wav.with_suffix(".flac"), samples, rate)
        wav.unlink()
    wavs = read_table(run(prepare, tmp_path, corpus) / "wav.scp")
    assert wavs["EB0_anger_1"] == str(corpus / "samples" / "EB0_anger_1.flac")
    wav = corpus / "samples" / "EB0_anger_1.wav"
    soundfile.write(wav, samples, rate)
    with pytest.raises(DataError, match=rf"share their names: keep one (.|\n)*{wav}"):
        run(prepare, tmp_path, corpus)


def test_all_rows_that_do_not_fit_are_named_with_their_lines(prepare, tmp_path, corpus):
    table = corpus / "data.tsv"
    rows = table.read_text(encoding="utf-8").splitlines()
    rows[1] = rows[1].replace("        EB0", "        IC0")
    rows[2] = rows[2].replace(TEXTS[1], TEXTS[2])
    rows[3] = rows[3].replace("anger", "rage")
    rows.append(rows[4])
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    (corpus / "samples" / "KD0_surprised_3.wav").unlink()
    with pytest.raises(DataError) as caught:
        run(prepare, tmp_path, corpus)
    head, *faults = str(caught.value).split("\n  ")
    assert head.startswith(f"{table}: 9 of 19 rows do not fit the corpus: restore")
    for line, fault in (
        (2, "'EB0_anger_1.wav' is not SPEAKER_EMOTION_SENTENCE of IC0 and anger"),
        (4, "emotion 'rage' is none of anger, fear, happiness, neutral, sadness, "),
        (6, f"{TEXTS[1]!r} is not sentence 2 of other rows"),
        (19, "samples/KD0_surprised_3.wav is not there, under no suffix"),
        (20, "EB0_surprised_1 stands there twice"),
    ):
        assert any(f.startswith(f"{table}:{line}: {fault}") for f in faults), fault
    assert not (tmp_path / "data" / "nemo").exists()


def test_what_no_row_lists_is_passed_over_and_said(prepare, tmp_path, corpus, capsys):
    shutil.copy(
        corpus / "samples" / "EB0_anger_1.wav", corpus / "samples" / "EB0_anger_9.wav"
    )
    assert len(read_table(run(prepare, tmp_path, corpus) / "wav.scp")) == 18
    assert "passed over 1 without a row in" in capsys.readouterr().err


def test_a_folder_that_is_not_the_corpus_names_the_remedy(prepare, tmp_path, corpus):
    for folder in (tmp_path / "nowhere", corpus / "samples"):
        with pytest.raises(DataError, match=r"holds no data.tsv and samples/: give"):
            run(prepare, tmp_path, folder)
    edit(corpus / "data.tsv", "raw_text", "text")
    with pytest.raises(DataError, match=r"data.tsv:1 has no column raw_text: restore"):
        run(prepare, tmp_path, corpus)


def test_a_download_that_is_not_the_corpus_is_refused(
    prepare, tmp_path, corpus, monkeypatch
):
    packed = tmp_path / "packed" / f"nEMO-{prepare.REVISION}"
    shutil.copytree(corpus, packed)
    archive = shutil.make_archive(str(tmp_path / "a"), "gztar", packed.parent)
    asked = []

    def download(url, path, option):
        asked.append((url, option))
        path.parent.mkdir(exist_ok=True)
        return Path(shutil.copy(archive, path))

    monkeypatch.setattr(prepare, "download", download)
    options = ["--downloads", str(tmp_path / "downloads"), "--data_dir"]
    options += [str(tmp_path / "data")]
    with pytest.raises(DataError, match=r"is not the corpus .*: delete .*nemo and run"):
        prepare.main(options)
    assert asked == [(prepare.URL, "--nemo DIR")] and prepare.REVISION in prepare.URL
    utterances = prepare.read_utterances(packed / "data.tsv", prepare.find_wavs(packed))
    monkeypatch.setattr(prepare, "CORPUS_SHA256", prepare.corpus_sha256(utterances))
    prepare.main(options)
    assert len(asked) == 1 and (tmp_path / "data" / "wav.scp").is_file()


def test_the_real_corpus_has_its_counts_and_its_table(
    prepare, nemo_dir, tmp_path, capsys
):
    data_dir = run(prepare, tmp_path, nemo_dir, "--folds", "speaker+sentence")
    assert "WARNING" not in capsys.readouterr().err
    assert len(read_table(data_dir / "utt2label")) == 4481
    assert len(read_folds(data_dir)) == 27
    assert shared(data_dir, speaker_of) == shared(data_dir, sentence_of) == {0}
    utterances = prepare.read_utterances(
        nemo_dir / "data.tsv", prepare.find_wavs(nemo_dir)
    )
    assert prepare.corpus_sha256(utterances) == prepare.CORPUS_SHA256


def test_other_folds_are_asked_for_by_name_and_need_stage_0(tmp_path, corpus):
    clone = clone_recipe("nemo", tmp_path / "clone")
    result = run_recipe(clone, "--folds", "sentence")
    assert result.returncode == 2
    assert "--folds 'sentence' must be speaker or speaker+sentence" in result.stderr
    options = ["--nemo", corpus, "--folds", "speaker+sentence", "--stop_stage", "0"]
    result = run_recipe(clone, *options)
    assert result.returncode == 0, result.stderr
    assert "18 utterances (anger 9, surprised 9), 9 folds" in result.stderr
    result = run_recipe(clone, "--stage", "1")
    assert result.returncode == 2
    assert "was prepared with --folds speaker+sentence, not with" in result.stderr


def test_copies_at_other_speeds_are_a_set_of_its_own(tmp_path, corpus):
    clone = clone_recipe("nemo", tmp_path / "clone")
    options = ["--nemo", corpus, "--stop_stage", "0", "--speeds", "0.9 1.1"]
    result = run_recipe(clone, *options)
    assert result.returncode == 0, result.stderr
    data = clone / "data"
    assert len(read_table(data / "nemo" / "utt2spk")) == 18
    assert len(read_table(data / "nemo_sp" / "utt2spk")) == 54
    result = run_recipe(clone, "--stage", "1", "--speeds", "0.9")
    assert result.returncode == 2
    assert "was prepared with --folds speaker --speeds 0.9 1.1" in result.stderr
    assert run_recipe(clone, "--speeds", "fast").returncode == 2


@pytest.mark.recipe
def test_the_stages_up_to_the_store_run_on_it(prepare, tmp_path, corpus, monkeypatch):
    from espnet_sentiment.bin import encode, fetch_encoder, make_features

    run(prepare, tmp_path, corpus)
    encoder, sentiment = write_configs(tmp_path, save_small_whisper(tmp_path / "model"))
    monkeypatch.chdir(tmp_path)
    data = ["--data_dir", "data/nemo", "--encoder", str(encoder)]
    for stage in (make_features, fetch_encoder):
        stage.main(data)
    encode.main([*data, "--sentiment", str(sentiment)])
    store = FeatureStore("dump/small/nemo/clean")
    assert {*store} == {*read_table("data/nemo/utt2label")}
