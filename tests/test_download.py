"""Downloads from a local server that stands in for a corpus site."""

import hashlib
import http.server
import threading
import zipfile

import pytest

from espnet_sentiment.core.download import download, unpack
from espnet_sentiment.core.errors import DataError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve CONTENT, with ranges, and break off where the server says."""

    def do_GET(self):
        self.server.requests.append(self.headers.get("Range"))
        if self.path != "/corpus.zip":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = self.server.break_at if not wanted else None
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *args):
        """Keep the test's output clean."""


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.break_at = [], None
    server.url = f"http://127.0.0.1:{server.server_port}/corpus.zip"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_appears_when_it_is_complete_and_only_once(server, tmp_path):
    path = download(server.url, tmp_path / "corpus.zip")
    assert path.read_bytes() == CONTENT
    download(server.url, path)
    assert server.requests == [None]
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_download_continues_where_it_stopped(server, tmp_path):
    server.break_at = 500_000
    with pytest.raises(DataError, match="run the same command"):
        download(server.url, tmp_path / "corpus.zip")
    assert not (tmp_path / "corpus.zip").exists()
    assert download(server.url, tmp_path / "corpus.zip").read_bytes() == CONTENT
    have = int(server.requests[1].split("=")[1].rstrip("-"))
    assert 0 < have <= 500_000


def test_a_download_killed_before_its_renaming_is_not_sent_again(server, tmp_path):
    (tmp_path / "corpus.zip.part").write_bytes(CONTENT)
    assert download(server.url, tmp_path / "corpus.zip").read_bytes() == CONTENT


def test_a_download_with_the_right_checksum_is_accepted(server, tmp_path):
    path = download(server.url, tmp_path / "corpus.zip", sha256=SHA256)
    assert path.read_bytes() == CONTENT


def test_another_file_than_the_checksum_promises_is_refused(server, tmp_path):
    for _ in range(2):
        with pytest.raises(
            DataError, match=f"{server.url} .* is {SHA256} and not 0{{64}}: the broken"
        ):
            download(server.url, tmp_path / "corpus.zip", sha256="0" * 64)
        assert not list(tmp_path.iterdir())
    assert server.requests == [None, None]


def test_an_interrupted_download_is_whole_by_its_checksum(server, tmp_path):
    server.break_at = 500_000
    with pytest.raises(DataError, match="run the same command"):
        download(server.url, tmp_path / "corpus.zip", sha256=SHA256)
    path = download(server.url, tmp_path / "corpus.zip", sha256=SHA256)
    assert path.read_bytes() == CONTENT
    assert server.requests[1] is not None


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 1])
def test_a_half_written_download_of_other_bytes_is_found_out(server, tmp_path, size):
    (tmp_path / "corpus.zip.part").write_bytes(b"x" * size)
    with pytest.raises(DataError, match="broken file was removed, run the same"):
        download(server.url, tmp_path / "corpus.zip", sha256=SHA256)
    path = download(server.url, tmp_path / "corpus.zip", sha256=SHA256)
    assert path.read_bytes() == CONTENT


def test_a_missing_file_or_server_names_the_address_and_the_remedy(server, tmp_path):
    for url in (server.url + "x", "http://127.0.0.1:9/corpus.zip"):
        with pytest.raises(DataError, match=f"{url} cannot be downloaded.*local copy"):
            download(url, tmp_path / "corpus.zip")


def test_an_archive_is_unpacked_whole(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("wav/a.wav", "x")
    assert (unpack(tmp_path / "a.zip", tmp_path / "a") / "wav/a.wav").exists()


def test_an_entry_that_leaves_the_folder_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(DataError, match="'../evil' leaves its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "sub" / "a")
    assert not (tmp_path / "sub" / "evil").exists()


def test_a_broken_archive_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="a.zip cannot be unpacked.*download it again"):
        unpack(tmp_path / "a.zip", tmp_path / "a")
    assert not (tmp_path / "a").exists()
