"""What scores have to beat: metadata, text, loudness, and annotators left out."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile
from test_tables import LABELS, SPEAKERS, Corpus

from espnet_sentiment.bin import references as command
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.folds import Fold, leave_one_speaker_out, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir
from espnet_sentiment.data.loudness import FLOOR_DB, loudness
from espnet_sentiment.data.metadata import Metadata, read_metadata
from espnet_sentiment.report import references as report_references
from espnet_sentiment.scoring.human import krippendorff_alpha, left_out
from espnet_sentiment.scoring.intervals import ci95
from espnet_sentiment.scoring.reference_rows import LEFT_OUT, LOUDNESS, TEXT
from espnet_sentiment.scoring.references import (
    Scored,
    annotators,
    from_metadata,
    from_text,
    majority,
)

CLASSES = ["joy", "rage"]
UTTS = {f"{s}-{c}{n}": c for s in "abcd" for c in CLASSES for n in range(6)}
SPOKEN = {utt: utt[0] for utt in UTTS}
FOLDS = leave_one_speaker_out(SPOKEN)
TESTED = Scored(FOLDS, UTTS, SPOKEN, CLASSES)
SCENES = {utt: f"scene-{label}" for utt, label in UTTS.items()}
SAID = {utt: "so good" if c == "joy" else "so bad !" for utt, c in UTTS.items()}
OTHER = {"joy": "rage", "rage": "joy"}


def swapped(utts):
    """Return the set with some utterances of the other class."""
    labels = {**UTTS, **{utt: OTHER[UTTS[utt]] for utt in utts}}
    return dataclasses.replace(TESTED, utt2label=labels, folds=FOLDS[:1])


def test_half_the_amplitude_is_6_db_less(an4_wavs):
    samples, rate = soundfile.read(an4_wavs[0])
    assert rate == 16000
    # RMS and peak of the whole; mean, deviation, percentiles of frames.
    down = loudness(samples) - loudness(samples / 2)
    expected = np.full(9, 20 * np.log10(2))
    expected[3] = 0
    np.testing.assert_allclose(down, expected, atol=1e-6)
    assert loudness(samples)[0] == pytest.approx(
        20 * np.log10(np.sqrt(np.mean(samples**2)))
    )


def test_silence_and_less_than_a_frame_have_numbers():
    for silence in (np.zeros(16000), np.zeros(1)):
        found = loudness(silence)
        assert found[0] == pytest.approx(FLOOR_DB) and found[3] == 0


def test_metadata_alone_finds_classes_in_scenes_and_names_what_it_read():
    metadata = Metadata({"speaker": SPOKEN, "group": SCENES}, dict.fromkeys(UTTS, 2.0))
    name, scores = from_metadata(TESTED, metadata)
    assert name == "metadata alone: speaker, group, duration"
    assert (scores["wa"], scores["ua"], scores["macro_f1"]) == (1, 1, 1)
    assert scores["ci95_over"] == "speakers" and scores["n"] == len(UTTS)


def test_what_no_training_utterance_has_adds_nothing():
    scenes = dict(SCENES)
    plain = from_metadata(TESTED, Metadata({"group": scenes}, {}))[1]
    # A tested speaker is new: his name is none that was learned.
    named = from_metadata(TESTED, Metadata({"group": scenes, "speaker": SPOKEN}, {}))[1]
    assert plain == named
    alone = from_metadata(TESTED, Metadata({"speaker": SPOKEN}, {}))[1]
    assert alone["ua"] == 0.5
    assert from_metadata(TESTED, Metadata({}, {})) is None


@pytest.mark.parametrize("kind", ["metadata", "text"])
def test_references_learn_nothing_of_validating_and_tested_utterances(kind):
    tested = swapped([*FOLDS[0].test, *FOLDS[0].valid])
    if kind == "text":
        scores = from_text(tested, SAID)
    else:
        _, scores = from_metadata(tested, Metadata({"group": SCENES}, {}))
    assert scores["wa"] == 0


def test_text_alone_reads_words_and_does_without_text():
    assert from_text(TESTED, SAID)["wa"] == 1
    assert from_text(TESTED, dict.fromkeys(UTTS, " ")) is None
    # Punctuation is a word, so that no vocabulary is empty.
    assert from_text(TESTED, dict.fromkeys(UTTS, "?"))["ua"] == 0.5


def test_a_fold_that_learns_one_class_predicts_it():
    labels = {**UTTS, **dict.fromkeys(FOLDS[0].train, "joy")}
    tested = dataclasses.replace(TESTED, utt2label=labels, folds=FOLDS[:1])
    assert from_text(tested, SAID)["ua"] == 0.5
    assert majority(TESTED)["ua"] == 0.5


def test_the_majoritys_interval_is_over_speakers_where_there_is_one():
    # Speaker a says rage alone, b and c joy alone, and d both.
    labels = {u: {"a": "rage", "d": c}.get(u[0], "joy") for u, c in UTTS.items()}
    tested = dataclasses.replace(TESTED, utt2label=labels)
    found = majority(tested)
    truth = [labels[utt] for _, utt in tested.keys]
    speakers = [utt[0] for _, utt in tested.keys]
    answers = ["joy"] * len(truth)
    assert found["wa_ci95"] == ci95(truth, answers, speakers)["wa"]
    assert found["ci95_over"] == "speakers"
    low, high = ci95(truth, answers, [utt for _, utt in tested.keys])["wa"]
    assert found["wa_ci95"][0] < low and found["wa_ci95"][1] > high
    # One over the number of classes, whoever is tested.
    assert found["ua"] == 0.5 and "ua_ci95" not in found


def test_annotators_are_compared_with_the_majority_of_the_others():
    votes = {
        "all": "joy joy joy",
        "two": "joy joy rage",  # who said joy has a tie before him
        "counted": "rage:2 joy:1",
        "joint": "joy joy joy+rage",
        "none": "joy rage sad",
        "alone": "joy",
        "shares": "joy:0.5 rage:0.5",
        "no class": "sad sad joy",
    }
    found = left_out(votes, CLASSES, votes)
    assert found.rows == [
        *[("all", "joy", "joy")] * 3,
        ("two", "joy", "rage"),
        ("counted", "rage", "joy"),
        *[("joint", "joy", "joy")] * 3,
    ]
    assert (found.alone, found.shares) == (1, 1)
    # Of "two" and "counted" two each, of "none" three, of "no class" the two sad ones.
    assert (found.ties, found.others) == (2 + 2 + 3 + 2, 1)


def test_an_annotator_left_out_agrees_less_than_one_who_voted():
    votes = {u: f"{c} {c} {OTHER[c] if n % 2 else c}" for n, (u, c) in _numbered()}
    human, alpha = annotators(TESTED, votes)
    # Half of the utterances have three votes that agree, half one that does not.
    assert human["wa"] == pytest.approx(3 / 4) and human["n"] == 12 * 8
    assert human["ties"] == 24 * 2 and human["ci95_over"] == "speakers"
    assert human["wa_ci95"][0] <= human["wa"] <= human["wa_ci95"][1]
    assert 0 < alpha["alpha"] < 1 and alpha["n_votes"] == 48 * 3
    assert annotators(TESTED, {}) == (None, None)


def _numbered():
    return enumerate(UTTS.items())


def test_alpha_is_krippendorffs():
    # Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, part C: 0.743.
    coders = [
        "1 2 3 3 2 1 4 1 2 * * *",
        "1 2 3 3 2 2 4 1 2 5 * 3",
        "* 3 3 3 2 3 4 2 2 5 1 *",
        "1 2 3 3 2 4 4 1 2 5 1 *",
    ]
    units = zip(*(line.split() for line in coders), strict=True)
    votes = {str(n): " ".join(unit).replace("*", "") for n, unit in enumerate(units)}
    found = krippendorff_alpha(votes, list("12345"))
    assert found["alpha"] == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha({"a": "x x", "b": "x x"}, ["x"]) is None


def fold_of(tested):
    """Return a fold that tests half of the speakers."""
    others = [utt for utt in LABELS if utt[1] != tested]
    valid = [utt for utt in others if SPEAKERS[utt][2] == "0"]
    train = [utt for utt in others if utt not in valid]
    return Fold(tested, train, valid, [utt for utt in LABELS if utt[1] == tested])


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    """Two speakers' real speech, louder where it is angry, with folds and votes."""
    made = Corpus(tmp_path, an4_wavs[0])
    samples, rate = soundfile.read(an4_wavs[0])
    utterances = []
    for n, (utt, label) in enumerate(LABELS.items()):
        wav = tmp_path / f"{utt}.wav"
        gain = (1.0 if label == "anger" else 0.05) * (1 - n % 5 / 20)
        soundfile.write(wav, samples[:8000] * gain, rate)
        votes = [label, label, "anger"]
        utterances.append(
            Utterance(utt, str(wav), SPEAKERS[utt], label, votes=votes, text="hello")
        )
    write_kaldi_dir(made.data_dir, utterances)
    write_folds(made.data_dir, [fold_of("1"), fold_of("2")])
    made.add("whisper_base", "rnn_attention", [])
    return made


def test_tables_have_rows_of_the_references(corpus, monkeypatch):
    text = corpus.write()
    loud = corpus.row(2, architecture=LOUDNESS)
    assert loud["wa"] == "100.00" and loud["wa_ci95_low"] and loud["macro_f1"]
    assert corpus.row(2, architecture=TEXT)["ua"] == "50.00"
    assert corpus.row(2, architecture="metadata alone: speaker, sentence, duration")
    human = corpus.row(2, architecture=LEFT_OUT)
    # Neutral has two votes of three: who said anger is wrong, and the others tie.
    chance = corpus.row(2, source="ours", architecture="majority class")
    assert not chance["ua_ci95_low"] and "and has no interval" in text
    assert float(human["wa"]) == pytest.approx(100 * 72 / 80)
    assert "16 where the others tie" in text
    assert "Krippendorff's alpha of the annotators is 0." in text
    monkeypatch.setattr(report_references, "utterance_audio", None)  # is not called
    corpus.add("whisper_base", "mlp_pooling", ["s1-01"])
    assert "mlp_pooling" in corpus.write()


def test_references_stay_where_recordings_are_gone_and_say_it_where_never_heard(
    corpus, capsys
):
    corpus.write()
    kept = (corpus.exp / "references_acted.json").read_text()
    for wav in corpus.data_dir.parents[1].glob("s*.wav"):
        wav.unlink()
    corpus.write()
    assert (corpus.exp / "references_acted.json").read_text() == kept
    (corpus.exp / "references_acted.json").unlink()
    assert "loudness and duration are left out: " in corpus.write()
    assert "loudness and duration are left out: " in capsys.readouterr().err
    found = json.loads((corpus.exp / "references_acted.json").read_text())["results"]
    assert list(found["rows"]) == ["metadata alone: speaker, sentence", TEXT]


def test_command_prints_references_without_any_experiment(corpus, tmp_path, capsys):
    options = ["--data_dir", str(corpus.data_dir), "--exp", str(tmp_path / "none")]
    command.main(options)
    table = capsys.readouterr().out
    assert (
        f"| {LOUDNESS} | 100.00 |" in table and "Intervals are over speakers" in table
    )


def test_metadata_is_what_the_directory_has(corpus):
    data = corpus.data_dir
    (data / "spk2gender").write_text("s10 f\n")
    (data / "utt2group").write_text("s1-00 scene\n")
    (data / "utt2dur").write_text("s1-00 1.5\n")
    found = read_metadata(read_kaldi_dir(data))
    assert found.categories["gender"] == {"s1-00": "f", "s1-08": "f"}
    assert found.categories["group"] == {"s1-00": "scene"}
    assert found.seconds == {"s1-00": 1.5}


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("spk2gender", "s10 f\ns11\n", "spk2gender:2: s11 has no value"),
        ("utt2dur", "s1-00 long\n", "utt2dur:1: s1-00 has long, which is no number"),
        ("utt2dur", "s1-00 0\n", "utt2dur:1: s1-00 has 0, which is no number"),
        ("utt2group", "s1-00 a\ns1-00 b\n", "utt2group:2"),
    ],
)
def test_a_table_of_metadata_that_cannot_be_used_is_refused_by_its_line(
    corpus, name, text, fault
):
    (corpus.data_dir / name).write_text(text)
    with pytest.raises(DataError, match=fault):
        corpus.write()
