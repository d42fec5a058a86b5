"""What is a recording by its name, in every folder that is searched."""

import io
import os

import pytest
from recipe_fixtures import recipe_module

from espnet_sentiment.cli.inputs import list_inputs
from espnet_sentiment.cli.main import get_parser
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.listing import find_recordings, is_hidden
from espnet_sentiment.inference.entries import read_entries

TAKEN = ["B.WAV", "a.m4a", "c.webm", "sub/d.mp3", "sub/e.Mp4"]
HIDDEN = [
    "._B.WAV",
    ".Trash-1000/x.wav",
    ".cache/x.wav",
    "@eaDir/x.wav",
    "__MACOSX/sub/._d.mp3",
    "sub/.DS_Store",
]
OTHERS = ["LICENSE", "notes.txt", "sub/more.txt"]
BROKEN = ["book.aax", "pcm.RAW"]


@pytest.fixture
def tree(tmp_path):
    """Return a maker of empty files in a folder."""

    def make(*names):
        for name in names:
            path = tmp_path / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "tree"

    return make


@pytest.fixture
def listed(tmp_path):
    """Return what predict makes of its arguments, and what it says of folders."""

    def run(*arguments, stdin=b""):
        said = []
        stream = io.BytesIO(stdin)
        found = list(list_inputs(map(str, arguments), stream, tmp_path, said.append))
        return found, said

    return run


def test_every_recording_is_taken_and_the_rest_is_counted(tree, listed):
    root = tree(*TAKEN, *HIDDEN, *OTHERS)
    found, said = listed(root)
    assert [item.name for item in found] == [f"{root}/{name}" for name in TAKEN]
    assert said == [
        f"{root}: passed over 3 that by name are no recordings (.txt 2, no suffix 1) "
        "and 6 hidden"
    ]
    paths, passed_over = find_recordings(root)
    assert ([str(path) for path in paths], passed_over) == (
        [item.name for item in found],
        said[0],
    )


def test_what_sounds_but_cannot_be_taken_is_named(tree, listed):
    root = tree(*TAKEN, *BROKEN)
    found, said = listed(root)
    errors = {item.path.name: str(item.error) for item in found if item.error}
    assert sorted(errors) == BROKEN and not said
    assert "protected against copying: export it" in errors["book.aax"]
    assert "no header that tells its rate" in errors["pcm.RAW"]
    with pytest.raises(DataError) as refused:
        find_recordings(root)
    assert all(name in str(refused.value) for name in BROKEN)


def test_the_template_takes_every_suffix_and_nothing_hidden(tree, capsys):
    names = ["anna/joy/1.WAV", "anna/joy/2.wav", "ben/joy/1.flac", "ben/joy/._1.flac"]
    root = tree(*names, "README")
    with recipe_module("TEMPLATE") as template:
        utts = [u.utt for u in template.find_utterances(root)]
        assert utts == ["anna-joy-1", "anna-joy-2", "ben-joy-1"]
        said = capsys.readouterr().err
        assert "passed over 1 that by name are no recordings" in said
        tree("lost.wav", "ben/joy/deep/2.wav")
        with pytest.raises(DataError, match="2 recordings are not where") as refused:
            list(template.find_utterances(root))
        assert "lost.wav" in str(refused.value) and "deep/2.wav" in str(refused.value)


def test_emodb_may_be_in_another_format_and_other_names_are_said(tree):
    root = tree("wav/03a01Wa.FLAC", "wav/03a01Nc.wav", "wav/03a01Wa copy.wav")
    with recipe_module("emodb") as emodb:
        found = [path.name for path in emodb.find_wavs(root)]
        assert found == ["03a01Nc.wav", "03a01Wa.FLAC"]
        assert emodb.to_utterance(root / "wav" / found[1]).label == "anger"


def test_hidden_is_what_systems_keep_for_themselves():
    assert all(map(is_hidden, ("._a.wav", ".Trash-0", "__MACOSX", "$RECYCLE.BIN")))
    assert not any(map(is_hidden, ("a.wav", "__main", "_a.wav")))


@pytest.mark.parametrize(
    "mark", [b"\xef\xbb\xbf", "utf-16", "utf-32"], ids=["UTF-8", "UTF-16", "UTF-32"]
)
def test_a_list_from_windows_is_read(tree, listed, tmp_path, mark):
    root = tree(*TAKEN)
    text = f"{root}/B.WAV\r\n# no\r\n\r\n{root}/sub\r\n"
    content = text.encode(mark) if isinstance(mark, str) else mark + text.encode()
    expected = [f"{root}/{name}" for name in ("B.WAV", "sub/d.mp3", "sub/e.Mp4")]
    found, _ = listed("-", stdin=content)
    assert [(item.name, item.error) for item in found] == [(n, None) for n in expected]
    (tmp_path / "list.txt").write_bytes(content)
    found, _ = listed(tmp_path / "list.txt")
    assert [item.name for item in found] == expected


def test_a_list_for_a_cluster_may_begin_with_a_mark(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf/a.wav\n/b.wav\n")
    paths = [entry.path for entry in read_entries(tmp_path / "list.txt")]
    assert paths == ["/a.wav", "/b.wav"]


def test_a_command_in_a_list_for_a_cluster_is_no_path(tmp_path):
    (tmp_path / "a.scp").write_text("utt1 /a.wav\nutt2 sox /b.wav -t wav - |\n")
    with pytest.raises(DataError, match=r"a.scp:2: 'sox .*' is a command, and none"):
        list(read_entries(tmp_path / "a.scp"))


def test_a_list_is_a_list_wherever_it_is_named(tree, listed, tmp_path):
    root = tree(*TAKEN)
    (tmp_path / "a.scp").write_text(f"utt1 {root}/B.WAV\n")
    (tmp_path / "b.lst").write_text(f"{root}/none.wav\n{root}/a.m4a\n")
    found, _ = listed(tmp_path / "a.scp", tmp_path / "b.lst")
    assert [item.path.name for item in found] == ["B.WAV", "none.wav", "a.m4a"]
    assert str(found[1].error).startswith(f"{tmp_path}/b.lst:1: {root}/none.wav does")
    (tmp_path / "a.scp").write_text(f"utt1 sox {root}/B.WAV -t wav - |\n")
    with pytest.raises(DataError, match=r"a.scp:1: 'sox .*' is a command, and none"):
        listed(tmp_path / "a.scp")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "table.csv").write_text("path,label\n")
    found, _ = listed(tmp_path / "empty.txt", tmp_path / "table.csv")
    assert "names no recordings" in str(found[0].error)
    assert "names no recordings: write a row for each" in str(found[1].error)
    (tmp_path / "of_tables.txt").write_text(f"{tmp_path}/table.csv\n")
    found, _ = listed(tmp_path / "of_tables.txt")
    assert "is a table in a list" in str(found[0].error)


@pytest.mark.parametrize(
    "argv", [["a.wav", "--channel", "mix", "b.wav"], ["--json", "--", "-a.wav"]]
)
def test_options_may_stand_among_the_recordings(argv):
    args = get_parser(["predict"]).parse_args(["predict", *argv])
    assert args.inputs == [name for name in argv if name.endswith(".wav")]
    assert args.command == "predict"


def test_a_folder_that_cannot_be_read_is_named(tree):
    root = tree("closed/a.wav", "b.wav")
    (root / "closed").chmod(0)
    try:
        if os.access(root / "closed", os.R_OK):
            pytest.skip("root reads everything")
        with pytest.raises(DataError, match="closed cannot be read"):
            find_recordings(root)
    finally:
        (root / "closed").chmod(0o755)
