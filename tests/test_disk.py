"""A disk that is full or closed ends a program with one line."""

import errno
import os

import pytest
from safetensors import SafetensorError

from espnet_sentiment.bin import make_features
from espnet_sentiment.cli.main import main as command
from espnet_sentiment.core import entry, files
from espnet_sentiment.core.disk import disk_message
from espnet_sentiment.core.errors import DataError


def full(*args, **kwargs):
    """Do as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "exp/x.json")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "exp/x.json"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
        RuntimeError(
            "PytorchStreamWriter failed writing file: No space left on device"
        ),
    ],
)
def test_a_full_disk_says_to_make_room_and_to_go_on(error):
    assert "no room left" in disk_message(error)
    assert "run the same command again" in disk_message(error)


def test_who_may_not_write_is_told_where():
    error = OSError(errno.EROFS, os.strerror(errno.EROFS), "data/x")
    assert disk_message(error).startswith("this user may not write or read data/x")
    wrapped = ValueError("a library's own")
    wrapped.__cause__ = error
    assert "data/x" in disk_message(wrapped)


def test_other_errors_are_left_alone():
    assert disk_message(ValueError("no")) is None
    assert disk_message(OSError(errno.ENOENT, "no such file")) is None


def test_a_stage_ends_with_one_line(tmp_path, monkeypatch, an4_wavs):
    from recipe_fixtures import ROOT, write_corpus

    data_dir = write_corpus(tmp_path, an4_wavs[:10])
    monkeypatch.setattr(files.os, "replace", full)
    options = ["--data_dir", str(data_dir), "--dump", str(tmp_path / "dump")]
    options += ["--encoder", str(ROOT / "conf" / "encoder" / "fbank.yaml")]
    with pytest.raises(SystemExit) as end:
        entry.run(make_features.main, options)
    assert str(end.value).startswith("error: there is no room left on the disk")


def test_a_command_ends_with_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("espnet_sentiment.cli.completion.run", full)
    assert command(["completion", "bash"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no room left on")


def places(tmp_path):
    """Return files that cannot be written, and why."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    return {
        tmp_path: "is a folder: name a file",
        tmp_path / "pipe": "is no regular file: name another",
        tmp_path / "file" / "new" / "x.csv": "Not a directory",
        tmp_path / f"{'x' * 250}.csv": "File name too long",  # as its temporary one is
        "/proc/new/x.csv": "cannot be written",
    }


def test_a_file_that_cannot_be_written_is_known_beforehand(tmp_path):
    for path, why in places(tmp_path).items():
        with pytest.raises(DataError, match=f"^--out {path} .*{why}") as error:
            files.check_writable(path, "--out")
        assert str(error.value).endswith(("name another", "name a file"))
    (tmp_path / "old.csv").write_text("old")
    files.check_writable(tmp_path / "old.csv")
    files.check_writable(tmp_path / "new" / "folders" / "x.csv")
    assert sorted(os.listdir(tmp_path)) == ["file", "old.csv", "pipe"]
    assert (tmp_path / "old.csv").read_text() == "old"


def test_a_folder_that_cannot_be_written_is_known_beforehand(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="--out .*file is a file: name a folder"):
        files.check_writable(tmp_path / "file", "--out", is_folder=True)
    with pytest.raises(DataError, match="Not a directory"):
        files.check_writable(tmp_path / "file" / "x", is_folder=True)
    files.check_writable(tmp_path, is_folder=True)
    files.check_writable(tmp_path / "new" / "x", is_folder=True)
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_known_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(files.Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"No space left.*: make room, or name another"):
        files.check_writable(tmp_path / "x.csv", "--out")


@pytest.mark.espnet
@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "-m", "none", "a.wav", "--out", "file/x"],
        ["predict", "-m", "none", "a.wav", "--conversation", "--out", "file/x.csv"],
        ["predict", "-m", "none", "a", "--conversation", "--speaker_statistics=file/x"],
        ["evaluate", "none", ".", "--out", "file/x"],
        ["export", "none", "file/x.onnx"],
        ["pack", "none", "file/x.zip"],
        ["pack", "none", "file/x"],
    ],
)
def test_what_cannot_be_written_is_told_before_a_model_is_looked_for(
    arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert command(arguments) == 2
    said = capsys.readouterr().err
    named = arguments[-1].replace("=", " ")
    assert f"{named} cannot be written (Not a directory): name another" in said
