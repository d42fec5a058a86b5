"""Archives that nobody should unpack, and what is left behind when they are not."""

import hashlib
import io
import json
import pickle
import stat
import zipfile

import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.pack.archive import write_zip
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.pack.unpack import unpack_model

FILES = {
    "config.yaml": b"token_list:\n- anger\n- neutral\n",
    "model.safetensors": bytes(range(256)) * 40,
    "encoder/config.json": b"{}",
}


def entry(content):
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def description(files):
    return {
        "model_type": "espnet_sentiment",
        "format_version": 1,
        "name": "a model",
        "fold": "1",
        "classes": ["anger", "neutral"],
        "encoder": {"name": "huggingface", "path": "encoder", "sha256": "0" * 64},
        "files": {name: entry(content) for name, content in files.items()},
    }


def members(contents=FILES, **changes):
    text = json.dumps(description(contents) | changes).encode()
    return contents | {"config.json": text, "README.md": b"# a model\n"}


def write(path, contents, modes=None, compress=zipfile.ZIP_STORED):
    """Write an archive entry by entry: names may be odd, or there twice."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents:
            info = zipfile.ZipInfo("placeholder")
            # Set afterwards, as zipfile mends some names.
            info.filename = name
            info.compress_type = compress
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)
    return path


def assert_refused(archive, match, tmp_path):
    """Unpacking says why, and leaves nothing of the archive anywhere."""
    target = tmp_path / "inside" / "model"
    with pytest.raises(DataError, match=match) as error:
        unpack_model(archive, target)
    assert str(archive) in str(error.value)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [archive] and not target.exists()


def test_a_sound_archive_is_unpacked_and_checked(tmp_path):
    write_zip(members(), tmp_path / "model.zip")
    assert unpack_model(tmp_path / "model.zip", tmp_path / "there")["fold"] == "1"
    for name, content in members().items():
        assert (tmp_path / "there" / name).read_bytes() == content
    assert {p.name for p in tmp_path.iterdir()} == {"model.zip", "there"}
    found = find_model(tmp_path / "there")
    assert found.encoder_model == tmp_path / "there" / "encoder"


def test_an_archive_packed_again_by_other_tools_is_unpacked(tmp_path):
    contents = [("encoder/", b""), *members().items()]
    write(tmp_path / "model.zip", contents, compress=zipfile.ZIP_DEFLATED)
    unpack_model(tmp_path / "model.zip", tmp_path / "there")
    assert (tmp_path / "there" / "encoder" / "config.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/evil",
        "../evil",
        "encoder/../../evil",
        "encoder/./evil",
        "encoder//evil",
        "..",
        "C:/evil",
        "..\\evil",
        "encoder/evil\n",
    ],
)
@pytest.mark.parametrize(
    "named", [True, False], ids=["in the description", "not in the description"]
)
def test_names_that_leave_the_folder_are_refused(name, named, tmp_path):
    files = FILES | {name: b"evil"} if named else FILES
    contents = [*members(files).items(), *([] if named else [(name, b"evil")])]
    archive = write(tmp_path / "model.zip", contents)
    assert_refused(archive, "which may leave the model's folder", tmp_path)


def test_a_card_whose_encoder_lies_outside_is_refused(tmp_path):
    encoder = {"name": "huggingface", "path": "../encoder", "sha256": "0" * 64}
    archive = tmp_path / "model.zip"
    write_zip(members(encoder=encoder), archive)
    assert_refused(archive, "'../encoder', which may leave", tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(kind, tmp_path):
    contents = members(FILES | {"link": b"/etc/passwd"}).items()
    archive = write(tmp_path / "model.zip", contents, {"link": kind | 0o777})
    assert_refused(archive, "'link' is a link or no file", tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "MODEL.safetensors"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_there_twice_is_refused(name, tmp_path):
    contents = [*members().items(), (name, FILES["model.safetensors"])]
    archive = write(tmp_path / "model.zip", contents)
    assert_refused(archive, "stands there twice", tmp_path)


def test_a_file_below_a_file_is_refused(tmp_path):
    files = FILES | {"config.yaml/evil": b"evil"}
    archive = write(tmp_path / "model.zip", members(files).items())
    assert_refused(archive, "cannot be unpacked", tmp_path)


def test_a_file_that_the_card_does_not_name_is_refused(tmp_path):
    archive = write(tmp_path / "model.zip", [*members().items(), ("evil.py", b"1")])
    assert_refused(archive, "'evil.py' is not in its config.json", tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_there_is_told(name, tmp_path):
    contents = [item for item in members().items() if item[0] != name]
    archive = write(tmp_path / "model.zip", contents)
    assert_refused(archive, f"lacks {name}", tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_told_with_both_sums(name, tmp_path):
    changed = bytes([FILES[name][0] ^ 1]) + FILES[name][1:]
    archive = tmp_path / "model.zip"
    write_zip(members() | {name: changed}, archive)
    found, promised = (entry(content)["sha256"] for content in (changed, FILES[name]))
    match = f"{name} is damaged or was changed.*{found}, and config.json.*{promised}"
    assert_refused(archive, match, tmp_path)


def test_another_size_than_promised_is_refused_before_unpacking(tmp_path):
    archive = tmp_path / "model.zip"
    write_zip(members() | {"encoder/config.json": b"{ }"}, archive)
    assert_refused(archive, "has 3 bytes, and config.json promises 2", tmp_path)


def test_a_bomb_is_refused_though_its_card_fits(tmp_path):
    files = FILES | {"encoder/weights": bytes(50_000_000)}
    archive = write(
        tmp_path / "model.zip", members(files).items(), compress=zipfile.ZIP_DEFLATED
    )
    assert archive.stat().st_size < 100_000
    assert_refused(archive, "which no model does", tmp_path)


def test_a_size_that_headers_and_card_understate_is_refused(tmp_path):
    content, said = bytes(100_000), bytes(100)
    files = FILES | {"encoder/weights": content}
    promised = description(FILES | {"encoder/weights": said})["files"]
    archive = write(
        tmp_path / "model.zip",
        members(files, files=promised).items(),
        compress=zipfile.ZIP_DEFLATED,
    )
    true, small = (len(x).to_bytes(4, "little") for x in (content, said))
    data = archive.read_bytes()
    assert data.count(true) == 2
    archive.write_bytes(data.replace(true, small))
    assert_refused(archive, "cannot be unpacked .Bad CRC-32", tmp_path)


def test_an_endless_card_is_refused_unread(tmp_path):
    contents = members() | {"config.json": b" " * 5_000_000}
    archive = write(
        tmp_path / "model.zip", contents.items(), compress=zipfile.ZIP_DEFLATED
    )
    assert_refused(archive, "'config.json' has 5000000 bytes", tmp_path)


def test_a_deeply_nested_card_is_refused(tmp_path):
    archive = tmp_path / "model.zip"
    write_zip(members() | {"config.json": b"[" * 200_000}, archive)
    assert_refused(archive, "config.json is not valid JSON", tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_told(share, tmp_path):
    archive = tmp_path / "model.zip"
    write_zip(members(), archive)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    assert_refused(archive, "cannot be unpacked .*: pack or download it ane", tmp_path)


def test_an_encrypted_archive_is_refused(tmp_path):
    archive = write(tmp_path / "model.zip", members().items())
    with zipfile.ZipFile(archive) as stream:
        start = stream.start_dir
    data = bytearray(archive.read_bytes())
    # The first general-purpose flag of the first entry of the central directory.
    data[start + 8] |= 1
    archive.write_bytes(data)
    assert_refused(archive, "is encrypted or oddly compressed", tmp_path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format_version": 2}, "format version 2.*install a newer espnet_sentiment"),
        ({"model_type": "whisper"}, "no description of an espnet_sentiment model"),
        ({"files": []}, "names no files"),
        ({"files": {"config.yaml": {}}}, "config.yaml has no size and SHA-256"),
        (
            {"files": {"config.yaml": entry(FILES["config.yaml"])}},
            "names no config.yaml and model.safetensors",
        ),
    ],
)
def test_a_card_that_does_not_fit_is_told(changes, match, tmp_path):
    archive = tmp_path / "model.zip"
    write_zip(members(**changes), archive)
    assert_refused(archive, match, tmp_path)


def test_an_archive_of_something_else_is_told(tmp_path):
    archive = write(tmp_path / "model.zip", [("photo.png", b"PNG")])
    assert_refused(archive, "holds no config.json", tmp_path)
    with pytest.raises(DataError, match="nothing.zip does not exist"):
        unpack_model(tmp_path / "nothing.zip", tmp_path / "there")


def test_only_a_new_or_empty_folder_is_filled(tmp_path):
    archive = tmp_path / "model.zip"
    write_zip(members(), archive)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="taken exists: delete it, or name another"):
        unpack_model(archive, tmp_path / "taken")
    for name in ("link", "dangling"):
        with pytest.raises(DataError, match=f"{name} is a link"):
            unpack_model(archive, tmp_path / name)
    assert [p.name for p in (tmp_path / "taken").iterdir()] == ["mine"]
    assert not any((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "empty").mkdir()
    unpack_model(archive, tmp_path / "empty")
    assert (tmp_path / "empty" / "config.json").is_file()


def test_a_full_disk_is_told_before_it_is_full(tmp_path, monkeypatch):
    archive = tmp_path / "model.zip"
    write_zip(members(), archive)

    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    assert_refused(archive, "and .* has 1000 left: make room", tmp_path)


def test_pickles_are_never_loaded(tmp_path):
    from espnet_sentiment.model.checkpoint import load_decoder

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    stream = io.BytesIO()
    pickle.dump({"state_dict": {}, "encoder": Evil()}, stream, protocol=2)
    files = FILES | {"model.safetensors": stream.getvalue()}
    write_zip(members(files), tmp_path / "model.zip")
    unpack_model(tmp_path / "model.zip", tmp_path / "there")
    files = find_model(tmp_path / "there")
    with pytest.raises(DataError, match=r"model.safetensors cannot be read"):
        load_decoder(files.model_file)
    # The same under the name that training gives.
    renamed = files.model_file.rename(tmp_path / "there" / "sentiment.pth")
    with pytest.raises(DataError, match=r"sentiment.pth cannot be read"):
        load_decoder(renamed)
    assert not (tmp_path / "executed").exists()


def test_yaml_that_would_build_objects_is_refused(tmp_path):
    from safetensors.numpy import save

    from espnet_sentiment.model.checkpoint import load_decoder

    evil = f"!!python/object/apply:os.mkdir ['{tmp_path}/executed']\n"
    reference = json.dumps({"name": "none", "path": None, "sha256": "0" * 64})
    files = {
        "config.yaml": evil.encode(),
        "model.safetensors": save({}, {"encoder": reference}),
    }
    write_zip(members(files), tmp_path / "model.zip")
    unpack_model(tmp_path / "model.zip", tmp_path / "there")
    with pytest.raises(DataError, match="config.yaml cannot be read"):
        load_decoder(find_model(tmp_path / "there").model_file)
    assert not (tmp_path / "executed").exists()
