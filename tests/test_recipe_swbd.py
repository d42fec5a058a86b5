"""SWBD-sentiment: votes, sides, counts, splits, and the errors of its layout."""

import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from recipe_fixtures import clone_recipe, recipe_module, run_recipe
from swbd_tree import (
    RATE,
    ROWS,
    make_tree,
    write_callers,
    write_labels,
    write_sphere,
    write_swbd,
    write_transcript,
)

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.audio import read_audio
from espnet_sentiment.data.dump import dump_audio
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir

RECIPE = Path(__file__).parents[1] / "egs" / "swbd_sentiment"
MODULES = ("ldc", "ms98")
NEGATIVE, NEUTRAL, POSITIVE = (annotations for annotations, _ in ROWS)


@pytest.fixture(scope="module")
def recipe():
    """Import the recipe's modules."""
    with recipe_module("swbd_sentiment") as prepare:
        yield {name: sys.modules[name] for name in MODULES} | {"prepare": prepare}


def run(recipe, tree, *options):
    data_dir = tree.swbd.parent / "data" / "swbd_sentiment"
    recipe["prepare"].main([*tree.options, "--data_dir", str(data_dir), *options])
    return data_dir


@pytest.fixture(scope="module")
def whole(tmp_path_factory, an4_wavs):
    """Write a tree whose every row is an utterance."""
    return write_swbd(tmp_path_factory.mktemp("swbd"), an4_wavs, n_callers=7)


@pytest.fixture
def tree(tmp_path, whole):
    """Copy that tree, to be changed."""
    for folder in (whole.swbd, whole.labels, whole.ms98):
        shutil.copytree(folder, tmp_path / folder.name)
    return make_tree(tmp_path)


# Seconds, as (start, end, words); the two sides speak at once from 3.0 to 4.5 and from
# 8.0 to 9.0, there at the very same times.
SIDE_A = [
    (0.5, 2.0, "hi [laughter]"),
    (2.0, 3.0, "[silence]"),
    (3.0, 4.5, "well th[at]- that is [it'n/isn't] it"),
    (4.5, 6.0, "[silence]"),
    (6.0, 7.0, "right"),
    (8.0, 9.0, "yes"),
    (9.0, 10.0, "<b_aside> [silence]"),
]
SIDE_B = [
    (0.0, 2.0, "[silence]"),
    (2.0, 3.0, "[laughter-uh-huh]"),
    (3.03, 4.5, "[noise] no them_1"),
    (4.5, 6.0, "i see [vocalized-noise]"),
    (8.0, 9.0, "no"),
    (9.0, 10.0, "[breathing] {yuppiedom}"),
]
THREE = "Neutral-{No emotion}#Positive-{Laughter}#Positive-{#1, Hopeful}"
PLANTED = [
    # row, start, end, annotations; then what becomes of it.
    ("sw02005_0", 0.5, 2.0, POSITIVE),  # A
    ("sw02005_1", 2.04, 2.96, NEUTRAL),  # B: A is silent; off by 0.04 s
    ("sw02005_2", 3.01, 4.49, NEGATIVE),  # A: 0.02 s from it, 0.03 s from B
    ("sw02005_3", 3.03, 4.5, THREE),  # B: 0.03 s from A
    ("sw02005_4", 4.5, 6.0, "Neutral-{No emotion}"),  # one annotator
    ("sw02005_5", 4.5, 6.0, "Neutral-{x}#Neutral-{y}"),  # two
    ("sw02005_6", 6.0, 7.0, "Negative-{x}#Neutral-{y}#Positive-{z}"),  # tie
    ("sw02005_7", 6.0, 7.0, "Negative-{x}#Neutral-{y}#Negative-{z}#Neutral-{w}"),  # tie
    ("sw02005_8", 4.56, 6.0, NEUTRAL),  # off by 0.06 s
    ("sw02005_9", 8.0, 9.0, NEUTRAL),  # both sides
    ("sw02005_10", 6.04, 7.0, NEGATIVE),  # A's, but the next row is nearer
    ("sw02005_11", 6.0, 7.05, NEUTRAL + "#Positive-{x}"),  # off by 0.05 s: farther
    ("sw02005_12", 9.0, 10.0, NEGATIVE + "#Positive-{x}"),  # B; A is silent
    ("sw02006_0", 1.0, 2.0, NEUTRAL),  # without recording
    ("sw02007_0", 1.0, 2.0, NEUTRAL),  # with a side's transcript only
]


@pytest.fixture
def planted(tmp_path, an4_wavs):
    """Write the rows above; the sides are two different utterances."""
    tree = make_tree(tmp_path)
    write_labels(tree, PLANTED)
    sides = [np.resize(read_audio(wav, RATE), 10 * RATE) for wav in an4_wavs[:2]]
    for conversation in ("sw02005", "sw02007"):
        write_sphere(tree.sph(conversation), np.stack(sides, 1))
    write_transcript(tree, "sw02005", "A", SIDE_A)
    write_transcript(tree, "sw02005", "B", SIDE_B)
    write_transcript(tree, "sw02007", "A", SIDE_A)
    write_callers(tree, {"sw02005": (1169, 1133)})
    return tree


@pytest.fixture
def planted_data(recipe, planted, monkeypatch):
    # Few rows leave nothing to validate and test in the release's order.
    fold = recipe["prepare"].Fold("1", ["a"], ["b"], ["c"])
    monkeypatch.setattr(recipe["prepare"], "split_by_row", lambda *_: fold)
    return run(recipe, planted)


def test_planted_rows_get_their_label_side_and_transcript(planted_data):
    data = read_kaldi_dir(planted_data)
    assert data.utt2label == {
        "sw1133-sw02005_1": "neutral",
        "sw1133-sw02005_12": "negative",
        "sw1133-sw02005_3": "positive",
        "sw1169-sw02005_0": "positive",
        "sw1169-sw02005_10": "negative",
        "sw1169-sw02005_2": "negative",
    }
    assert data.segments == {
        "sw1133-sw02005_1": "sw02005-B 2.040 2.960",
        "sw1133-sw02005_12": "sw02005-B 9.000 10.000",
        "sw1133-sw02005_3": "sw02005-B 3.030 4.500",
        "sw1169-sw02005_0": "sw02005-A 0.500 2.000",
        "sw1169-sw02005_10": "sw02005-A 6.040 7.000",
        "sw1169-sw02005_2": "sw02005-A 3.010 4.490",
    }
    assert data.text == {
        "sw1133-sw02005_1": "[LAUGHTER] uh-huh",
        "sw1133-sw02005_12": "[BREATHING] yuppiedom",
        "sw1133-sw02005_3": "[NOISE] no them",
        "sw1169-sw02005_0": "hi [LAUGHTER]",
        "sw1169-sw02005_10": "right",
        "sw1169-sw02005_2": "well th- that is it'n it",
    }
    assert data.utt2votes["sw1133-sw02005_12"] == "negative neutral negative positive"
    assert data.utt2votes["sw1133-sw02005_3"] == "neutral positive positive"
    assert set(data.utt2spk.values()) == {"sw1133", "sw1169"}
    assert data.channels == {"sw02005-A": "A", "sw02005-B": "B"}


def test_planted_rows_without_a_segment_are_listed(planted_data):
    lines = (planted_data / "unmatched").read_text().splitlines()
    assert lines == [
        "sw02005_8\t4.56\t6.0\tno segment within 0.05 s",
        "sw02005_9\t8.0\t9.0\tboth channels have a segment as near",
        "sw02005_11\t6.0\t7.05\tits segment sw2005A-ms98-a-0005 is that of sw02005_10",
        "sw02006_0\t1.0\t2.0\tmissing: recording sw02006",
        "sw02007_0\t1.0\t2.0\tmissing: transcript of sw02007",
    ]


def test_the_counts_and_what_is_missing_are_said(recipe, planted, capsys):
    with pytest.raises(
        DataError,
        match="6 of them utterances, leaves none for valid: 5 have no segment, check -",
    ):
        run(recipe, planted)
    said = capsys.readouterr().err
    assert (
        "15 rows: 2 with fewer than 3 votes, 2 without a majority, 5 unmatched, "
        "6 utterances" in said
    )
    assert "WARNING: 2 conversations of the labels are not complete" in said
    assert "sentiment_labels.tsv has 15 rows, but the release has 52293" in said


def correlation(a, b):
    length = min(len(a), len(b))
    return abs(np.corrcoef(a[:length], b[:length])[0, 1])


def test_the_audio_is_that_of_the_side_who_speaks(planted_data, an4_wavs, tmp_path):
    data = read_kaldi_dir(planted_data)
    dump_audio(data, tmp_path / "dump")
    sides = [np.resize(read_audio(wav, RATE), 10 * RATE) for wav in an4_wavs[:2]]
    for utt, flac in read_table(tmp_path / "dump" / "wav.scp").items():
        recording, start, end = data.segments[utt].split()
        cut = slice(round(float(start) * RATE), round(float(end) * RATE))
        heard = read_audio(flac, RATE)
        by_side = [correlation(heard, side[cut]) for side in sides]
        if recording.endswith("B"):
            by_side.reverse()
        assert by_side[0] > 0.98 and by_side[1] < 0.5, utt


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("Okay [silence] UH-HUH", "okay uh-huh"),
        ("[laughter-i'm] [laughter-th[at]-]", "[LAUGHTER] i'm [LAUGHTER] th-"),
        ("[laughter-the]- -[laughter-an]", "[LAUGHTER] the- [LAUGHTER] -an"),
        ("-[be]cause ab[solute]- ammu[n]it-", "-cause ab- ammu-it-"),
        ("[lem[guini]-/linguini] ex[specially]-/especially]", "lem- ex-"),
        ("them_1's {alrighty}", "them's alrighty"),
        ("<b_aside> <e_aside> [silence] -", ""),
        ("[vocalized-noise] [noise]", "[VOCALIZED-NOISE] [NOISE]"),
    ],
)
def test_the_transcripts_mark_up_is_resolved(recipe, words, text):
    assert recipe["ms98"].normalise(words.split()) == text


def test_every_row_of_a_whole_tree_is_an_utterance(recipe, whole, capsys):
    data_dir = run(recipe, whole)
    data = read_kaldi_dir(data_dir)
    assert Counter(data.utt2label.values()) == dict.fromkeys(
        ("negative", "neutral", "positive"), 20
    )
    assert (data_dir / "unmatched").read_text() == ""
    speakers = [data.utt2spk[utt] for utt in data.utts]
    assert speakers == sorted(speakers) and len(set(speakers)) == 7
    run(recipe, whole)
    assert "up to date" in capsys.readouterr().err


def test_rows_are_split_in_the_releases_order(recipe, whole):
    data_dir = run(recipe, whole)
    (fold,) = read_folds(data_dir)
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (54, 3, 3)
    assert {utt.partition("-")[2] for utt in fold.valid} == {
        f"sw02006_{n}" for n in (4, 5, 6)
    }
    labels = read_kaldi_dir(data_dir).utt2label
    for part in (fold.train, fold.valid, fold.test):
        assert {labels[utt] for utt in part} == {"negative", "neutral", "positive"}


@pytest.mark.parametrize("split", ["espnet", "speaker", "conversation"])
def test_rows_without_a_majority_train_alone_where_they_are_asked_for(
    recipe, tree, capsys, split
):
    lines = tree.tsv.read_text().splitlines()
    undecided = "Negative-{Scared}#Neutral-{None}#Positive-{Laughter}"
    changed = (4, 5, 55, 58)  # of training, validation and test, by row
    for number in changed:
        *fields, _ = lines[number].split("\t")
        lines[number] = "\t".join([*fields, undecided])
    tree.tsv.write_text("".join(f"{line}\n" for line in lines))
    options = ("--split", split)
    (before,) = read_folds(run(recipe, tree, *options))
    data_dir = run(recipe, tree, *options, "--no_majority", "train")
    assert "4 without a majority, to train where votes" in capsys.readouterr().err
    (fold,), data = read_folds(data_dir), read_kaldi_dir(data_dir)
    assert (fold.train, fold.valid, fold.test) == (
        before.train,
        before.valid,
        before.test,
    )
    extra = data.utt2spk.keys() - data.utt2label.keys()
    assert len(extra) == 4 and {data.utt2votes[utt] for utt in extra} == {
        "negative neutral positive"
    }
    if split == "espnet":
        names = {utt.partition("-")[2] for utt in fold.no_majority}
        assert names == {"sw02001_4", "sw02001_5"}
    else:
        scored = {data.utt2spk[utt] for utt in fold.valid + fold.test}
        expected = {utt for utt in extra if data.utt2spk[utt] not in scored}
        if split == "conversation":
            scored = {data.utt2group[utt] for utt in fold.valid + fold.test}
            expected = {utt for utt in expected if data.utt2group[utt] not in scored}
        assert set(fold.no_majority) == expected and expected


def test_the_release_is_split_as_espnet_splits_it(recipe):
    # Rows that are no utterances count, too.
    numbers = {str(n): n for n in (0, 47055, 47056, 49672, 49673, 52292)}
    fold = recipe["prepare"].split_by_row(numbers, 52293)
    assert fold.train == ["0", "47055"]
    assert fold.valid == ["47056", "49672"]
    assert fold.test == ["49673", "52292"]


def test_no_speaker_is_in_two_parts_of_the_speaker_split(recipe, whole):
    parts = []
    for _ in range(2):
        data_dir = run(recipe, whole, "--split", "speaker")
        (fold,) = read_folds(data_dir)
        parts.append([fold.train, fold.valid, fold.test])
        run(recipe, whole)
    assert parts[0] == parts[1]
    utt2spk = read_kaldi_dir(data_dir).utt2spk
    speakers = [{utt2spk[utt] for utt in part} for part in parts[0]]
    assert [len(some) for some in speakers] == [5, 1, 1]
    assert len(set.union(*speakers)) == 7 and sum(map(len, parts[0])) == 60


def test_neither_a_caller_nor_a_conversation_is_in_two_parts(recipe, whole, capsys):
    run(recipe, whole, "--split", "speaker")
    said = capsys.readouterr().err
    assert "of 5 tested utterances, 5 have their group in train, 0 in valid" in said
    data_dir = run(recipe, whole, "--split", "conversation")
    said = capsys.readouterr().err
    left_out = "is scored: 10 of 50 that would train, 0 of 5 that would validate"
    assert left_out in said
    assert "of 5 tested utterances, 0 have their group in train, 0 in valid" in said
    (fold,), data = read_folds(data_dir), read_kaldi_dir(data_dir)
    parts = (fold.train, fold.valid, fold.test)
    assert [len(part) for part in parts] == [40, 5, 5]
    assert len(data.utt2group) == 60
    for of in (data.utt2spk, data.utt2group):
        kept = [{of[utt] for utt in part} for part in parts]
        assert sum(map(len, kept)) == len(set.union(*kept))


def test_without_the_callers_a_side_is_a_speaker_and_that_is_said(recipe, tree, capsys):
    shutil.rmtree(tree.swbd / "docs")
    data_dir = run(recipe, tree)
    assert "callers of 12 of 12 sides are not known, sw02001-A first; each counts" in (
        capsys.readouterr().err
    )
    utt2spk = read_kaldi_dir(data_dir).utt2spk
    assert utt2spk["sw02001-B-sw02001_1"] == "sw02001-B"
    with pytest.raises(DataError, match="--split speaker needs them: put LDC97S62's"):
        run(recipe, tree, "--split", "speaker")


def test_a_conversation_that_the_table_of_calls_lacks_is_named(recipe, tree, capsys):
    table = tree.swbd / "docs" / "conv_tab.csv"
    table.write_text("".join(table.read_text().splitlines(True)[:-1]))
    run(recipe, tree)
    assert "of 2 of 12 sides are not known, sw02006-A first" in capsys.readouterr().err
    # A mark too many swallows no line but its own.
    write_callers(tree, {f"sw0200{i}": (i, i + 6) for i in range(1, 7)})
    table.write_text(table.read_text().replace('"Y"', '"Y', 1))
    run(recipe, tree)
    assert "of 2 of 12 sides are not known, sw02001-A first" in capsys.readouterr().err
    table.write_text("no calls\n")
    with pytest.raises(DataError, match=r"conv_tab.csv names no callers.*2005,Y,1169"):
        run(recipe, tree)


def test_the_transcripts_may_lie_below_the_recordings(recipe, tree):
    shutil.move(tree.ms98, tree.swbd / "swb_ms98_transcriptions")
    data_dir = tree.swbd.parent / "data"
    options = ["--swbd", str(tree.swbd), "--sentiment_labels", str(tree.labels)]
    recipe["prepare"].main([*options, "--data_dir", str(data_dir)])
    assert len(read_table(data_dir / "segments")) == 60


@pytest.mark.parametrize("folder", [".", "speech_sentiment_annotations"])
def test_the_labels_are_found_from_both_folders(recipe, tree, folder):
    found = recipe["ldc"].find_labels(str(tree.labels / folder))
    assert found.samefile(tree.tsv)


def test_the_file_of_the_labels_may_be_named(recipe, tree):
    data_dir = run(recipe, tree, "--sentiment_labels", str(tree.tsv))
    assert len(read_table(data_dir / "utt2label")) == 60


@pytest.mark.parametrize("part", ["20", "20/2001"])
def test_a_part_of_the_transcripts_is_refused_with_the_whole(recipe, tree, part):
    folder = tree.ms98 / part
    with pytest.raises(DataError) as error:
        run(recipe, tree, "--ms98", str(folder))
    assert str(error.value) == (
        f"--ms98 {folder} holds a part of the transcripts only: name {tree.ms98}"
    )
    # A folder above is none.
    above = tree.ms98.parent / "above"
    above.mkdir()
    shutil.move(tree.ms98, above / "ms98")
    assert len(read_table(run(recipe, tree, "--ms98", str(above)) / "text")) == 60


@pytest.mark.parametrize(
    ("rows", "remedy"), [(2, "take more rows of the rele"), (60, "3 have no segment, ")]
)
def test_an_empty_part_gets_the_remedy_of_its_cause(recipe, tree, rows, remedy):
    # Rows 57 to 59 are the test part of 60 rows; other transcripts do not fit them.
    lines = tree.tsv.read_text().splitlines(True)
    late = [line.replace("\t", "\t9", 1) for line in lines[57:]]
    tree.tsv.write_text("".join([*lines[:57], *late][:rows]))
    with pytest.raises(DataError, match=f"leaves none for (valid|test): {remedy}"):
        run(recipe, tree)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("..", "LDC2020T14/speech_sentiment_annotations"),
        ("speech_sentiment_annotations/data", "speech_sentiment_annotations"),
    ],
)
def test_a_path_one_level_off_gets_the_right_one(recipe, tree, given, right):
    with pytest.raises(
        DataError, match=f"^--sentiment_labels .* is one level off: name .*{right}$"
    ):
        recipe["ldc"].find_labels(str(tree.labels / given))


def without(option):
    return lambda tree: [
        value
        for pair in zip(tree.options[::2], tree.options[1::2], strict=True)
        for value in pair
        if pair[0] != option
    ]


def instead(option, path):
    return lambda tree: [*tree.options, option, str(tree.swbd.parent / path)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (without("--swbd"), "--swbd is missing: name the folder of LDC97S62"),
        (without("--sentiment_labels"), "--sentiment_labels is missing: .*LDC2020T14"),
        (without("--ms98"), "without --ms98, .* holds no transcripts .*isip.*--ms98"),
        (instead("--swbd", "nowhere"), "--swbd .*nowhere does not exist"),
        (instead("--swbd", "LDC97S62/docs"), "docs holds no recordings named like sw0"),
        (instead("--sentiment_labels", "nowhere"), "nowhere: neither .* exists: name"),
        (instead("--ms98", "nowhere"), "--ms98 .*nowhere does not exist"),
        (instead("--ms98", "LDC97S62"), "--ms98 .*LDC97S62 holds no transcripts"),
    ],
)
def test_a_wrong_folder_is_named_with_the_remedy(recipe, tree, options, message):
    data_dir = tree.swbd.parent / "data"
    with pytest.raises(DataError, match=message):
        recipe["prepare"].main([*options(tree), "--data_dir", str(data_dir)])
    assert not data_dir.exists()


def test_two_copies_below_a_folder_too_high_are_refused(recipe, tree):
    copy = tree.swbd.parent / "copies"
    copy.mkdir()
    for name in "12":
        shutil.copytree(tree.swbd, copy / name)
    options = [*tree.options, "--swbd", str(copy)]
    with pytest.raises(DataError, match=r"--swbd .*holds sw02001.sph twice, .*one rel"):
        recipe["prepare"].main([*options, "--data_dir", str(copy / "data")])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "sw02001_0\t0.25\t1.25\tNeutral-{x}",
            "tsv:61: 'sw02001_0' occurs twice",
        ),
        (
            "sw02001_77\t0.25\tNeutral-{x}",
            "tsv:61: .* is not utterance, start, end and",
        ),
        (
            "sw02001_77\ta\tb\tNeutral-{x}",
            "tsv:61: .* is not utterance, start, end and",
        ),
    ],
)
def test_a_bad_row_of_the_labels_is_named(recipe, tree, line, message):
    with open(tree.tsv, "a") as labels:
        labels.write(line + "\n")
    with pytest.raises(DataError, match=message):
        run(recipe, tree)


def test_labels_in_another_encoding_are_named_and_crlf_is_none(recipe, tree):
    text = tree.tsv.read_text()
    tree.tsv.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert len(recipe["ldc"].read_labels(tree.tsv)) == 60
    tree.tsv.write_bytes(text.encode("utf-16"))
    with pytest.raises(DataError, match="sentiment_labels.tsv is not UTF-8.*iconv"):
        run(recipe, tree)


def test_a_bad_line_of_a_transcript_is_named(recipe, tree):
    with open(tree.transcript("sw02003", "A"), "a") as transcript:
        transcript.write("sw2003A-ms98-a-0099 1.2\n")
    with pytest.raises(DataError, match=r"sw2003A-ms98-a-trans.text:\d+: .*is not"):
        run(recipe, tree)


def test_labels_of_other_recordings_are_refused(recipe, tree):
    text = tree.tsv.read_text()
    tree.tsv.write_text(text.replace("sw020", "sw030"))
    with pytest.raises(DataError, match="no row of the labels .*recording sw03001"):
        run(recipe, tree)


def test_macos_files_are_passed_over(recipe, tree):
    for path in (tree.sph("sw02001"), tree.transcript("sw02001", "A")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    assert len(read_table(run(recipe, tree) / "segments")) == 60


def test_help_names_the_options_and_a_bad_split_is_refused():
    result = run_recipe(RECIPE, "--help")
    assert result.returncode == 0
    for option in ("--swbd", "--sentiment_labels", "--ms98", "--split", "--sentiment "):
        assert f"  {option}" in result.stdout
    assert "--sentiment DIR" in result.stdout and "--transcripts DIR" in result.stdout
    result = run_recipe(RECIPE, "--split", "row")
    assert result.returncode == 2
    assert result.stderr.startswith("error: --split 'row' must be espnet, speaker")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--sentiment", "/no"],
            "--sentiment '/no' does not exist; conf/sentiment holds cnn.yaml",
        ),
        (
            ["--sentiment", "conf/sentiment/mlp.yaml conf/no.yaml"],
            "--sentiment 'conf/no.yaml' does not exist",
        ),
        (
            ["--transcripts", "/no"],
            "--transcripts '/no' does not exist; conf/encoder holds",
        ),
        ([], "--swbd '' must be the folder LDC97S62"),
        (["--transcripts", "reference"], "--swbd '' must be the folder LDC97S62"),
        (["--swbd", "/"], "--sentiment_labels '' must be the folder LDC2020T14"),
    ],
)
def test_a_folder_that_is_missing_is_named_at_once(options, message):
    result = run_recipe(RECIPE, *options)
    assert result.returncode == 2 and result.stderr.startswith(f"error: {message}")


def test_other_stages_refuse_a_split_that_stage_0_did_not_write(tmp_path):
    clone = clone_recipe("swbd_sentiment", tmp_path / "clone")
    # What stage 0 leaves when it was run with --split speaker.
    prepared = clone / "data" / "swbd_sentiment" / "options"
    prepared.parent.mkdir(parents=True)
    prepared.write_text("--split speaker\n")
    result = run_recipe(clone, "--stage", "4")
    assert result.returncode == 2
    assert "with --split speaker, not with --split espnet: run stage" in result.stderr
