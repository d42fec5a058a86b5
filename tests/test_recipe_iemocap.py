"""IEMOCAP: its layout with all oddities, its folds, and its errors."""

import dataclasses
import shutil
from collections import Counter
from pathlib import Path

import pytest
import soundfile
from iemocap_tree import (
    CATEGORIES,
    FOUR_CLASSES,
    Turn,
    make_turns,
    wav_path,
    write_iemocap,
)
from recipe_fixtures import clone_recipe, recipe_module, run_recipe

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.metadata import read_metadata
from espnet_sentiment.scoring.references import Scored, from_metadata, majority

RECIPE = Path(__file__).parents[1] / "egs" / "iemocap"
# The release's turns by label: 10,039, of which the paper's four classes have 5,531.
RELEASE = {
    "ang": 1103,
    "dis": 2,
    "exc": 1041,
    "fea": 40,
    "fru": 1849,
    "hap": 595,
    "neu": 1708,
    "oth": 3,
    "sad": 1084,
    "sur": 107,
    "xxx": 2507,
}


@pytest.fixture(scope="module")
def prepare():
    with recipe_module("iemocap") as module:
        yield module


@pytest.fixture
def turns(an4_wavs):
    return make_turns(dict.fromkeys((*FOUR_CLASSES, "fru", "xxx"), an4_wavs))


@pytest.fixture
def release(tmp_path, turns):
    return write_iemocap(tmp_path, turns)


@pytest.fixture
def run(prepare, tmp_path):
    def run(iemocap, *options):
        data_dir = tmp_path / "data" / "iemocap"
        options = ["--iemocap", str(iemocap), "--data_dir", str(data_dir), *options]
        prepare.main(options)
        return data_dir

    yield run
    # A refused corpus leaves nothing behind.
    data_dir = tmp_path / "data" / "iemocap"
    assert not data_dir.exists() or (data_dir / ".done.json").exists()


def test_turns_without_a_majority_train_alone_where_they_are_asked_for(
    run, release, turns, capsys
):
    plain = read_folds(run(release))
    data_dir = run(release, "--no_majority", "train")
    said = capsys.readouterr().err
    undecided = {turn.utt for turn in turns if turn.code == "xxx"}
    assert f"{len(undecided)} of {len(undecided)} turns without a majority" in said
    data, folds = read_kaldi_dir(data_dir), read_folds(data_dir)
    assert undecided == data.utt2spk.keys() - data.utt2label.keys()
    assert all(data.utt2votes[utt] == "anger sadness fear" for utt in undecided)
    for fold, before in zip(folds, plain, strict=True):
        assert dataclasses.replace(fold, no_majority=[]) == before
        scored = {data.utt2spk[utt] for utt in fold.valid + fold.test}
        expected = {utt for utt in undecided if data.utt2spk[utt] not in scored}
        assert set(fold.no_majority) == expected and expected


@pytest.mark.parametrize(
    ("folds", "scored"), [("session", "Ses05"), ("espnet", ("Ses05", "Ses04M"))]
)
def test_turns_without_a_majority_stay_out_of_what_is_scored(
    run, release, folds, scored
):
    data_dir = run(release, "--folds", folds, "--no_majority", "train")
    fold = read_folds(data_dir)[-1]
    assert fold.no_majority
    parts = {utt[:6] if folds == "espnet" else utt[:5] for utt in fold.no_majority}
    assert not any(part.startswith(scored) for part in parts)
    assert not parts & {utt[: len(next(iter(parts)))] for utt in fold.test + fold.valid}


def test_a_turn_without_a_vote_for_a_class_is_left_out_and_counted(
    run, tmp_path, turns, capsys
):
    votes = ("Fear;", "Surprise;", "Other;")
    turns = [
        dataclasses.replace(turn, votes=votes) if turn.code == "xxx" else turn
        for turn in turns
    ]
    release = write_iemocap(tmp_path / "other", turns)
    data = read_kaldi_dir(run(release, "--no_majority", "train"))
    assert data.utt2spk.keys() == data.utt2label.keys()
    n = sum(turn.code == "xxx" for turn in turns)
    assert f"0 of {n} turns without a majority" in capsys.readouterr().err


def labels_of(release, utt):
    dialog = utt.rpartition("_")[0]
    folder = release / f"Session{int(utt[3:5])}" / "dialog" / "EmoEvaluation"
    return folder / f"{dialog}.txt"


def transcripts_of(release, utt):
    path = labels_of(release, utt)
    return path.parents[1] / "transcriptions" / path.name


def append(path, line):
    with open(path, "a", encoding="utf-8", newline="") as stream:
        stream.write(line + "\n")


def test_labels_speakers_text_and_audio_are_those_of_the_release(release, run, turns):
    data = read_kaldi_dir(run(release))
    kept = {t.utt: t for t in turns if t.code in FOUR_CLASSES}
    assert data.utts == sorted(kept)
    assert data.classes == ["anger", "happiness", "neutral", "sadness"]
    # Twenty turns a label and actor's letter; excited counts as happy.
    assert Counter(data.utt2label.values()) == {
        "anger": 40,
        "happiness": 80,
        "neutral": 40,
        "sadness": 40,
    }
    for utt, turn in kept.items():
        label = "happiness" if turn.code == "exc" else CATEGORIES[turn.code].lower()
        assert data.utt2label[utt] == label
        assert data.text[utt] == "Excuse me. [LAUGHTER]"
        samples, rate = soundfile.read(data.wav_scp[utt], dtype="int16")
        expected, _ = soundfile.read(turn.wav, dtype="int16")
        assert rate == 16000 and (samples == expected).all()


def test_the_speaker_is_who_speaks_and_not_who_wears_the_markers(release, run):
    utt2spk = read_table(run(release) / "utt2spk")
    assert utt2spk["Ses01F_impro01_M000"] == "Ses01M"
    assert utt2spk["Ses05M_script01_1_F000"] == "Ses05F"
    assert Counter(utt2spk.values()) == {
        f"Ses0{n}{gender}": 20 for n in range(1, 6) for gender in "FM"
    }


def test_votes_are_the_external_evaluators_with_the_names_of_the_classes(
    release, run, turns, an4_wavs, tmp_path
):
    written = [
        Turn(
            "Ses02M_impro07_F000",
            "hap",
            an4_wavs[0],
            ("Excited; Happiness;", "Neutral state;", "Anger; Frustration; ", ";"),
            "  So\t[BREATHING]  what? ",
        )
    ]
    other = write_iemocap(tmp_path / "other", turns + written)
    data_dir = run(other)
    votes = read_table(data_dir / "utt2votes")
    assert votes.pop("Ses02M_impro07_F000") == "happiness neutral anger+frustration"
    assert votes["Ses01F_impro01_F000"] == "anger anger+frustration neutral"
    assert not any("disgust" in row for row in votes.values())
    assert (
        read_table(data_dir / "text")["Ses02M_impro07_F000"] == "So [BREATHING] what?"
    )
    votes = read_table(run(other, "--all_categories") / "utt2votes")
    assert votes["Ses02M_impro07_F000"] == (
        "excited+happiness neutral anger+frustration"
    )


def test_all_categories_keeps_excited_apart_and_drops_no_agreement(release, run):
    data = read_kaldi_dir(run(release, "--all_categories"))
    assert data.classes == [
        "anger",
        "excited",
        "frustration",
        "happiness",
        "neutral",
        "sadness",
    ]
    assert len(data.utts) == 6 * 40


def test_improvised_only_leaves_the_scripted_dialogs_out(release, run):
    utts = read_kaldi_dir(run(release, "--improvised_only")).utts
    assert len(utts) == 100
    assert {utt.split("_")[1] for utt in utts} == {"impro01"}


def speakers(data_dir, utts):
    utt2spk = read_table(data_dir / "utt2spk")
    return {utt2spk[utt] for utt in utts}


def test_a_speaker_is_tested_and_the_other_of_the_session_validates(release, run):
    data_dir = run(release)
    folds = read_folds(data_dir)
    tested = [speakers(data_dir, fold.test) for fold in folds]
    assert tested == [{f"Ses0{n}{g}"} for n in range(1, 6) for g in "FM"]
    for fold, test in zip(folds, tested, strict=True):
        valid = speakers(data_dir, fold.valid)
        assert valid != test and {s[:5] for s in valid} == {s[:5] for s in test}
        assert len(speakers(data_dir, fold.train)) == 8
        assert not speakers(data_dir, fold.train) & (valid | test)


def test_a_session_is_tested_and_the_next_one_validates(release, run):
    data_dir = run(release, "--folds", "session")
    folds = read_folds(data_dir)
    assert [{u[:5] for u in fold.test} for fold in folds] == [
        {f"Ses0{n}"} for n in range(1, 6)
    ]
    assert [{u[:5] for u in fold.valid} for fold in folds] == [
        {f"Ses0{n}"} for n in (2, 3, 4, 5, 1)
    ]
    assert all(len(fold.train) == 120 for fold in folds)


def test_espnets_split_goes_by_the_dialog_and_not_by_the_speaker(release, run):
    data_dir = run(release, "--folds", "espnet")
    (fold,) = read_folds(data_dir)
    assert fold.name == "1"
    assert {u[:6] for u in fold.valid} == {"Ses04M"}
    assert speakers(data_dir, fold.valid) == {"Ses04F", "Ses04M"}
    assert {u[:5] for u in fold.test} == {"Ses05"}
    assert {u[:6] for u in fold.train if u[:5] > "Ses03"} == {"Ses04F"}
    assert [len(fold.train), len(fold.valid), len(fold.test)] == [140, 20, 40]


def test_the_tested_speakers_and_scenarios_neither_train_nor_validate(release, run):
    data_dir = run(release, "--folds", "speaker+scenario")
    data, folds = read_kaldi_dir(data_dir), read_folds(data_dir)
    assert Counter(data.utt2group.values()) == {"impro01": 100, "script01_1": 100}
    assert len(folds) == 20
    assert sorted(utt for fold in folds for utt in fold.test) == data.utts
    for fold in folds:
        tested, others = (
            {data.utt2group[u] for u in p} for p in (fold.test, fold.train)
        )
        assert others == {data.utt2group[u] for u in fold.valid} and not tested & others
        # Ten turns of a speaker in a scenario; the other of the session validates.
        assert [len(p) for p in (fold.train, fold.valid, fold.test)] == [80, 10, 10]
        (spoken,), (valid,) = (
            speakers(data_dir, fold.test),
            speakers(data_dir, fold.valid),
        )
        assert spoken[:5] == valid[:5] and spoken != valid
        assert not {spoken, valid} & speakers(data_dir, fold.train)
    found = read_json(data_dir / "overlap.json")["all"]["test"]
    assert found["conversations"]["train"] == found["conversations"]["valid"] == 0


def test_turns_without_a_majority_of_a_tested_scenario_do_not_train(release, run):
    options = ("--folds", "speaker+scenario", "--no_majority", "train")
    data_dir = run(release, *options)
    group = read_kaldi_dir(data_dir).utt2group
    for fold in read_folds(data_dir):
        # Eight other speakers, two turns each in the scenario that is not tested.
        assert len(fold.no_majority) == 16
        assert not {group[u] for u in fold.no_majority} & {group[u] for u in fold.test}


@pytest.mark.parametrize(
    ("utt", "scenario"),
    [
        ("Ses01F_impro03_M001", "impro03"),
        ("Ses03M_impro05b_F012", "impro05"),
        ("Ses05M_script01_1b_F000", "script01_1"),
        ("Ses02F_script03_2_M041", "script03_2"),
    ],
)
def test_takes_of_a_scenario_are_one_whoever_wears_the_markers(prepare, utt, scenario):
    assert prepare.Turn(utt, "neutral", [], "").scenario == scenario


def test_validation_that_shares_the_tested_dialogs_is_said(release, run, capsys):
    run(release)
    said = capsys.readouterr().err
    assert (
        "of 200 tested utterances, 200 have their group in train, 200 in valid" in said
    )
    assert "tested that also validate: conversations 20 of 20" in said


def test_other_folds_are_written_anew_and_the_same_ones_are_kept(release, run, capsys):
    assert len(read_folds(run(release))) == 10
    assert len(read_folds(run(release, "--folds", "session"))) == 5
    capsys.readouterr()
    run(release, "--folds", "session")
    assert capsys.readouterr().err == "[stage 0: data preparation] up to date\n"


def test_espnets_split_without_its_validation_dialogs_is_refused(
    prepare, tmp_path, turns, run
):
    turns = [turn for turn in turns if not turn.utt.startswith("Ses04M")]
    with pytest.raises(DataError, match="espnet needs utterances of dialogs Ses04M"):
        run(write_iemocap(tmp_path, turns), "--folds", "espnet")


def test_turns_without_a_recording_have_no_say(release, run):
    with_xx = labels_of(release, "Ses01F_impro01_F000")
    append(with_xx, "[1.0 - 2.0]\tSes01F_impro01_MXX0\tang\t[2.5, 2.5, 2.5]")
    assert not any("XX" in utt for utt in read_table(run(release) / "text"))


def test_a_byte_order_mark_is_passed_over(release, run):
    path = transcripts_of(release, "Ses01F_impro01_F000")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    text = read_table(run(release) / "text")
    assert text["Ses01F_impro01_F000"] == "Excuse me. [LAUGHTER]"


def test_a_wrong_count_and_a_lost_transcript_are_said_loudly(release, run, capsys):
    transcripts_of(release, "Ses03F_impro01_F000").unlink()
    run(release)
    err = capsys.readouterr().err
    assert "WARNING: 80 utterances of happiness, but the corpus has 1636" in err
    # Ten: two speakers, five labels.
    assert "WARNING: 10 utterances have no transcript, Ses03F_impro01_F000 first" in err


def test_a_missing_session_is_named(release, run):
    shutil.rmtree(release / "Session2")
    shutil.rmtree(release / "Session4")
    with pytest.raises(DataError, match="lacks Session2, Session4: restore"):
        run(release)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("Session1", "Session1 lies inside the release: give {release}$"),
        ("Session3/dialog", "Session3/dialog lies inside the release: give {release}$"),
        ("..", "lies above the release: give {release}$"),
    ],
)
def test_another_level_of_the_release_is_refused_with_the_right_one(
    release, run, inside, message
):
    with pytest.raises(DataError, match=message.format(release=release)):
        run(release / inside)


def test_a_wrong_path_says_where_the_corpus_comes_from(tmp_path, run):
    for given, problem in [
        ("", "--iemocap is not given"),
        (tmp_path / "nowhere", "nowhere is not a folder"),
        (
            Path(__file__).parents[1] / "conf",
            "conf holds asr, cluster, encoder, sentiment, tune",
        ),
    ]:
        with pytest.raises(DataError, match=f"{problem}: .*https://sail.usc.edu"):
            run(given)


@pytest.mark.parametrize(
    "part", ["dialog/transcriptions", "dialog/EmoEvaluation", "sentences/wav"]
)
def test_a_missing_folder_is_named(release, run, part):
    shutil.rmtree(release / "Session5" / part)
    with pytest.raises(DataError, match=f"Session5/{part} is missing: restore it"):
        run(release)
    (release / "Session5" / part).mkdir()
    (release / "Session5" / part / "._Ses05F_impro01.txt").write_bytes(b"\xb0")
    with pytest.raises(DataError, match=rf"Session5/{part} holds no Ses\*"):
        run(release)


def test_an_utterance_labelled_twice_is_named_with_both_places(release, run):
    first = labels_of(release, "Ses01F_impro01_F000")
    shutil.copy(first, first.with_name("Ses01F_impro01_copy.txt"))
    with pytest.raises(
        DataError,
        match=f"Ses01F_impro01_F000 is labelled twice, in {first}:3 and .*_copy.txt:3",
    ):
        run(release)


def test_missing_recordings_are_named_up_to_twenty(release, run):
    for wav in (release / "Session1").glob("sentences/wav/*/Ses*.wav"):
        if not wav.name.startswith("Ses01F_impro01_F"):
            wav.unlink()
    # Four dialogs, two speakers, five labels that count; one speaker of one is left.
    with pytest.raises(DataError, match="35 labelled utterances .* restore") as error:
        run(release)
    lines = str(error.value).splitlines()
    assert len(lines) == 22 and lines[-1] == "  ... and 15 more"
    assert lines[1] == "  Ses01F_impro01_M000.wav"


def test_no_recording_is_needed_for_a_turn_that_is_not_kept(release, run, turns):
    for turn in turns:
        if turn.code in ("fru", "xxx"):
            path = wav_path(release, turn.utt)
            path.unlink()
    assert len(read_table(run(release) / "wav.scp")) == 200


@pytest.mark.parametrize("of", [labels_of, transcripts_of])
def test_a_file_in_another_encoding_is_named_with_the_byte(release, run, of):
    path = of(release, "Ses02M_script01_1_F000")
    before = path.read_bytes()
    path.write_bytes(before + "C-E1:\tNeutral;\t(caf\xe9)\n".encode("latin-1"))
    at = len(before) + len("C-E1:\tNeutral;\t(caf")
    with pytest.raises(
        DataError, match=f"{path} is not UTF-8: byte {at} is 0xe9.*iconv"
    ):
        run(release)


def test_a_label_file_in_utf_16_is_not_taken_for_one_without_labels(release, run):
    path = labels_of(release, "Ses02M_script01_1_F000")
    path.write_bytes(path.read_text().encode("utf-16-le"))
    with pytest.raises(DataError, match=f"{path} holds no label: .* UTF-8"):
        run(release)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1.0 - 2.0]\tSes01F_impro01_F777\tbored\t[2.5]", "is no label like"),
        ("[1.0 - 2.0] Ses01F_impro01_F777", "is no label like"),
        ("[1.0 - 2.0]\tSes09F_impro01_F777\tneu\t[2.5]", "is no utterance id like"),
    ],
)
def test_a_label_that_cannot_be_read_is_named_with_its_line(
    release, run, line, problem
):
    path = labels_of(release, "Ses01F_impro01_F000")
    number = len(path.read_text().splitlines()) + 1
    append(path, line)
    with pytest.raises(DataError, match=f"{path}:{number}: .*{problem}"):
        run(release)


def test_a_release_of_full_size_is_prepared_with_the_exact_counts(
    tmp_path, an4_wavs, run, capsys
):
    samples, rate = soundfile.read(an4_wavs[0], frames=800)
    soundfile.write(tmp_path / "short.wav", samples, rate)
    turns = make_turns(
        dict.fromkeys(RELEASE, [tmp_path / "short.wav"]),
        RELEASE,
        [f"impro{n:02d}" for n in range(1, 9)] + [f"script0{n}_1" for n in range(1, 8)],
    )
    assert len(turns) == 10039 and len({turn.dialog for turn in turns}) == 150
    release = write_iemocap(tmp_path, turns)
    data_dir = run(release)
    err = capsys.readouterr().err
    assert "but the corpus has" not in err and "5531 of 10039 turns are taken" in err
    counts = "anger 1103, happiness 1636, neutral 1708, sadness 1084"
    assert f"5531 utterances ({counts}), 10 folds in {data_dir}" in err
    data = read_kaldi_dir(data_dir)
    assert Counter(data.utt2label.values()) == {
        "anger": 1103,
        "happiness": 1636,
        "neutral": 1708,
        "sadness": 1084,
    }
    kept = [turn for turn in turns if turn.code in FOUR_CLASSES]
    assert Counter(data.utt2spk.values()) == Counter(
        turn.utt[:5] + turn.utt[-4] for turn in kept
    )
    assert len(set(data.utt2spk.values())) == 10
    assert len(data.utt2votes) == 5531 and all(data.text.values())
    folds = read_folds(data_dir)
    assert sum(len(fold.test) for fold in folds) == 5531
    by_scenario = read_folds(run(release, "--folds", "speaker+scenario"))
    utt2group, sizes = read_kaldi_dir(data_dir).utt2group, []
    assert len(set(utt2group.values())) == 15 and len(by_scenario) == 30
    assert sorted(u for fold in by_scenario for u in fold.test) == data.utts
    for fold in by_scenario:
        others = {utt2group[u] for u in (*fold.train, *fold.valid)}
        assert not others & {utt2group[u] for u in fold.test} and len(others) == 10
        sizes.append([len(part) for part in (fold.train, fold.valid, fold.test)])
    # Eight of ten speakers train and one validates, on two thirds; all are tested.
    assert list(map(sum, zip(*sizes, strict=True))) == [16 * 5531, 2 * 5531, 5531]
    assert list(map(min, *sizes)) == [2916, 363, 181]
    assert list(map(max, *sizes)) == [2975, 374, 189]
    metadata_alone_scores_every_turn(data_dir, folds, by_scenario)
    # The release lacks one turn: that is said.
    lost = dataclasses.replace(kept[0], code="xxx")
    path = labels_of(release, lost.utt)
    old = f"{lost.utt}\tang"
    path.write_text(path.read_text().replace(old, f"{lost.utt}\txxx"))
    run(release)
    assert "1102 utterances of anger, but the corpus has 1103" in (
        capsys.readouterr().err
    )


def metadata_alone_scores_every_turn(data_dir, by_speaker, by_scenario):
    """Check the row without an encoder; here labels follow no scenario."""
    data = read_kaldi_dir(data_dir)
    known = read_metadata(data)
    for folds in (by_speaker, by_scenario):
        tested = Scored(folds, data.utt2label, data.utt2spk, data.classes)
        name, scores = from_metadata(tested, known)
        assert name == "metadata alone: speaker, group, sentence"
        assert (scores["n"], scores["ci95_over"]) == (5531, "speakers")
        right = scores["wa"] * 5531
        assert right == pytest.approx(round(right)) and 0 < right < 5531 / 2
        chance = majority(tested)
        assert (round(5531 * chance["wa"]), chance["ua"]) == (1708, 0.25)


def test_help_names_every_option():
    result = run_recipe(RECIPE, "--help")
    assert result.returncode == 0
    options = ("--iemocap", "--folds", "--improvised_only", "--all_categories")
    assert all(f"  {option} " in result.stdout for option in options)


def test_unknown_folds_are_refused_at_once():
    result = run_recipe(RECIPE, "--folds", "sesion")
    assert result.returncode == 2
    assert result.stderr.startswith(
        "error: --folds 'sesion' must be speaker, speaker+scenario, session or espnet"
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "iemocap_fbank_rnn_attention_seed0"),
        (
            ["--improvised_only", "--tag", "a"],
            "iemocap_improvised_fbank_rnn_attention_a_seed0",
        ),
        (
            ["--all_categories", "--improvised_only", "--folds", "session"],
            "iemocap_all_improvised_fbank_rnn_attention_session_seed0",
        ),
        (
            ["--all_categories", "--folds", "espnet", "--tag", "a"],
            "iemocap_all_fbank_rnn_attention_a_espnet_seed0",
        ),
    ],
)
def test_other_utterances_and_folds_get_experiments_of_their_own(
    tmp_path, release, options, name
):
    """Stage 6 without stage 5 names the experiment that it misses."""
    recipe = tmp_path / "clone" / "egs" / "iemocap"
    shutil.copytree(RECIPE / "local", recipe / "local")
    shutil.copy(RECIPE / "run.sh", recipe)
    for path in ("local", "conf", "egs/iemocap/conf"):
        (tmp_path / "clone" / path).symlink_to(RECIPE.parents[1] / path)
    options = ["--iemocap", str(release), "--encoder", "conf/encoder/fbank.yaml"] + (
        options
    )
    result = run_recipe(recipe, *options, "--stop_stage", "0")
    assert result.returncode == 0, result.stderr
    result = run_recipe(recipe, *options, "--stage", "6", "--stop_stage", "6")
    assert result.returncode == 1 and f"exp/{name}/" in result.stderr


def test_later_stages_refuse_the_folds_of_another_scheme(tmp_path, release):
    recipe = clone_recipe("iemocap", tmp_path / "clone")
    options = ["--iemocap", release, "--folds", "session", "--stop_stage", "0"]
    assert run_recipe(recipe, *options).returncode == 0
    result = run_recipe(recipe, "--stage", "4")
    assert result.returncode == 2
    assert result.stderr == (
        "error: data/iemocap was prepared with --folds session, not with --folds "
        "speaker: run stage 0, too\n"
    )


def test_the_corpus_is_asked_for_before_anything_is_done():
    result = run_recipe(RECIPE)
    assert result.returncode == 2
    assert result.stderr.startswith("error: --iemocap '' must be the folder IEMOCAP")
