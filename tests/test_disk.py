"""A disk that is full or closed ends a program with one line."""

import errno
import os

import pytest
from safetensors import SafetensorError

from espnet_sentiment.bin import make_features
from espnet_sentiment.cli.main import main as command
from espnet_sentiment.core import entry, files
from espnet_sentiment.core.disk import disk_message


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
