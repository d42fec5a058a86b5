"""Folders whose names are classes, read as a table is."""

import shutil

import pytest

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.audio import audio_info
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir
from espnet_sentiment.data.manifest import Reading, read_manifest


@pytest.fixture
def lay(tmp_path, an4_wavs):
    """Return a function that lays real recordings out."""

    def lay(*names):
        for name, wav in zip(names, an4_wavs, strict=False):
            path = tmp_path / "corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(wav, path)
        return tmp_path / "corpus"

    return lay


def read(root, **options):
    return read_manifest(root, None, Reading(**options))


def error_of(root, kind=DataError, **options):
    with pytest.raises(kind) as error:
        read(root, **options)
    return str(error.value)


def told(manifest):
    return {(u.speaker, u.label, u.file) for u in manifest.utterances}


def test_the_innermost_folder_is_the_label(lay):
    manifest = read(lay("anger/a.sph", "joy/b.sph"))
    assert manifest.utt2label == {"a": "anger", "b": "joy"}
    assert manifest.utt2spk is None
    assert "label/RECORDING: label anger, joy" in manifest.said[0]


def test_the_outer_one_of_two_is_the_speaker(lay):
    manifest = read(lay("anna/joy/a.sph", "anna/anger/b.sph", "ben/joy/a.sph"))
    assert told(manifest) == {
        ("anna", "joy", "a"),
        ("anna", "anger", "b"),
        ("ben", "joy", "a"),
    }


def test_parts_are_known_by_their_names(lay):
    manifest = read(lay("train/joy/a.sph", "Test/anger/b.sph"))
    assert manifest.utt2split == {"a": "train", "b": "test"}
    assert manifest.utt2label == {"a": "joy", "b": "anger"}


def test_parts_may_hold_speakers(lay):
    manifest = read(lay("train/anna/joy/a.sph", "dev/ben/anger/b.sph"))
    assert told(manifest) == {("anna", "joy", "a"), ("ben", "anger", "b")}
    assert set(manifest.utt2split.values()) == {"train", "valid"}


def test_a_layout_that_is_named_is_taken(lay):
    root = lay("joy/anna/x/a.sph", "anger/anna/y/b.sph")
    manifest = read(root, layout="label/speaker/-")
    assert told(manifest) == {("anna", "joy", "a"), ("anna", "anger", "b")}


@pytest.mark.parametrize("layout", ["speaker", "label/label", "label/mood", ""])
def test_a_layout_without_sense_is_refused(lay, layout):
    assert "label once" in error_of(lay("joy/a.sph"), UserError, layout=layout)


def test_recordings_at_other_depths_are_named(lay):
    root = lay("joy/a.sph", "anna/joy/b.sph")
    message = error_of(root)
    assert f"1 folders deep: {root}/joy/a.sph" in message
    assert f"2 folders deep: {root}/anna/joy/b.sph" in message
    named = error_of(root, layout="label")
    assert f"{root}/anna/joy/b.sph" in named
    assert "joy/a.sph" not in named


def test_a_flat_folder_tells_no_classes(lay):
    assert "LABEL/x.wav" in error_of(lay("a.sph", "b.sph"))


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["joy/x/a.sph", "joy/y/b.sph", "dull/x/c.sph"], "label/speaker"),
        (["a/1/a.sph", "a/2/b.sph", "b/1/c.sph", "b/3/d.sph"], "label/speaker"),
        (["train/joy/a.sph", "extra/joy/b.sph"], "split/label"),
        (["data/train/a.sph", "data/test/b.sph"], "split/label"),
        (["train/joy/x/a.sph", "test/dull/x/b.sph"], "split/label/speaker"),
    ],
)
def test_what_may_be_meant_otherwise_is_asked_for(lay, names, layout):
    root = lay(*names)
    assert f"--layout {layout}" in error_of(root)
    if layout == "label/speaker":
        assert {u.label for u in read(root, layout=layout).utterances} == {
            name.split("/")[0] for name in names
        }


def test_a_speaker_may_have_more_emotions_than_there_are_speakers(lay):
    manifest = read(lay("03/joy/a.sph", "08/Anger/b.sph", "08/dull/c.sph"))
    assert told(manifest) == {
        ("03", "joy", "a"),
        ("08", "Anger", "b"),
        ("08", "dull", "c"),
    }


def test_a_table_deep_in_the_folder_is_named(lay):
    root = lay("x/data/train/a.sph")
    (root / "x" / "data" / "metadata.csv").write_text("file_name,label\n")
    assert f"{root}/x/data/metadata.csv" in error_of(root)


def test_an_empty_folder_is_refused(tmp_path):
    assert "holds no recordings" in error_of(tmp_path)


def test_a_table_beside_the_recordings_is_read(lay):
    root = lay("a.sph", "b.sph")
    (root / "metadata.csv").write_text("file_name,label\na.sph,joy\nb.sph,anger\n")
    assert read(root).utt2label == {"a": "joy", "b": "anger"}


def test_several_tables_are_to_be_chosen_of(lay):
    root = lay("train/a.sph")
    (root / "train" / "metadata.csv").write_text("file_name,label\na.sph,joy\n")
    assert f"{root}/train/metadata.csv" in error_of(root)
    (root / "metadata.csv").write_text("file_name,label\n")
    (root / "metadata.jsonl").write_text("")
    assert "several tables" in error_of(root)


def test_an_audformat_database_names_its_tables(lay):
    root = lay("audio/a.sph")
    (root / "db.yaml").write_text("name: x\n")
    (root / "db.emotion.csv").write_text("file,emotion\naudio/a.sph,joy\n")
    assert "db.emotion.csv" in error_of(root)
    assert read(root / "db.emotion.csv").utt2label == {"a": "joy"}


def test_a_kaldi_directory_is_read_as_it_is(tmp_path, an4_wavs):
    utterances = [
        Utterance("s1-1", str(an4_wavs[0]), "s1", "joy", start=0.1, end=0.5),
        Utterance("s1-2", str(an4_wavs[0]), "s1", "anger", start=0.5, end=-1),
        Utterance("s2-1", str(an4_wavs[1]), "s2", "joy", start=0.0, end=0.4),
    ]
    write_kaldi_dir(tmp_path / "kaldi", utterances)
    found = read(tmp_path / "kaldi").utterances
    assert [(u.utt, u.speaker, u.label, u.wav, u.start) for u in found] == [
        (u.utt, u.speaker, u.label, u.wav, u.start) for u in utterances
    ]
    assert [found[0].end, found[2].end] == [0.5, 0.4]
    info = audio_info(an4_wavs[0])
    assert found[1].end == pytest.approx(info.frames / info.sample_rate, abs=1e-3)


def test_a_kaldi_directory_keeps_text_and_votes_and_says_what_has_no_label(
    tmp_path, an4_wavs
):
    wavs = map(str, an4_wavs)
    utterances = [
        Utterance(
            "s1-1", next(wavs), "s1", "joy", text="so it is", votes=("joy", "joy")
        ),
        Utterance("s1-2", next(wavs), "s1", "anger"),
        Utterance("s2-1", next(wavs), "s2", None, votes=("joy", "anger")),
        Utterance("s2-2", next(wavs), "s2", None),
    ]
    write_kaldi_dir(tmp_path / "kaldi", utterances)
    manifest = read(tmp_path / "kaldi", no_majority=True)
    told = [(u.utt, u.label, u.text, u.votes) for u in manifest.utterances]
    assert told == [(u.utt, u.label, u.text, u.votes) for u in utterances[:3]]
    assert "1 utterance without a label" in manifest.said[0]


def test_options_of_tables_reach_the_table_of_a_folder_or_are_refused(lay):
    root = lay("joy/a.sph")
    assert "leave them out" in error_of(root, encoding="cp1252")
    text = "file_name,label\njoy/a.sph,frühlich\n"
    (root / "metadata.csv").write_text(text, encoding="cp1252")
    assert "--encoding" in error_of(root)
    assert read(root, encoding="cp1252").utt2label == {"a": "frühlich"}


def test_a_layout_is_of_folders(lay):
    root = lay("a.sph")
    (root / "t.csv").write_text("path,label\na.sph,joy\n")
    assert "leave it out" in error_of(root / "t.csv", layout="label")


def test_other_columns_are_kept_by_name(lay):
    root = lay("a.sph", "b.sph")
    (root / "t.csv").write_text(
        "path,label,sex,spk\na.sph,joy,f,anna\nb.sph,anger,,ben\n"
    )
    manifest = read(root / "t.csv", groups=["sex", "speaker"])
    assert manifest.groups == {
        "sex": {"anna-a": "f", "ben-b": ""},
        "speaker": {"anna-a": "anna", "ben-b": "ben"},
    }
    assert not any("without a meaning" in line for line in manifest.said)
    message = error_of(root / "t.csv", groups=["age"])
    assert "age" in message
    assert "path, label, sex, spk" in message
