"""Seals: what was changed behind the program's back is noticed."""

import os

import pytest

from espnet_sentiment.core.seal import break_seal, seal, sealed


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "part.jsonl"
    path.write_text('{"label": "happy"}\n')
    seal(path, "recipe 1", rows=1, span=(0, 1), of_fold={10: "x", 2: None})
    return path


def test_a_whole_file_gives_back_what_was_noted(file):
    facts = sealed(file, "recipe 1")
    assert facts == {"rows": 1, "span": [0, 1], "of_fold": {"10": "x", "2": None}}
    assert [p.name for p in sorted(file.parent.iterdir())] == [
        "part.jsonl",
        "part.jsonl.seal",
    ]


def test_a_file_without_facts_is_sealed_too(tmp_path):
    (tmp_path / "empty").touch()
    assert sealed(tmp_path / "empty", "it") is None
    seal(tmp_path / "empty", "it")
    assert sealed(tmp_path / "empty", "it") == {}


def test_another_origin_is_noticed(file):
    assert sealed(file, "recipe 2") is None


@pytest.mark.parametrize("change", ["flip", "cut", "empty", "longer", "gone", "folder"])
def test_a_changed_file_is_noticed(file, change):
    before, stat = file.read_bytes(), file.stat()
    file.unlink()
    match change:
        case "flip":
            file.write_bytes(before.replace(b"h", b"H"))
            # A restored copy keeps its time.
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        case "cut":
            file.write_bytes(before[:-3])
        case "empty":
            file.touch()
        case "longer":
            file.write_bytes(before + b"\n")
        case "folder":
            file.mkdir()
    assert sealed(file, "recipe 1") is None


def test_every_changed_byte_of_a_seal_is_noticed(file):
    path = file.with_name("part.jsonl.seal")
    whole = path.read_bytes()
    for i in range(len(whole)):
        if whole[i : i + 1].isalnum():
            path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
            assert sealed(file, "recipe 1") is None, i
    path.write_bytes(whole)
    assert sealed(file, "recipe 1") is not None


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0\xff", b"null", b"3", b'"text"', b"[]", b"{}", b"[" * 100_000),
        *(b"NaN", b'{"seal": 1}', b'{"seal": "\\ud800", "of": "\\ud800"}', b"1" * 9999),
        b'{"of": "recipe 1", "size": "x", "sha256": [], "facts": {}}',
    ],
)
def test_a_broken_seal_counts_as_none(file, content):
    file.with_name("part.jsonl.seal").write_bytes(content)
    assert sealed(file, "recipe 1") is None


def test_a_seal_that_is_a_folder_counts_as_none(file):
    path = file.with_name("part.jsonl.seal")
    path.unlink()
    path.mkdir()
    assert sealed(file, "recipe 1") is None


def test_breaking_a_seal_removes_the_file_as_well(file):
    break_seal(file)
    assert list(file.parent.iterdir()) == []
    break_seal(file)
