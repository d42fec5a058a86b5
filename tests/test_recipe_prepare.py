"""Stage 0 as all recipes end it: what is written, said, and done again."""

import dataclasses

import pytest
import soundfile

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.folds import Fold, read_folds
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.overlap import overlap
from espnet_sentiment.recipe import overlap_file
from espnet_sentiment.recipe import prepare as stage_0
from espnet_sentiment.recipe.prepare import Corpus, prepare
from espnet_sentiment.recipe.stage import stage_seconds

LABELS = ("joy", "anger")


@pytest.fixture
def utterances(tmp_path, an4_wavs):
    """Return two labelled utterances each of three speakers."""
    found = []
    for speaker in ("anna", "ben", "carl"):
        for label in LABELS:
            wav = tmp_path / "corpus" / f"{speaker}-{label}.wav"
            wav.parent.mkdir(exist_ok=True)
            soundfile.write(wav, *soundfile.read(an4_wavs[0]))
            found.append(Utterance(wav.stem, str(wav), speaker, label))
    return found


@pytest.fixture
def one_fold(utterances):
    ids = [u.utt for u in utterances]
    return [Fold("1", ids[:2], ids[2:4], ids[4:])]


class Reader:
    """Reads a corpus, and counts how often."""

    def __init__(self, corpus):
        self.corpus, self.times = corpus, 0

    def __call__(self):
        self.times += 1
        return self.corpus


def test_a_corpus_that_is_read_slowly_is_read_once_while_its_inputs_are_the_same(
    tmp_path, utterances, capsys
):
    read = Reader(Corpus(utterances))
    for _ in range(2):
        prepare(tmp_path / "data", read, {"tables": "a"})
    assert read.times == 1 and "up to date" in capsys.readouterr().err
    prepare(tmp_path / "data", read, {"tables": "b"})
    assert read.times == 2
    (tmp_path / "data" / "utt2label").unlink()
    prepare(tmp_path / "data", read, {"tables": "b"})
    assert read.times == 3 and len(read_table(tmp_path / "data" / "utt2label")) == 6


def test_the_given_inputs_alone_decide_where_there_are_any(
    tmp_path, utterances, capsys
):
    prepare(tmp_path / "data", Corpus(iter(utterances)), {"tables": "a"})
    soundfile.write(utterances[0].wav, [0.0] * 800, 16000)
    prepare(tmp_path / "data", Corpus(iter(utterances)), {"tables": "a"})
    assert "up to date" in capsys.readouterr().err
    assert len(read_folds(tmp_path / "data")) == 3


def test_a_recording_that_changes_makes_a_quickly_read_corpus_another(
    tmp_path, utterances, capsys
):
    prepare(tmp_path / "data", Corpus(iter(utterances)))
    prepare(tmp_path / "data", Corpus(iter(utterances)))
    assert capsys.readouterr().err.count("up to date") == 1
    soundfile.write(utterances[0].wav, [0.0] * 800, 16000)
    prepare(tmp_path / "data", Corpus(iter(utterances)))
    assert "up to date" not in capsys.readouterr().err


def test_folds_leave_one_speaker_out_unless_they_are_given_or_none_are_wanted(
    tmp_path, utterances, one_fold, capsys
):
    prepare(tmp_path / "speaker", Corpus(utterances))
    prepare(tmp_path / "given", Corpus(utterances, one_fold))
    prepare(tmp_path / "none", Corpus(utterances, []))
    assert len(read_folds(tmp_path / "speaker")) == 3
    assert read_folds(tmp_path / "given") == one_fold
    assert not (tmp_path / "none" / "folds").exists()
    lines = capsys.readouterr().err.splitlines()
    counts = "6 utterances (anger 3, joy 3)"
    for line, folds in zip(
        [line for line in lines if " in 0." in line],
        (", 3 folds in", ", 1 fold (train 2, valid 2, test 2) in", " in"),
        strict=True,
    ):
        assert line.startswith(f"[stage 0: data preparation] {counts}{folds} ")


def test_a_corpus_without_labels_is_counted_without_them(tmp_path, utterances, capsys):
    spoken = [Utterance(u.utt, u.wav, u.speaker, text="HI") for u in utterances]
    prepare(tmp_path / "data", Corpus(spoken))
    assert "] 6 utterances, 3 folds in" in capsys.readouterr().err
    assert not (tmp_path / "data" / "utt2label").exists()
    prepare(tmp_path / "data", Corpus(spoken))
    assert "up to date" in capsys.readouterr().err


def test_further_files_are_written_and_made_again_when_they_go(
    tmp_path, utterances, capsys
):
    corpus = Corpus(utterances, files={"unmatched": "a\n"})
    prepare(tmp_path / "data", corpus)
    assert (tmp_path / "data" / "unmatched").read_text() == "a\n"
    (tmp_path / "data" / "unmatched").unlink()
    prepare(tmp_path / "data", corpus)
    assert (tmp_path / "data" / "unmatched").read_text() == "a\n"
    prepare(tmp_path / "data", Corpus(utterances, files={"unmatched": "b\n"}))
    assert (tmp_path / "data" / "unmatched").read_text() == "b\n"
    assert "up to date" not in capsys.readouterr().err


def test_recordings_of_an_interrupted_run_are_kept_and_those_of_other_inputs_are_not(
    tmp_path, utterances
):
    made, data_dir = tmp_path / "made", tmp_path / "data"

    def run(inputs, interrupted=False):
        def read():
            made.mkdir(exist_ok=True)
            (made / f"{inputs['plan']}.flac").touch()
            if interrupted:
                raise KeyboardInterrupt
            return Corpus(utterances)

        prepare(data_dir, read, inputs, recordings=made, name="stage 0: made")

    with pytest.raises(KeyboardInterrupt):
        run({"plan": "a"}, interrupted=True)
    (made / "first.flac").touch()
    run({"plan": "a"})
    assert {p.name for p in made.glob("*.flac")} == {"a.flac", "first.flac"}
    assert read_json(data_dir / ".done.json")["inputs"]["plan"] == "a"
    run({"plan": "b"})
    assert {p.name for p in made.glob("*.flac")} == {"b.flac"}


def test_a_corpus_that_is_refused_leaves_nothing_behind(tmp_path, utterances):
    def read():
        raise DataError("a table is broken: restore it")

    for corpus, message in [
        (read, "a table is broken"),
        (lambda: Corpus([]), "no utterance was found"),
        (lambda: Corpus(utterances[:2]), "at least 3 speakers"),
    ]:
        with pytest.raises(DataError, match=message):
            prepare(tmp_path / "data", corpus, {})
    with pytest.raises(DataError, match="no utterance was found"):
        prepare(tmp_path / "data", Corpus([]))
    assert not (tmp_path / "data").exists()


def test_the_seconds_of_the_stage_count_the_reading(tmp_path, utterances, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(stage_0.time, "time", lambda: now[0])

    def read():
        now[0] += 7
        return Corpus(utterances)

    prepare(tmp_path / "data", read, {})
    assert stage_seconds([tmp_path / "data" / ".done.json"]) == 7.0


def test_incomplete_classes_are_named_with_their_published_counts(capsys):
    stage_0.check_counts({"anger": 3, "joy": 2}, {"anger": 3, "joy": 5, "fear": 1})
    assert capsys.readouterr().err.splitlines() == [
        f"[stage 0: data preparation] WARNING: {n} utterances of {name}, but the "
        f"corpus has {m}: results will not compare with published ones"
        for name, n, m in (("joy", 2, 5), ("fear", 0, 1))
    ]


def test_the_parser_asks_for_the_folder_unless_it_has_one(capsys):
    assert stage_0.get_parser("text", "data/a").parse_args([]).data_dir == "data/a"
    with pytest.raises(SystemExit):
        stage_0.get_parser("text").parse_args([])
    assert "--data_dir" in capsys.readouterr().err


def test_what_the_folds_share_is_said_and_kept(tmp_path, utterances, one_fold, capsys):
    moved = [Fold("1", [*one_fold[0].train, "carl-joy"], one_fold[0].valid, ["carl-x"])]
    utterances[-1] = dataclasses.replace(utterances[-1], utt="carl-x")
    prepare(tmp_path / "data", Corpus(utterances, moved))
    said = capsys.readouterr().err
    # The fixture's recordings are copies of one.
    assert "] tested that also train: speakers 1 of 1, recordings 1 of 1\n" in said
    assert "] WARNING: 1 of 1 tested speakers also train (100.0 % of the tested" in said
    assert "] WARNING: 1 of 1 tested recordings also train (100.0 % of the" in said
    assert read_json(tmp_path / "data" / "overlap.json") == overlap(utterances, moved)


def test_what_the_folds_share_is_counted_again_when_its_file_goes_and_not_else(
    tmp_path, utterances, one_fold, monkeypatch
):
    prepare(tmp_path / "data", Corpus(utterances, one_fold))
    kept = (tmp_path / "data" / "overlap.json").read_text()
    (tmp_path / "data" / "overlap.json").write_text("{}")
    prepare(tmp_path / "data", Corpus(utterances, one_fold))
    assert (tmp_path / "data" / "overlap.json").read_text() == kept
    monkeypatch.setattr(overlap_file, "overlap", None)
    prepare(tmp_path / "data", Corpus(utterances, one_fold))


def test_without_folds_nothing_is_shared(tmp_path, utterances):
    prepare(tmp_path / "data", Corpus(utterances))
    prepare(tmp_path / "data", Corpus(utterances, []))
    assert not (tmp_path / "data" / "overlap.json").exists()
