"""EmoBox: its metadata's layout, labels, folds and errors."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile
from emobox_tree import unpack_metadata, write_recordings
from recipe_fixtures import recipe_module

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.emobox import read_emobox
from espnet_sentiment.data.emobox_metadata import read_speakers
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.overlap_text import cell

RECIPE = Path(__file__).parents[1] / "egs" / "emobox"


def line(dataset, name, emo, **more):
    """Return a line of EmoBox's metadata."""
    return {
        "key": f"{dataset}-{name}",
        "dataset": dataset,
        "wav": f"downloads/{dataset}/wav/{name}.wav",
        "type": "raw",
        "sample_rate": 16000,
        "num_frame": 16000.0,
        "task": "category",
        "length": 1.0,
        "emo": emo,
        "channel": 1,
    } | more


def write_dataset(root, dataset, folds, label_map, speakers=None):
    """Write ``data/<dataset>`` as EmoBox lays it out."""
    folder = root / "data" / dataset
    for name, parts in folds.items():
        (folder / f"fold_{name}").mkdir(parents=True)
        for part, rows in parts.items():
            path = folder / f"fold_{name}" / f"{dataset}_{part}_fold_{name}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "label_map.json").write_text(json.dumps(label_map))
    if speakers:
        stm = (
            f"{key} 1 {speaker} 0 1.0 <id={key},lang=en,spk={speaker},emotion=x> x\n"
            for key, speaker in speakers.items()
        )
        (folder / "data.seg.wrd.stm").write_text("".join(stm))
    return folder


LABELS = {"neu": "Neutral", "hap": "Happy", "exc": "Happy", "Sad": "Sad, low"}


@pytest.fixture
def rows():
    """Return the lines of 5 speakers, 8 utterances each."""
    emos = ("neu", "hap", "exc", "sad")
    return [line("toy", f"s{s} {i}", emos[i % 4]) for s in range(5) for i in range(8)]


@pytest.fixture
def emobox(tmp_path, rows, an4_wavs):
    """Write a clone with one data set of two folds, and its recordings."""
    root = tmp_path / "EmoBox"
    test = {"1": rows[:8], "2": rows[8:16]}
    folds = {
        name: {"train": [r for r in rows if r not in part], "test": part}
        for name, part in test.items()
    }
    speakers = {row["key"]: f"spk {row['key'][5]}" for row in rows}
    write_dataset(root, "toy", folds, LABELS, speakers)
    samples, rate = soundfile.read(an4_wavs[0])
    (root / "downloads/toy/wav").mkdir(parents=True)
    for row in rows:
        soundfile.write(root / row["wav"], samples, rate)
    return root


def jsonl(emobox, part, fold="1"):
    return emobox / f"data/toy/fold_{fold}/toy_{part}_fold_{fold}.jsonl"


def replace(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))


def test_labels_are_merged_and_speakers_read(emobox):
    toy = read_emobox(emobox, "toy")
    labels = [u.label for u in toy.utterances]
    assert {x: labels.count(x) for x in set(labels)} == {
        "Neutral": 10,
        "Happy": 20,
        "Sad_low": 10,
    }
    first = min(toy.utterances, key=lambda u: u.utt)
    assert (first.utt, first.speaker) == ("toy-s0_0", "spk_0")


def test_folds_are_emobox_own_and_whole_speakers_of_train_validate(emobox):
    toy = read_emobox(emobox, "toy")
    spk = {u.utt: u.speaker for u in toy.utterances}
    assert [f.name for f in toy.folds] == ["1", "2"]
    assert [{spk[u] for u in f.test} for f in toy.folds] == [{"spk_0"}, {"spk_1"}]
    for fold in toy.folds:
        assert len(fold.train) == 24 and len(fold.valid) == 8
        assert not {spk[u] for u in fold.train} & {spk[u] for u in fold.valid}
    assert toy.notes == ["validation: whole speakers taken out of train"]
    assert read_emobox(emobox, "toy") == toy


def test_without_speakers_utterances_of_each_class_validate(emobox):
    (emobox / "data/toy/data.seg.wrd.stm").unlink()
    toy = read_emobox(emobox, "toy")
    label = {u.utt: u.label for u in toy.utterances}
    assert toy.notes == ["validation: single utterances taken out of train"]
    assert len(toy.folds[0].valid) in (6, 7)
    assert {label[u] for u in toy.folds[0].valid} == {"Neutral", "Happy", "Sad_low"}


def test_a_valid_file_validates(emobox, rows):
    for fold in ("1", "2"):
        train = [json.loads(x) for x in jsonl(emobox, "train", fold).open()]
        for part, kept in (("train", train[:-2]), ("valid", train[-2:])):
            lines = "".join(json.dumps(row) + "\n" for row in kept)
            jsonl(emobox, part, fold).write_text(lines)
    toy = read_emobox(emobox, "toy")
    assert toy.folds[0].valid == ["toy-s4_6", "toy-s4_7"]
    assert toy.notes == ["validation: EmoBox's own"]


@pytest.mark.parametrize("below", ["", "downloads", "downloads/toy"])
def test_recordings_are_found_from_each_folder_above_them(emobox, tmp_path, below):
    moved = shutil.move(emobox / "downloads", tmp_path / "disk" / "downloads")
    toy = read_emobox(emobox / "data", "toy", Path(moved).parent / below)
    assert all(Path(u.wav).is_file() for u in toy.utterances)


def test_a_video_is_the_recording_unless_its_sound_lies_beside_it(emobox, rows):
    for path in emobox.glob("data/toy/fold_*/*.jsonl"):
        path.write_text(path.read_text().replace(".wav", ".mp4"))
    wavs = [emobox / row["wav"] for row in rows]
    for wav in wavs[1:]:
        wav.rename(wav.with_suffix(".mp4"))
    shutil.copy(wavs[0], wavs[0].with_suffix(".mp4"))
    toy = read_emobox(emobox, "toy")
    assert {u.wav for u in toy.utterances} == {
        str(wavs[0]),
        *(str(wav.with_suffix(".mp4")) for wav in wavs[1:]),
    }
    assert toy.notes[1] == "1 recordings are the .wav of their name, beside them"
    wavs[1].with_suffix(".mp4").unlink()
    with pytest.raises(DataError, match="1 of 40 .*\n  downloads/toy/wav/s0 1.mp4"):
        read_emobox(emobox, "toy")


def test_start_and_end_cut_a_recording(emobox, an4_wavs):
    parts = {
        part: [
            line("cut", f"{part}{i}", "neu", start_time=i * 0.1, end_time=i * 0.1 + 0.1)
            | {"wav": "downloads/cut/all.flac"}
            for i in range(6)
        ]
        for part in ("train", "test")
    }
    write_dataset(emobox, "cut", {"1": parts}, LABELS)
    samples, rate = soundfile.read(an4_wavs[0])
    (emobox / "downloads/cut").mkdir()
    soundfile.write(emobox / "downloads/cut/all.flac", samples, rate)
    cut = read_emobox(emobox, "cut")
    assert (cut.utterances[0].start, cut.utterances[0].end) == (0.0, 0.1)


def test_missing_recordings_are_counted_and_twenty_named(emobox):
    for wav in sorted((emobox / "downloads/toy/wav").iterdir())[:25]:
        wav.unlink()
    with pytest.raises(DataError) as error:
        read_emobox(emobox, "toy")
    assert "25 of 40 recordings of toy are not in" in str(error.value)
    assert "--audio_dir" in str(error.value)
    assert str(error.value).count("\n  downloads/toy/wav/s") == 20


def test_a_wrong_folder_and_an_unknown_data_set_are_named(emobox, tmp_path):
    with pytest.raises(DataError, match="holds no data/<dataset>/label_map.json: give"):
        read_emobox(tmp_path / "nowhere", "toy")
    with pytest.raises(
        DataError, match="--dataset 'tou' is not in .*: choose one of toy"
    ):
        read_emobox(emobox, "tou")


def test_a_data_set_without_its_label_map_is_told_apart(emobox):
    shutil.copytree(emobox / "data/toy", emobox / "data/bare")
    (emobox / "data/bare/label_map.json").unlink()
    with pytest.raises(
        DataError, match="data/bare holds no label_map.json: restore it"
    ):
        read_emobox(emobox, "bare")


def test_a_map_of_classes_called_label_dict_is_read_and_said(emobox):
    (emobox / "data/toy/label_map.json").rename(emobox / "data/toy/label_dict.json")
    toy = read_emobox(emobox, "toy")
    assert {u.label for u in toy.utterances} == {"Neutral", "Happy", "Sad_low"}
    assert f"the classes are those of {emobox}/data/toy/label_dict.json" in toy.notes


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (lambda key: key, "has another one for every utterance"),
        (lambda key: ("Male", "Female", "Child")[int(key[5]) % 3], "Male alone"),
    ],
)
def test_speakers_that_are_none_are_taken_as_not_known(emobox, rows, name, why):
    stm = emobox / "data/toy/data.seg.wrd.stm"
    lines = (f"<id={r['key']},lang=x,spk={name(r['key'])},emotion=x>" for r in rows)
    stm.write_text("\n".join(lines))
    toy = read_emobox(emobox, "toy")
    assert all(u.speaker == u.utt for u in toy.utterances)
    assert toy.notes[0] == "validation: single utterances taken out of train"
    assert toy.notes[1].endswith(f"{why}: speakers are taken as not known")


def test_paths_and_broken_characters_of_speakers_are_mended(emobox):
    stm = emobox / "data/toy/data.seg.wrd.stm"
    text = stm.read_text().replace("spk=spk ", "spk=downloads/a b/spk ")
    stm.write_text(text.replace("spk 1,", "spk\x92s,"))
    toy = read_emobox(emobox, "toy")
    speakers = {u.speaker for u in toy.utterances}
    assert speakers == {"spk_0", "spk\u2019s", "spk_2", "spk_3", "spk_4"}
    assert any("Windows-1252" in note for note in toy.notes)


@pytest.fixture
def four_tests(emobox, rows):
    """Give fold 1 the further tested parts of mer2023, in its older form."""
    shutil.rmtree(emobox / "data/toy/fold_2")
    (emobox / "data/toy/data.seg.wrd.stm").unlink()
    train = [json.loads(text) for text in jsonl(emobox, "train").open()]
    parts = {"train": train[:20], "test1": rows[:8], "test2": train[20:26]}
    for part, lines in (parts | {"test3": train[26:]}).items():
        if part != "train":
            lines = [
                {"key": row["key"], "audio": row["wav"], "label": row["emo"]}
                for row in lines
            ]
        jsonl(emobox, part).write_text("".join(json.dumps(x) + "\n" for x in lines))
    return emobox


def test_further_tested_parts_are_named_and_chosen_ones_are_folds(four_tests):
    toy = read_emobox(four_tests, "toy")
    assert [f.name for f in toy.folds] == ["1"] and len(toy.utterances) == 28
    # test1 is test once more.
    assert toy.notes[1] == (
        "WARNING: EmoBox also has test2 (6 utterances), test3 (6 utterances), which "
        "are not tested: choose them by --test 'test test2 test3'"
    )
    toy = read_emobox(four_tests, "toy", tests=["test", "test2", "test3"])
    assert [f.name for f in toy.folds] == ["1", "1_test2", "1_test3"]
    assert [len(f.test) for f in toy.folds] == [8, 6, 6] and len(toy.utterances) == 40
    assert len({tuple(f.train) for f in toy.folds}) == 1
    assert len({tuple(f.valid) for f in toy.folds}) == 1
    assert len(toy.notes) == 1
    with pytest.raises(DataError, match="--test test4: .* choose of test, test1, tes"):
        read_emobox(four_tests, "toy", tests=["test4"])


def test_the_recipe_takes_further_tested_parts(four_tests, recipe, tmp_path, capsys):
    options = ["--emobox", str(four_tests), "--dataset", "toy", "--data_dir"]
    recipe.main([*options, str(tmp_path / "data"), "--test", "test", "test2", "test3"])
    assert [f.name for f in read_folds(tmp_path / "data")] == [
        "1",
        "1_test2",
        "1_test3",
    ]
    assert "speakers unknown" in capsys.readouterr().err


def test_a_file_of_an_unknown_part_is_named_and_one_of_another_name_said(emobox):
    jsonl(emobox, "test").with_name("toy_test_fold1.jsonl").write_text("old")
    assert read_emobox(emobox, "toy").notes[1:] == [
        "1 tables of other names are not read, fold_1/toy_test_fold1.jsonl first"
    ]
    shutil.copy(jsonl(emobox, "test"), jsonl(emobox, "dev"))
    with pytest.raises(DataError, match="unknown parts: rename .*\n.*toy_dev_fold_1"):
        read_emobox(emobox, "toy")


@pytest.mark.parametrize(
    ("start", "end"), [("a", "1"), ("1", "1"), ("-1", "1"), ("0", "nan"), ("0", None)]
)
def test_times_that_are_none_are_named(emobox, start, end):
    times = {"start_time": start, "end_time": end}
    row = json.loads(jsonl(emobox, "test").open().readline()) | times
    jsonl(emobox, "test").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="start_time and end_time are .*not two times"):
        read_emobox(emobox, "toy")


def test_recordings_are_found_whatever_form_accents_have_on_disk(emobox):
    (emobox / "downloads/toy/wav").rename(emobox / "downloads/toy/Cafe\u0301")
    for path in emobox.glob("data/toy/fold_*/*.jsonl"):
        path.write_text(path.read_text().replace("toy/wav/", "toy/Caf\u00e9/"))
    assert len(read_emobox(emobox, "toy").utterances) == 40


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_fold_without_a_file_is_named(emobox, part):
    jsonl(emobox, part, "2").unlink()
    with pytest.raises(DataError, match=f"toy_{part}_fold_2.jsonl is missing: restore"):
        read_emobox(emobox, "toy")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"neu"',
            '"bored"',
            "1.jsonl:1: emo 'bored' is not in the data set's label map",
        ),
        ('"neu"', "3", "1.jsonl:1: emo '3' is not in the data set's label map"),
        ('"neu"', '"hap"', "key 'toy-s0_0' has another wav or emo elsewhere"),
        ('"neu"', '"neu', "1.jsonl:1: not valid JSON"),
        ("s0 0", "s1 0", "key 'toy-s1_0' has another wav or emo elsewhere"),
    ],
)
def test_a_bad_line_is_named(emobox, old, new, message):
    replace(jsonl(emobox, "test"), old, new)
    with pytest.raises(DataError, match=re.escape(message)):
        read_emobox(emobox, "toy")


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_line_that_stands_twice_is_named(emobox, part):
    line = jsonl(emobox, "test").read_text().splitlines(keepends=True)[0]
    with open(jsonl(emobox, part), "a") as stream:
        stream.write(line)
    with pytest.raises(DataError, match="key 'toy-s0_0' stands twice in fold 1: rest"):
        read_emobox(emobox, "toy")


def test_metadata_of_another_version_is_named(emobox):
    path = jsonl(emobox, "test")
    path.write_text(path.read_text().replace('"emo"', '"emotion"'))
    with pytest.raises(
        DataError, match="has no 'emo', but key, dataset, wav, .*newest"
    ):
        read_emobox(emobox, "toy")


@pytest.fixture(scope="module")
def recipe():
    with recipe_module("emobox") as module:
        yield module


EMODB_EMOTIONS = {
    "W": "anger",
    "L": "boredem",
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "N": "neutral",
    "T": "sad",
}
# As EmoBox has it, "Neutral" for "neutral" included.
EMODB_LABELS = {
    "anger": "Angry",
    "boredem": "Boredom",
    "disgust": "Disgust",
    "fear": "Fear",
    "happy": "Happy",
    "Neutral": "Neutral",
    "sad": "Sad",
}


def test_the_real_emodb_is_prepared_from_metadata_of_its_names(
    recipe, emodb_dir, tmp_path, capsys
):
    names = sorted(wav.stem for wav in (emodb_dir / "wav").glob("*.wav"))
    rows = [line("emodb", name, EMODB_EMOTIONS[name[5]]) for name in names]
    folds = {
        str(k + 1): {
            "train": [row for i, row in enumerate(rows) if i % 5 != k],
            "test": rows[k::5],
        }
        for k in range(5)
    }
    speakers = {f"emodb-{name}": name[:2] for name in names}
    write_dataset(tmp_path, "emodb", folds, EMODB_LABELS, speakers)
    data_dir = tmp_path / "emobox_emodb"
    options = ["--emobox", str(tmp_path), "--audio_dir", str(emodb_dir)]
    recipe.main([*options, "--dataset", "emodb", "--data_dir", str(data_dir)])
    assert "whole speakers taken out of train" in capsys.readouterr().err
    labels = list(read_table(data_dir / "utt2label").values())
    assert labels.count("Angry") == 127 and labels.count("Neutral") == 79
    utt2spk = read_table(data_dir / "utt2spk")
    assert len(set(utt2spk.values())) == 10
    folds = read_folds(data_dir)
    assert sorted(u for f in folds for u in f.test) == sorted(utt2spk)
    assert all(len({utt2spk[u] for u in f.valid}) == 2 for f in folds)


@pytest.fixture(scope="module")
def metadata(emobox_archive, tmp_path_factory):
    """Return EmoBox's own metadata."""
    return unpack_metadata(emobox_archive, tmp_path_factory.mktemp("metadata"))


@pytest.mark.parametrize(
    ("dataset", "tests", "utterances", "speakers", "said"),
    [
        ("emovo", ["test"], 588, "0 of 6", "the classes are those of .*label_dict"),
        ("mer2023", ["test"], 3784, "unknown", "also has test2 .412.*, test3 .834"),
        ("mer2023", ["test", "test2", "test3"], 5030, "unknown", "has another one"),
        ("mesd", ["test"], 862, "unknown", "names Child, Female, Male alone"),
        ("oreau", ["test"], 434, "21 of 29", "WARNING: 21 of 29 tested speakers"),
        ("resd", ["test"], 1396, "unknown", "has another one for every utterance"),
        ("urdu", ["test"], 400, "12 of 19", "WARNING: 12 of 19 tested speakers"),
    ],
)
def test_emobox_own_metadata_is_read_with_its_traps(
    metadata,
    recipe,
    an4_wavs,
    tmp_path,
    capsys,
    dataset,
    tests,
    utterances,
    speakers,
    said,
):
    write_recordings(metadata, dataset, an4_wavs[:3], tmp_path)
    data_dir = tmp_path / "data"
    options = [
        "--emobox",
        str(metadata),
        "--audio_dir",
        str(tmp_path),
        "--test",
        *tests,
    ]
    recipe.main([*options, "--dataset", dataset, "--data_dir", str(data_dir)])
    assert len(read_table(data_dir / "utt2spk")) == utterances
    found = read_json(data_dir / "overlap.json")
    assert cell(found) == speakers and not found["same_recordings"]
    assert re.search(said, capsys.readouterr().err)


def test_odd_names_of_speakers_in_emobox_own_metadata_are_mended(metadata):
    meld = read_speakers(metadata / "data" / "meld", [])
    assert meld["meld-dia438_utt2-train"] == "Richard\u2019s-Date"
    jl = read_speakers(metadata / "data" / "jlcorpus", [])
    assert set(jl.values()) == {"male1", "male2", "female1", "female2"}


@pytest.mark.recipe
def test_the_recipe_refuses_a_missing_data_set_at_once():
    result = subprocess.run(
        [RECIPE / "run.sh", "--emobox", "x"], capture_output=True, text=True, cwd="/"
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: --dataset '' must be letters")
