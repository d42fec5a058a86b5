"""Manifests: tables, their errors, their folds, and the recipe's options."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from recipe_fixtures import clone_recipe, recipe_module, run_recipe

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.manifest import Reading, make_folds, read_manifest
from espnet_sentiment.data.records import read_records
from espnet_sentiment.recipe.prepare import Corpus, prepare

RECIPE = Path(__file__).parents[1] / "egs" / "manifest"


@pytest.fixture
def rows(an4_wavs):
    """Return rows for real speech: 4 speakers, 2 classes, 16 utterances."""
    return [
        {
            "path": str(an4_wavs[(4 * s + i) % len(an4_wavs)]),
            "label": "joy" if i % 2 else "anger",
            "speaker": f"s{s}",
            "utt": f"s{s}-{i}",
        }
        for s in range(4)
        for i in range(4)
    ]


def write(path, rows):
    """Write a manifest of the kind that its name says."""
    if path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path
    with open(path, "w", newline="", encoding="utf-8") as stream:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        writer = csv.DictWriter(stream, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def error_of(path, audio_dir=None):
    with pytest.raises(DataError) as error:
        read_manifest(path, audio_dir)
    return str(error.value)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_every_kind_of_table_says_the_same(tmp_path, rows, kind):
    for row in rows:
        row |= {"text": 'Ja, "so" – ü', "votes": "joy joy anger+joy"}
    manifest = read_manifest(write(tmp_path / f"m.{kind}", rows))
    first = manifest.utterances[0]
    assert (first.utt, first.speaker, first.label) == ("s0-0", "s0", "anger")
    assert first.text == 'Ja, "so" – ü'
    assert first.votes == ("joy", "joy", "anger+joy")
    assert len(manifest.utterances) == 16
    assert not [said for said in manifest.said if "without a meaning" in said]


def test_json_lines_may_hold_numbers_and_lists(tmp_path, rows):
    row = {"path": rows[0]["path"], "label": 1, "start": 0.1, "end": 1, "speaker": 7}
    path = write(tmp_path / "m.jsonl", [row | {"votes": ["1", "0"], "text": None}])
    utterance = read_manifest(path).utterances[0]
    assert (utterance.label, utterance.speaker, utterance.votes) == (
        "1",
        "7",
        ("1", "0"),
    )
    assert (utterance.start, utterance.end, utterance.text) == (0.1, 1.0, "")


def test_votes_may_be_counted_and_are_mapped_as_labels_are(tmp_path, rows):
    for row in rows:
        row |= {"votes": "joy:3; anger:1"}
    path = write(tmp_path / "m.csv", rows)
    reading = Reading(labels={"joy": "happiness"})
    first = read_manifest(path, reading=reading).utterances[0]
    assert first.votes == ("happiness:3", "anger:1")


def _without_majority(rows, *numbers):
    for i, row in enumerate(rows):
        row |= {"votes": f"{row['label']} {row['label']} joy"}
        if i in numbers:
            row |= {"label": "", "votes": "joy anger"}
    return [rows[i]["utt"] for i in numbers]


def test_a_row_with_votes_and_no_label_is_refused_with_what_lets_it_train(
    tmp_path, rows
):
    _without_majority(rows, 5)
    path = write(tmp_path / "m.csv", rows)
    said = error_of(path)
    assert "m.csv:7: column label is empty" in said
    assert "or let its votes train, --no_majority train" in said
    manifest = read_manifest(path, reading=Reading(no_majority=True))
    assert manifest.utterances[5].label is None
    rows[5] |= {"votes": ""}
    path = write(tmp_path / "m.csv", rows)
    with pytest.raises(DataError, match="column label is empty") as refused:
        read_manifest(path, reading=Reading(no_majority=True))
    assert "--no_majority" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["speaker", "4", "fold", "split", "split, no valid"])
def test_rows_without_a_label_train_where_nothing_of_theirs_is_scored(
    tmp_path, rows, scheme
):
    undecided = _without_majority(rows, 1, 6, 11)
    for i, row in enumerate(rows):
        part = ["train", "valid", "test", "train"][i // 4]
        if scheme == "fold":
            row["fold"] = f"f{i // 4}"
        if scheme.startswith("split"):
            row["split"] = part if scheme == "split" or i // 4 == 2 else "train"
    path = write(tmp_path / "m.csv", rows)
    manifest = read_manifest(path, reading=Reading(no_majority=True))
    said = []
    option = scheme if scheme in ("speaker", "4") else ""
    folds = make_folds(manifest, option, said.append)
    speaker = {u.utt: u.speaker for u in manifest.utterances}
    for fold in folds:
        assert not {*undecided} & {*fold.train, *fold.valid, *fold.test}
        scored = {speaker[utt] for utt in (*fold.valid, *fold.test)}
        expected = [utt for utt in undecided if speaker[utt] not in scored]
        assert fold.no_majority == expected
    trained = {utt for fold in folds for utt in fold.no_majority}
    assert said[-1] == (
        f"3 rows have no label: {len(trained)} train where votes are the target, "
        f"{3 - len(trained)} never; none is scored"
    )
    assert trained or scheme == "split, no valid"


def test_a_byte_order_mark_crlf_and_empty_lines_are_tolerated(tmp_path, rows):
    path = write(tmp_path / "m.csv", rows)
    plain = read_manifest(path).utterances
    text = path.read_text() + "\n\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_manifest(path).utterances == plain
    path = write(tmp_path / "m.jsonl", rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_manifest(path).utterances == plain


def test_paths_start_from_the_manifest_or_from_the_audio_folder(tmp_path, an4_wavs):
    wav = an4_wavs[0]
    rows = [{"path": wav.name, "label": "a"}]
    beside = wav.with_name("m.csv")
    try:
        assert read_manifest(write(beside, rows)).utterances[0].wav == str(wav)
    finally:
        beside.unlink()
    manifest = read_manifest(write(tmp_path / "m.csv", rows), wav.parent)
    assert manifest.utterances[0].wav == str(wav)


def test_ids_default_to_speaker_file_channel_and_times(tmp_path, rows):
    stem = Path(rows[0]["path"]).stem
    row = {"path": rows[0]["path"], "label": "a"}
    cut = {"start": "0.25", "end": "1.5", "channel": "1", "speaker": "s"}
    for extra, expected, speaker in [
        ({}, stem, stem),
        ({"speaker": "s"}, f"s-{stem}", "s"),
        (cut, f"s-{stem}-B-0000250-0001500", "s"),
    ]:
        path = write(tmp_path / "m.csv", [row | extra])
        utterance = read_manifest(path).utterances[0]
        assert (utterance.utt, utterance.speaker) == (expected, speaker)
    assert utterance.channel == "B"


def test_segments_and_channels_reach_the_data_directory(tmp_path, an4_wavs):
    rows = [
        {
            "path": str(an4_wavs[0]),
            "label": "ab"[i % 2],
            "speaker": f"s{i}",
            "start": i * 0.2,
            "end": i * 0.2 + 0.2,
            "channel": "A",
        }
        for i in range(3)
    ]
    manifest = read_manifest(write(tmp_path / "m.csv", rows))
    folds = make_folds(manifest, "", print)
    prepare(tmp_path / "data", Corpus(manifest.utterances, folds))
    data = read_kaldi_dir(tmp_path / "data")
    assert len(data.wav_scp) == 1 and len(data.segments) == 3
    assert [row.split()[1] for row in data.segments.values()] == [
        "0.000",
        "0.200",
        "0.400",
    ]
    assert set(data.channels.values()) == {"A"}
    assert len(read_folds(tmp_path / "data")) == 3


def test_cut_recordings_of_one_name_are_refused(tmp_path, rows):
    for i, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        shutil.copy(rows[i]["path"], tmp_path / folder / "x.sph")
        rows[i] |= {"path": str(tmp_path / folder / "x.sph"), "start": 0, "end": 0.1}
    error = error_of(write(tmp_path / "m.csv", rows[:2]))
    assert "m.csv:3: column path:" in error and "rename one of the two" in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": ""}, "column label is empty: fill it in every row"),
        ({"label": "nan"}, "column label: 'nan' is what programs write where a value"),
        ({"utt": "1.2E+11"}, "column utt: '1.2E+11' is what programs write for a long"),
        ({"utt": "s0-0"}, "m.csv:2: give each row"),
        ({"speaker": ""}, "column speaker is empty"),
        (
            {"path": "no.wav"},
            "no.wav does not exist",
        ),
        ({"start": "2", "end": "1"}, "column end: 1.0 is not after start 2.0"),
        ({"start": "1", "end": "1.0001"}, "column end: 1.0 is not after start 1.0"),
        (
            {"start": "0", "end": "0.0035"},
            "column end: from 0.0 to 0.004 are less than",
        ),
        (
            {"start": "-1", "end": "1"},
            "column start: '-1' is not a time: write seconds",
        ),
        ({"start": "nan", "end": "1"}, "column start: no time: write seconds"),
        ({"start": "0", "end": "50%"}, "column end: '50%' is not a time"),
        ({"start": "0", "end": "1_0"}, "column end: '1_0' is not a time"),
        ({"start": "0", "end": "01:30"}, "column end: '01:30' is not a time"),
        ({"split": "eval"}, "column split: 'eval' is none of train, valid, test"),
        ({"channel": "C"}, "column channel: 'C' is none of A, B, 0, 1"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column(tmp_path, rows, change, message):
    good = {"start": "0", "end": "1", "split": "train", "channel": ""}
    for row in rows:
        row |= {key: good[key] for key in change if key in good}
        if "start" in change:
            row |= {"start": "0", "end": "1"}
    rows[2] |= change
    path = write(tmp_path / "m.csv", rows)
    error = error_of(path)
    head, line = error.splitlines()
    assert head.startswith(f"{path}: 1 of 16 rows cannot be used")
    assert line.startswith(f"  {path}:4: ")
    assert message in error


def test_the_remedy_for_missing_recordings_is_told_once(tmp_path, rows):
    for row in rows[:9]:
        row["path"] = Path(row["path"]).name
    path = write(tmp_path / "m.csv", rows)
    for error in (error_of(path), error_of(path, tmp_path)):
        head, *lines = error.splitlines()
        assert "9 of 16 rows cannot be used, 9 because there is no such rec" in head
        assert len(lines) == 9 and error.count("--audio_dir") == 1
    assert "rec" not in error_of(write(path, [row | {"label": ""} for row in rows[9:]]))
    error = error_of(path, tmp_path / "no")
    assert error == f"--audio_dir {tmp_path / 'no'} is no folder: check the path"


def test_all_bad_rows_are_counted_and_twenty_named(tmp_path, rows):
    bad = [row | {"label": "", "utt": f"u{i}"} for i, row in enumerate(rows * 2)]
    error = error_of(write(tmp_path / "m.csv", bad))
    assert "32 of 32 rows" in error and error.count("column label") == 20
    assert error.endswith("... and 12 more")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("x,label", ":1: column path is missing; there are x, label: add what is"),
        ("x,y,start", ":1: the columns cannot be used\n  columns start and end: give"),
        ("path,label,start", ":1: columns start and end: give both of them"),
        ("path,label,split,fold", ":1: columns split and fold: keep one of them"),
        ("path,label,label", ":1: a column stands there twice: rename one"),
        ("", ":1: columns path and label are missing; there are none"),
        ("path,label", " has no rows: write one for each utterance"),
        ("path,label\na.wav", ":2: 1 fields, but the header has 2"),
        ('path,label\na.wav,"x', ":2: a double quote opens a field that does not end"),
    ],
)
def test_a_bad_header_or_table_is_named(tmp_path, header, message):
    path = tmp_path / "m.csv"
    path.write_text(header + "\n")
    assert f"{path}{message}" in error_of(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "m.csv",
            "path,label\nTüte.wav,a\n".encode("latin1"),
            "is not UTF-8 (byte 12)",
        ),
        ("m.jsonl", b'{"path": "a.wav"}\n{"path"\n', ":2: not valid JSON"),
        ("m.jsonl", b"[1]\n", ":1: not an object"),
        ("m.doc", b"PK", "unknown kind of table: name it .csv, .tsv, .jsonl, .json"),
        ("m.xlsx", b"PK", "is no spreadsheet that can be read"),
        ("m.parquet", b"PK", "is no Parquet file that can be read"),
        ("m.csv", b"PK\x03\x04", "is a spreadsheet or a ZIP archive: name it .xlsx"),
        ("m.csv", b"version https://git-lfs.github.com/spec/v1", "run git lfs pull"),
        ("m.tsv", b"<!DOCTYPE html>", "is a web page: download the table itself"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)):
        read_records(path)


def test_a_missing_manifest_is_named(tmp_path):
    assert "no.csv is not a file: check the path" in error_of(tmp_path / "no.csv")


def folds_of(tmp_path, rows, scheme=""):
    """Return the folds of rows, and what is said about them."""
    said = []
    manifest = read_manifest(write(tmp_path / "m.csv", rows))
    return make_folds(manifest, scheme, said.append), said


def test_without_given_folds_one_speaker_is_left_out(tmp_path, rows):
    folds, said = folds_of(tmp_path, rows)
    assert [f.test[0] for f in folds] == ["s0-0", "s1-0", "s2-0", "s3-0"]
    assert said == []


def test_tested_speakers_and_groups_are_left_out_together(tmp_path, rows):
    grouped = [{**row, "group": f"text {i % 4}"} for i, row in enumerate(rows)]
    folds, _ = folds_of(tmp_path, grouped, "speaker+group")
    assert len(folds) == 12
    assert sorted(u for f in folds for u in f.test) == sorted(r["utt"] for r in rows)
    for fold in folds:
        (speaker,), groups = {u[:2] for u in fold.test}, {u[3:] for u in fold.test}
        for utt in (*fold.train, *fold.valid):
            assert utt[:2] != speaker and utt[3:] not in groups
    data = read_manifest(write(tmp_path / "m.csv", grouped))
    assert {u.group for u in data.utterances} == {f"text_{n}" for n in range(4)}


def test_leaving_groups_out_needs_a_group_in_every_row(tmp_path, rows):
    message = "needs a column group, and a name in every row; 16 have none, s0-0 first"
    with pytest.raises(DataError, match=message):
        folds_of(tmp_path, rows, "speaker+group")
    grouped = [{**row, "group": "a"} for row in rows]
    with pytest.raises(DataError, match="all utterances are of group a: add others"):
        folds_of(tmp_path, grouped, "speaker+group")
    grouped[3]["group"] = ""
    with pytest.raises(DataError, match="1 have none, s0-3 first: fill it in"):
        folds_of(tmp_path, grouped, "speaker+group")


def test_a_given_split_is_one_fold(tmp_path, rows):
    for row in rows:
        split = {"s2": "valid", "s3": "test"}.get(row["speaker"], "train")
        row["split"] = split
    (fold,), said = folds_of(tmp_path, rows)
    assert (fold.name, len(fold.train), said) == ("1", 8, [])
    assert {u[:2] for u in fold.valid} == {"s2"} and {u[:2] for u in fold.test} == {
        "s3"
    }
    assert len(folds_of(tmp_path, rows, "speaker")[0]) == 4


def test_a_split_without_validation_takes_speakers_of_train_and_says_so(tmp_path, rows):
    for row in rows:
        row["split"] = "test" if row["speaker"] == "s3" else "train"
    (fold,), said = folds_of(tmp_path, rows)
    assert len(fold.valid) == 4 and len({u[:2] for u in fold.valid}) == 1
    assert "whole speakers taken out of train validate" in said[0]


def test_a_split_without_test_is_refused(tmp_path, rows):
    rows = [row | {"split": "train"} for row in rows]
    with pytest.raises(DataError, match="column split: no row is test: add some"):
        folds_of(tmp_path, rows)


def test_given_folds_keep_their_names(tmp_path, rows):
    for i, row in enumerate(rows):
        row["fold"] = ["10", "9", "a"][i % 3]
    folds, _ = folds_of(tmp_path, rows)
    assert [f.name for f in folds] == ["9", "10", "a"]
    assert folds[0].test == ["s0-1", "s1-0", "s1-3", "s2-2", "s3-1"]


def test_k_folds_share_no_speaker(tmp_path, rows):
    folds, said = folds_of(tmp_path, rows, "4")
    assert len(folds) == 4 and said == []
    assert all(len({u[:2] for u in f.test}) == 1 for f in folds)
    with pytest.raises(DataError) as error:
        folds_of(tmp_path, rows, "5")
    assert str(error.value) == (
        f"{tmp_path / 'm.csv'}: --folds 5: 4 speakers are too few for 5 folds: ask for "
        "fewer, or give a column split"
    )


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("", "--folds speaker: leave-one-speaker-out needs at least 3 .* 2 (s0, s1): "),
        ("3", "--folds 3: 2 speakers are too few for 3 folds: "),
    ],
)
def test_two_speakers_get_a_remedy(tmp_path, rows, scheme, message):
    rows = [row for row in rows if row["speaker"] in ("s0", "s1")]
    with pytest.raises(DataError) as error:
        folds_of(tmp_path, rows, scheme)
    for part in message.split(" .* "):
        assert part in str(error.value)
    assert str(error.value).endswith(": add some, or give a column split")


def test_two_given_folds_are_refused(tmp_path, rows):
    rows = [row | {"fold": str(i % 2)} for i, row in enumerate(rows)]
    with pytest.raises(
        DataError, match=r"--folds given: leave-one-fold-out .*\(0, 1\)"
    ):
        folds_of(tmp_path, rows)


@pytest.mark.filterwarnings("error")
def test_a_class_too_rare_for_the_folds_is_said(tmp_path, rows):
    for row in rows[:2]:
        row["label"] = "fear"
    folds, said = folds_of(tmp_path, rows, "4")
    assert len(folds) == 4 and said == [
        "WARNING: classes of fewer than 4 utterances are not tested in each of 4 "
        "folds: fear 2"
    ]


def test_a_class_that_no_training_utterance_has_is_said_once(tmp_path, rows, capsys):
    for row in rows:
        if row["speaker"] == "s1":
            row["label"] = "fear"
    manifest = read_manifest(write(tmp_path / "m.csv", rows))
    folds = make_folds(manifest, "", print)
    for _ in range(2):
        prepare(tmp_path / "data", Corpus(manifest.utterances, folds))
    said = capsys.readouterr().err
    # The next speaker validates: s1 does where s0 is tested.
    unknown = "fold 1 validates fear, fold 2 tests fear, which no training utterance"
    assert said.count("no training utterance") == 1 and f"WARNING: {unknown}" in said


def test_five_folds_with_unlearned_classes_are_named(tmp_path, rows, capsys):
    for i, row in enumerate(rows):
        row |= {"label": f"c{i // 2}", "fold": str(i // 2)}
    manifest = read_manifest(write(tmp_path / "m.csv", rows))
    folds = make_folds(manifest, "", print)
    prepare(tmp_path / "data", Corpus(manifest.utterances, folds))
    said = capsys.readouterr().err
    assert "fold 0 tests c0, fold 0 validates c1, fold 1 tests c1" in said
    assert "fold 2 tests c2, ... and 11 more, which no" in said


def test_one_fold_is_counted_as_one(tmp_path, rows, capsys):
    parts = {"s2": "valid", "s3": "test"}
    rows = [row | {"split": parts.get(row["speaker"], "train")} for row in rows]
    manifest = read_manifest(write(tmp_path / "m.csv", rows))
    folds = make_folds(manifest, "", print)
    prepare(tmp_path / "data", Corpus(manifest.utterances, folds))
    said = capsys.readouterr().err
    assert (
        "(anger 8, joy 8), 1 fold (train 8, valid 4, test 4) in" in said
        and "no training utterance" not in said
    )


def test_k_folds_without_speakers_are_said_loudly(tmp_path, rows):
    for row in rows:
        del row["speaker"]
    folds, said = folds_of(tmp_path, rows, "8")
    assert len(folds) == 8 and said[0].startswith(
        "WARNING: the manifest names no speak"
    )


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("speaker", "needs a column speaker, in which some speak twice: add it, or"),
        ("given", "needs a column split or fo"),
    ],
)
def test_a_scheme_without_its_column_is_refused(tmp_path, rows, scheme, message):
    for row in rows:
        del row["speaker"]
    with pytest.raises(DataError, match=message):
        folds_of(tmp_path, rows, scheme)


@pytest.fixture(scope="module")
def recipe():
    with recipe_module("manifest") as module:
        yield module


def test_the_recipe_prepares_a_corpus_once(recipe, tmp_path, rows, capsys):
    rows = [row | {"age": "30"} for row in rows]
    path = write(tmp_path / "m.tsv", rows)
    options = ["--manifest", str(path), "--data_dir", str(tmp_path / "data")]
    recipe.main(options)
    said = capsys.readouterr().err
    assert "columns without a meaning here: age" in said
    assert "16 utterances (anger 8, joy 8), 4 folds" in said
    assert read_table(tmp_path / "data" / "utt2label")["s0-1"] == "joy"
    recipe.main(options)
    assert "up to date" in capsys.readouterr().err
    recipe.main([*options, "--folds", "3"])
    assert len(read_folds(tmp_path / "data")) == 3


@pytest.mark.recipe
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "a"], "--manifest '' must be a file"),
        (["--manifest", "m.csv"], "--name '' must be letters"),
        (["--manifest", "m.csv", "--name", "a b"], "--name 'a b' must be letters"),
        (
            ["--manifest", "m", "--name", "a", "--folds", "x"],
            "--folds 'x' must be given",
        ),
    ],
)
def test_the_recipe_refuses_bad_options_at_once(options, message):
    result = subprocess.run(
        [RECIPE / "run.sh", *options], capture_output=True, text=True, cwd="/"
    )
    assert result.returncode == 2 and result.stderr.startswith(f"error: {message}")


def test_other_stages_refuse_folds_that_stage_0_did_not_write(tmp_path):
    recipe = clone_recipe("manifest", tmp_path / "clone")
    # What stage 0 leaves when it was run with --folds 3.
    prepared = recipe / "data" / "a" / "options"
    prepared.parent.mkdir(parents=True)
    prepared.write_text("--folds 3\n")
    result = run_recipe(recipe, "--name", "a", "--stage", "4")
    assert result.returncode == 2
    assert "was prepared with --folds 3, not with --folds '': run st" in result.stderr
