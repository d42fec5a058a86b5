"""The embedded corpus: its sentences, its synthetic voices, and stage 0."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipe_fixtures import recipe_module
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir

LOCAL = Path(__file__).parents[1] / "egs" / "mini" / "local"
MODULES = ("an4", "corpus", "espeak", "plan", "voices")
SENTENCE = "THE FILM WAS NOT BAD"


@pytest.fixture(scope="module")
def mini():
    """Import the recipe's modules."""
    with recipe_module("mini") as prepare:
        yield {name: sys.modules[name] for name in MODULES} | {"prepare": prepare}


@pytest.fixture(scope="module")
def plans(mini):
    return {name: mini["plan"].plan(name) for name in mini["plan"].SIZES}


@pytest.fixture(scope="module")
def prepared(mini, tmp_path_factory):
    """Run the stage on one in 100 utterances."""
    data = tmp_path_factory.mktemp("mini") / "data"
    mini["prepare"].main(["--data", str(data), "--nj", "1", "--divisor", "100"])
    return data


def words_by_label(planned):
    found = defaultdict(set)
    for p in planned:
        found[p.label] |= set(p.text.split())
    return found


def test_sets_have_their_sizes_and_balanced_labels(plans):
    parts = {n: Counter(p.part for p in plan) for n, plan in plans.items()}
    assert parts["mini"] == {"train": 600, "valid": 150, "test": 450}
    assert parts["mini_speech"] == {"train": 3600, "valid": 150, "test": 300}
    for part, count in parts["mini"].items():
        labels = Counter(p.label for p in plans["mini"] if p.part == part)
        assert set(labels.values()) == {count // 3} and len(labels) == 3
    assert {p.label for p in plans["mini_speech"]} == {None}


@pytest.mark.parametrize("field", ["speaker", "text"])
def test_no_speaker_and_no_sentence_crosses_parts_of_any_set(plans, field):
    found = defaultdict(set)
    for planned in plans.values():
        for p in planned:
            found[p.part].add(getattr(p, field))
    assert not found["train"] & found["test"]
    assert not found["train"] & found["valid"]
    assert not found["valid"] & found["test"]


def test_voices_of_valid_and_test_are_vocal_tracts_that_training_never_heard(mini):
    variants = mini["voices"].VARIANTS
    assert sum(map(len, variants.values())) == len(set().union(*variants.values()))
    names = [len(mini["voices"].speakers(part)) for part in ("train", "valid", "test")]
    assert names == [98, 6, 10]


def test_a_test_sentence_combines_words_that_training_saw(plans):
    for planned in plans.values():
        words = {part: set() for part in ("train", "valid", "test")}
        for p in planned:
            words[p.part] |= set(p.text.split())
        assert words["test"] | words["valid"] <= words["train"]


def test_every_polarity_word_and_inversion_stands_under_every_label(mini, plans):
    corpus = mini["corpus"]
    train = words_by_label(p for p in plans["mini"] if p.part == "train")
    inversions = {"NOT", "NEVER", "HARDLY", "FAR", "NOBODY", "HATED"}
    for words in train.values():
        assert {*corpus.POSITIVE, *corpus.NEGATIVE, *inversions} <= words


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("THE FILM WAS NOT BAD", "positive"),
        ("THE FILM WAS NOT GOOD", "negative"),
        ("IT WAS HARDLY TERRIBLE", "positive"),
        ("THE TEA WAS FAR FROM PERFECT", "negative"),
        ("NOBODY LIKED THE LOVELY HOTEL", "negative"),
        ("NOBODY HATED THE AWFUL HOTEL", "positive"),
        ("IT LOOKED AWFUL BUT WAS GREAT", "positive"),
        ("IT LOOKED GREAT BUT WAS AWFUL", "negative"),
        ("EVERYONE CALLED THE BOOK BORING", "negative"),
        ("DO YOU KNOW IF THE FILM WAS GOOD", "neutral"),
        ("IF YOU ASK ME THE FILM WAS GOOD", "positive"),
        ("THE FILM STARTS AT NINE", "neutral"),
    ],
)
def test_the_combination_of_words_decides(mini, text, label):
    assert [s.label for s in mini["corpus"].sentences() if s.text == text] == [label]


def test_no_sentence_has_two_labels(mini):
    sentences = mini["corpus"].sentences()
    assert len(sentences) == len({s.text for s in sentences}) > 5000


def test_single_words_tell_much_less_than_their_order(plans):
    parts = {
        part: [p for p in plans["mini"] if p.part == part] for part in ("train", "test")
    }

    def accuracy(words):
        vectors = CountVectorizer(ngram_range=(1, words), token_pattern=r"\S+")
        train = vectors.fit_transform(p.text for p in parts["train"])
        model = LogisticRegression(max_iter=2000)
        model.fit(train, [p.label for p in parts["train"]])
        test = vectors.transform(p.text for p in parts["test"])
        return model.score(test, [p.label for p in parts["test"]])

    assert accuracy(1) < 0.7 and accuracy(3) > 0.9


def test_transcripts_are_upper_case_words_of_a_small_vocabulary(plans):
    texts = [p.text for planned in plans.values() for p in planned]
    assert all(re.fullmatch(r"[A-Z']+( [A-Z']+)*", text) for text in texts)
    assert 80 <= len({word for text in texts for word in text.split()}) <= 150


def test_speaker_and_manner_are_drawn_without_sight_of_sentence_and_label(
    mini, plans, monkeypatch
):
    """With other sentences and labels, every voice and manner stays as it was."""
    plan = mini["plan"]
    original = plan.draw

    def backwards(rng, part, number):
        return original(rng, part, number)[::-1]

    monkeypatch.setattr(plan, "draw", backwards)
    other = plan.plan("mini")
    mine = [(p.speaker, p.voice, p.manner) for p in plans["mini"]]
    assert mine == [(p.speaker, p.voice, p.manner) for p in other]
    assert [p.text for p in plans["mini"]] != [p.text for p in other]


def test_manner_varies_and_a_plan_repeats(mini, plans):
    assert plans["mini"] == mini["plan"].plan("mini")
    manners = [p.manner for p in plans["mini"]]
    for name in ("rate", "pitch", "pitch_range", "gain"):
        assert len({getattr(m, name) for m in manners}) > 15
    assert all(0 <= m.pitch <= 100 and 0 < m.gain <= 1 for m in manners)


@pytest.mark.parametrize("variant", ["m3", "f2", "m2", "benjamin"])
def test_speech_is_the_same_whatever_was_spoken_before(mini, variant):
    espeak = mini["espeak"]
    voice = f"en-us+{variant}"
    first = espeak.synthesize(SENTENCE, voice, espeak.Manner())
    espeak.synthesize("IT WAS LOVELY", "en+f4", espeak.Manner(pitch=80))
    np.testing.assert_array_equal(
        first, espeak.synthesize(SENTENCE, voice, espeak.Manner())
    )


def pitch_of(samples):
    """Return the strongest fundamental between 60 and 320 Hz, by autocorrelation."""
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)
    lags = np.arange(16000 // 320, 16000 // 60)
    return 16000 / lags[np.argmax(correlation[lags])]


def test_rate_pitch_and_gain_do_what_they_say(mini):
    synthesize, Manner = mini["espeak"].synthesize, mini["espeak"].Manner

    def say(**manner):
        return synthesize(SENTENCE, "en-us+m3", Manner(**manner))

    base = say()
    assert base.dtype == np.float32 and 1 < len(base) / 16000 < 3
    assert len(say(rate=160)) < 0.8 * len(base)
    np.testing.assert_allclose(say(gain=0.5), base / 2, atol=1e-6)
    low, high = say(pitch=20, pitch_range=0), say(pitch=80, pitch_range=0)
    assert pitch_of(high) > 1.2 * pitch_of(low)


@pytest.mark.slow
def test_every_voice_of_the_corpus_exists(mini):
    voices = [
        s.voice for p in ("train", "valid", "test") for s in mini["voices"].speakers(p)
    ]
    espeak = mini["espeak"]
    lengths = [len(espeak.synthesize("GOOD", v, espeak.Manner())) for v in voices]
    assert min(lengths) > 2000


@pytest.mark.parametrize("voice", ["en-us+nobody", "xx-nowhere", "xx-nowhere+f3"])
def test_an_unknown_voice_is_named(mini, voice):
    espeak = mini["espeak"]
    with pytest.raises(DataError, match=f"no voice '{re.escape(voice)}'"):
        espeak.synthesize(SENTENCE, voice, espeak.Manner())


def test_a_missing_library_and_an_empty_sentence_name_the_remedy(mini, tmp_path):
    espeak = mini["espeak"]
    with pytest.raises(DataError, match="pip install --force-reinstall"):
        espeak.synthesize(
            SENTENCE, "en-us", espeak.Manner(), str(tmp_path / "libespeak-ng.so")
        )
    with pytest.raises(DataError, match="says nothing for ''"):
        espeak.synthesize("", "en-us", espeak.Manner())


def test_prepared_sets_are_valid_kaldi_directories_with_one_fold(prepared):
    for name in ("mini", "mini_speech"):
        data = read_kaldi_dir(prepared / name)
        (fold,) = read_folds(prepared / name)
        assert sorted(fold.train + fold.valid + fold.test) == data.utts
        speakers = [
            {data.utt2spk[utt] for utt in part}
            for part in (fold.train, fold.valid, fold.test)
        ]
        assert not set.intersection(*speakers)
        for utt, path in data.wav_scp.items():
            info = soundfile.info(path)
            assert (info.samplerate, info.channels) == (16000, 1)
            assert utt.startswith(data.utt2spk[utt] + "-")
            # 25 ms frames every 10 ms, eight to one: as many as there are letters.
            frames = (info.frames - 400) // 160 + 1
            assert frames // 8 >= len(data.text[utt])
    assert read_kaldi_dir(prepared / "mini").classes == [
        "negative",
        "neutral",
        "positive",
    ]
    assert not (prepared / "mini_speech" / "utt2label").exists()


def test_an4_keeps_its_real_utterances_and_their_transcripts(prepared, an4_wavs):
    data = read_kaldi_dir(prepared / "an4")
    assert data.text["an4_fbbh-cen8"] == "MARCH THIRD NINETEEN TWENTY EIGHT"
    # One recording of the archive has no transcript.
    assert len(data.utts) == len(an4_wavs) - 1
    (original,) = [w for w in an4_wavs if w.stem == "cen8-fbbh-b"]
    samples, _ = soundfile.read(data.wav_scp["an4_fbbh-cen8"], dtype="int16")
    np.testing.assert_array_equal(samples, soundfile.read(original, dtype="int16")[0])


def test_a_broken_archive_is_named(mini, tmp_path):
    broken = tmp_path / "downloads.tar.gz"
    broken.write_bytes(mini["an4"].find_archive().read_bytes()[:5000])
    with pytest.raises(DataError, match=f"{broken} cannot be read"):
        mini["an4"].write_an4(broken, tmp_path)


def test_a_finished_stage_does_nothing(mini, prepared, capsys):
    mini["prepare"].main(["--data", str(prepared), "--nj", "1", "--divisor", "100"])
    assert capsys.readouterr().err.count("up to date") == 3


def test_a_changed_plan_replaces_the_recordings(mini, prepared, tmp_path):
    data = tmp_path / "data"
    prepare = mini["prepare"].prepare_synthetic
    prepare("mini", data, 1, 150)
    before = set((data / "wav").rglob("*.flac"))
    prepare("mini", data, 1, 140)
    assert len(read_table(data / "mini" / "text")) == len(
        set((data / "wav").rglob("*.flac"))
    )
    assert before


def samples_of(data):
    return {p.name: p.read_bytes() for p in (data / "wav").rglob("*.flac")}


def test_a_killed_stage_continues_and_ends_with_the_same_files(prepared, tmp_path):
    data = tmp_path / "data"
    command = [sys.executable, str(LOCAL / "prepare.py"), "--data", str(data)]
    command += ["--nj", "1", "--divisor", "100"]
    process = subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.DEVNULL
    )
    while not (done := list(data.rglob("*.flac"))) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (data / "mini_speech" / "wav.scp").exists()
    kept = done[0].stat().st_mtime_ns
    # What a kill in the midst of a write leaves behind.
    half = done[0].with_name(f".{done[0].name}.1.tmp")
    half.write_bytes(done[0].read_bytes()[:1000])
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert done[0].stat().st_mtime_ns == kept
    assert samples_of(data) == samples_of(prepared)
    mine, other = (
        read_json(folder / "mini_speech" / ".done.json")["inputs"]
        for folder in (data, prepared)
    )
    # Where the recordings are is another input.
    assert mine.pop("recordings") != other.pop("recordings")
    assert mine == other


def test_help_says_what_is_synthetic():
    result = subprocess.run(
        [sys.executable, LOCAL / "prepare.py", "--help"], capture_output=True, text=True
    )
    assert result.returncode == 0 and "synthetic" in result.stdout
    for option in ("--data", "--nj", "--divisor"):
        assert option in result.stdout


@pytest.mark.parametrize("options", [["--nj", "0"], ["--divisor", "0"]])
def test_a_bad_option_is_refused(mini, options, capsys):
    with pytest.raises(SystemExit):
        mini["prepare"].main(options)
    assert "--nj must be 1 or more, --divisor 1 to 150" in capsys.readouterr().err
