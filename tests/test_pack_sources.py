"""Models found on a hub or behind an address, and encoders that a pack takes along."""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from fake_hub import REPOSITORY, fake_hub
from test_pack_archive import FILES, members

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.reference import hash_encoder
from espnet_sentiment.pack.archive import write_folder, write_zip
from espnet_sentiment.pack.encoder import known_source, pack_encoder, source_url
from espnet_sentiment.pack.find import find_model, unpack_once
from espnet_sentiment.pack.unpack import unpack_model


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNET_SENTIMENT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@contextlib.contextmanager
def served(folder):
    """Serve a folder on the loopback interface."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def run_with_hub(hub, home, code, *argv):
    """Run code in a process whose Hub is on the loopback interface."""
    environment = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home),
        "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HOME": str(home),
        "PATH": os.environ["PATH"],
    }
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, argv)],
        env=environment,
        capture_output=True,
        text=True,
    )


PUSH = """
import sys
from pathlib import Path
from espnet_sentiment.pack.hub import push_model
print(push_model(Path(sys.argv[1]), sys.argv[2], private=True))
"""
FIND = """
import sys
from espnet_sentiment.pack.find import find_model
files = find_model(sys.argv[1])
print(files.model_file, files.encoder_model.is_dir(), files.description["fold"])
"""


def test_a_model_pushed_to_the_hub_is_found_by_its_name(tmp_path):
    write_folder(members(), tmp_path / "model")
    (tmp_path / "model" / "private.txt").write_text("not of the pack")
    with fake_hub() as hub:
        hub.files = {"encoder/old.bin": b"old", "run.py": b"evil"}
        run = run_with_hub(hub, tmp_path, PUSH, tmp_path / "model", REPOSITORY)
        assert run.stdout == f"{hub.url}\n", run.stderr
        assert hub.files == members() | {"run.py": b"evil"}
        assert [made["visibility"] for made in hub.created] == ["private"]
        assert hub.tokens == {"Bearer hf_secret"}
        found = run_with_hub(hub, tmp_path / "home", FIND, REPOSITORY)
        assert found.returncode == 0, found.stderr
        model_file, has_encoder, fold = found.stdout.split()
        assert (has_encoder, fold) == ("True", "1")
        assert Path(model_file).read_bytes() == FILES["model.safetensors"]
        assert not list((tmp_path / "home").rglob("run.py"))


def test_a_hub_that_refuses_is_told_with_the_remedy(tmp_path):
    write_folder(members(), tmp_path / "model")
    with fake_hub() as hub:
        hub.refuse = True
        run = run_with_hub(hub, tmp_path, PUSH, tmp_path / "model", REPOSITORY)
    assert run.returncode == 1 and hub.files == {}
    message = run.stderr.splitlines()[-1]
    assert f"DataError: {REPOSITORY} cannot be pushed" in message
    assert "403" in message and "hf auth login" in message


def test_a_snapshot_of_links_is_a_model_and_its_readme_may_be_edited(tmp_path):
    write_folder(members(), tmp_path / "blobs")
    for name in members():
        link = tmp_path / "snapshot" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / "blobs" / name)
    (tmp_path / "blobs" / "README.md").write_text("# edited on the Hub\n")
    assert find_model(tmp_path / "snapshot").description["name"] == "a model"
    (tmp_path / "blobs" / "config.yaml").write_text("no: [settings")
    with pytest.raises(DataError, match="config.yaml is damaged or was changed"):
        find_model(tmp_path / "snapshot")
    (tmp_path / "blobs" / "config.yaml").write_bytes(FILES["config.yaml"])
    (tmp_path / "blobs" / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(DataError, match="model.safetensors is damaged or was changed"):
        find_model(tmp_path / "snapshot")
    (tmp_path / "blobs" / "model.safetensors").unlink()
    with pytest.raises(DataError, match="holds no trained model: a model is"):
        find_model(tmp_path / "snapshot")


def test_an_archive_behind_an_address_is_fetched_and_unpacked_once(tmp_path, cache):
    write_zip(members(), tmp_path / "www" / "model.zip")
    with served(tmp_path / "www") as url:
        found = find_model(f"{url}/model.zip")
        with pytest.raises(DataError, match="nothing.zip cannot be downloaded"):
            find_model(f"{url}/nothing.zip")
    assert found.model_file.is_relative_to(cache / "models")
    # The server is gone, and the same content elsewhere is the same model.
    assert find_model(f"{url}/model.zip") == found
    copy = shutil.copy(tmp_path / "www" / "model.zip", tmp_path / "copy.zip")
    assert find_model(copy) == found
    assert len(list((cache / "models").iterdir())) == 1


def test_what_was_damaged_in_the_cache_is_unpacked_again(tmp_path, cache):
    write_zip(members(), tmp_path / "model.zip")
    found = find_model(tmp_path / "model.zip")
    sound = found.model_file.read_bytes()
    found.model_file.write_bytes(sound + b"more")
    assert find_model(tmp_path / "model.zip") == found
    assert found.model_file.read_bytes() == sound
    (found.model_file.parent / "config.json").unlink()
    assert find_model(tmp_path / "model.zip") == found
    assert len(list((cache / "models").iterdir())) == 1


def test_two_processes_may_unpack_at_once(tmp_path, cache, monkeypatch):
    write_zip(members(), tmp_path / "model.zip")

    def beaten(archive, folder):
        unpack_model(archive, folder)
        return unpack_model(archive, folder)

    monkeypatch.setattr("espnet_sentiment.pack.unpack.unpack_model", beaten)
    assert (unpack_once(tmp_path / "model.zip") / "config.json").is_file()


def test_what_is_nowhere_says_what_was_tried(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise OSError("no connection\nat all")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr(
        "espnet_model_zoo.downloader.ModelDownloader.huggingface_download", refuse
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError) as error:
        find_model("somebody/nothing")
    for part in (
        "no model at somebody/nothing: there is no such path",
        "Hugging Face Hub gave nothing of that name (no connection)",
        "model zoo gave nothing of that name (no connection)",
        "owner/name",
    ):
        assert part in str(error.value)
    for path in (tmp_path / "nothing", "./nothing", "~/nothing"):
        with pytest.raises(DataError, match="nothing does not exist: a model is"):
            find_model(path)
    (tmp_path / "photo.png").write_bytes(b"PNG")
    with pytest.raises(DataError, match="photo.png is no model: a model is"):
        find_model(tmp_path / "photo.png")


def write_espnet(folder, stats=None, **config):
    """Write an ESPnet experiment: what its files hold is not read here."""
    folder.mkdir(parents=True)
    if stats is not None:
        config |= {"normalize": "global_mvn", "normalize_conf": {"stats_file": stats}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"encoder": "rnn"} | config))
    (folder / "valid.loss.ave.pth").write_bytes(b"weights")
    (folder / "tokens.txt").write_text("<blank>\n")
    (folder / "train.log").write_text("long")
    (folder / "checkpoint.pth").write_bytes(b"the trainer's")
    return folder


def copied(name, path, tmp_path):
    """Copy what a pack takes of an encoder; return where the encoder is then."""
    packed = pack_encoder(name, path)
    write_folder(packed.files, tmp_path / "copy")
    shutil.rmtree(tmp_path / "exp")
    return tmp_path / "copy" / packed.path, sorted(packed.files)


@pytest.mark.parametrize("checkpoint", ["", "valid.loss.ave.pth"])
def test_an_espnet_experiment_keeps_its_sha256(checkpoint, tmp_path, monkeypatch):
    folder = write_espnet(
        tmp_path / "exp" / "asr",
        stats="exp/asr/feats_stats.npz",
        bpemodel="exp/asr/bpe.model",
    )
    for name in ("feats_stats.npz", "bpe.model", "LICENSE"):
        (folder / name).write_text(name)
    before = hash_encoder("espnet", folder / checkpoint)
    path, names = copied("espnet", folder / checkpoint, tmp_path)
    monkeypatch.chdir("/")
    assert hash_encoder("espnet", path) == before
    assert [name.removeprefix("encoder/") for name in names] == [
        "LICENSE",
        "bpe.model",
        "config.yaml",
        "feats_stats.npz",
        "tokens.txt",
        "valid.loss.ave.pth",
    ]


def test_statistics_beside_an_experiment_are_found_in_its_copy(tmp_path, monkeypatch):
    stats = "exp/asr_stats/train/feats_stats.npz"
    folder = write_espnet(tmp_path / "exp" / "asr", stats=stats)
    (tmp_path / stats).parent.mkdir(parents=True)
    (tmp_path / stats).write_bytes(b"statistics")
    before = hash_encoder("espnet", folder)
    path, names = copied("espnet", folder, tmp_path)
    monkeypatch.chdir("/")
    assert hash_encoder("espnet", path) == before
    assert path == tmp_path / "copy" / "encoder" / "exp" / "asr"
    assert f"encoder/{stats}" in names


def test_statistics_that_no_copy_would_find_are_refused(tmp_path):
    stats = tmp_path / "elsewhere.npz"
    stats.write_bytes(b"statistics")
    folder = write_espnet(tmp_path / "exp" / "asr", stats=str(stats))
    with pytest.raises(DataError, match=r"no copy of it would find: .*--without_enco"):
        pack_encoder("espnet", folder)


@pytest.mark.parametrize(
    ("part", "name"),
    [("frontend", "huggingface"), ("frontend", "s3prl"), ("encoder", "Whisper")],
)
def test_an_experiment_that_is_made_of_another_model_is_not_packed(
    part, name, tmp_path
):
    folder = write_espnet(tmp_path / "exp" / "asr", **{part: name})
    with pytest.raises(DataError, match=f"its {part} {name.lower()} .*--without_enc"):
        pack_encoder("espnet", folder)


def test_an_unpacked_experiment_of_the_zoo_keeps_its_sha256(tmp_path, monkeypatch):
    write_espnet(tmp_path / "exp" / "zoo" / "exp" / "asr")
    meta = {
        "files": {"asr_model_file": "exp/asr/valid.loss.ave.pth"},
        "yaml_files": {"asr_train_config": "exp/asr/config.yaml"},
    }
    (tmp_path / "exp" / "zoo" / "meta.yaml").write_text(yaml.safe_dump(meta))
    before = hash_encoder("espnet", tmp_path / "exp" / "zoo")
    path, _ = copied("espnet", tmp_path / "exp" / "zoo", tmp_path)
    monkeypatch.chdir("/")
    assert hash_encoder("espnet", path) == before


def test_an_espnet_archive_is_taken_as_it_is(tmp_path):
    archive = tmp_path / "exp" / "asr.zip"
    meta = {
        "files": {"asr_model_file": "m.pth"},
        "yaml_files": {"asr_train_config": "config.yaml"},
    }
    files = {"config.yaml": b"encoder: rnn", "m.pth": b""}
    write_zip(files | {"meta.yaml": yaml.safe_dump(meta).encode()}, archive)
    before = hash_encoder("espnet", archive)
    path, names = copied("espnet", archive, tmp_path)
    assert names == ["encoder/asr.zip"] and hash_encoder("espnet", path) == before


@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_torchaudio_checkpoint_keeps_its_name_and_sha256(whole_folder, tmp_path):
    checkpoint = tmp_path / "exp" / "hubert_fairseq_base_ls960.pth"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    path = checkpoint.parent if whole_folder else checkpoint
    reference = {"name": "torchaudio", "path": str(path)}
    assert known_source(reference, str(path)) == "HUBERT_BASE"
    url = source_url("torchaudio", "HUBERT_BASE")
    assert url.startswith("https://") and url.endswith(checkpoint.name)
    before = hash_encoder("torchaudio", path)
    path, names = copied("torchaudio", path, tmp_path)
    assert names == [f"encoder/{checkpoint.name}"]
    assert hash_encoder("torchaudio", path) == before


@pytest.mark.parametrize(
    ("reference", "model", "source"),
    [
        ({"path": "/models/whisper"}, "/models/whisper", None),
        ({"path": "/x"}, "openai/whisper-base", "openai/whisper-base"),
        (
            {"path": f"/c/models--openai--whisper-base/snapshots/{'0' * 40}"},
            f"/c/models--openai--whisper-base/snapshots/{'0' * 40}",
            "openai/whisper-base",
        ),
        # A packed model says what was known.
        ({"path": "encoder", "source": None}, "encoder", None),
        ({"path": None, "source": "a/b"}, "encoder", "a/b"),
    ],
)
def test_a_source_is_only_claimed_where_it_is_known(reference, model, source):
    assert known_source({"name": "huggingface"} | reference, model) == source
    expected = None if source is None else f"https://huggingface.co/{source}"
    assert source_url("huggingface", source) == expected
