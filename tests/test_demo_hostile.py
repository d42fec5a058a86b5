"""The page's server as hostile and careless visitors meet it."""

import contextlib
import itertools
import json
import math
import re
import socket
import time
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.demo.limits import Limits
from espnet_sentiment.demo.server import serving

pytest.importorskip("gradio", reason="Gradio is not installed: there is no page")
pytestmark = pytest.mark.slow  # Gradio's import

MODEL = Mock(classes=["bad", "good"], sample_rate=16000)
LIMITS = Limits(max_mb=1, max_total_mb=2, keep_seconds=2)
MB = 2**20
CALL = {"data": [None, True], "fn_index": 0, "session_hash": "test"}
API = "/gradio_api"
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Origin": "http://evil.example/127.0.0.1:{port}"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "iframe",
    },
]
LINK = FOREIGN[-1] | {"Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module", params=["127.0.0.1", "0.0.0.0"])
def url(request):
    """Serve the page to this machine alone, and to all."""
    with serving(MODEL, LIMITS, host=request.param) as address:
        yield f"http://127.0.0.1:{httpx.URL(address).port}"


@contextlib.contextmanager
def one_page(limits=LIMITS):
    with serving(MODEL, limits) as address:
        yield address.rstrip("/")


def upload(url, content, **options) -> httpx.Response:
    files = {"files": ("a.wav", content)}
    return httpx.post(f"{url}{API}/upload", files=files, **options)


def answers(url, session="test") -> list[dict]:
    """Call as the page does; return what the server says."""
    call = CALL | {"session_hash": session}
    httpx.post(f"{url}{API}/queue/join", json=call).raise_for_status()
    reply = httpx.get(f"{url}{API}/queue/data?session_hash={session}", timeout=30)
    lines = [line for line in reply.text.splitlines() if line]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def works(url) -> bool:
    return any(
        message["msg"] == "process_completed" and message["success"]
        for message in answers(url)
    )


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda h: " ".join(h.values()))
def test_other_pages_are_refused_whatever_they_ask_for(url, headers):
    port = str(httpx.URL(url).port)
    headers = {name: value.replace("{port}", port) for name, value in headers.items()}
    preflight = {"Access-Control-Request-Method": "POST"}
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    replies = [
        upload(url, b"x", headers=headers),
        httpx.post(f"{url}{API}/queue/join", json=CALL, headers=headers),
        httpx.get(f"{url}{API}/queue/data?session_hash=test", headers=headers),
        httpx.get(f"{url}{API}/upload_progress?upload_id=a", headers=headers),
        httpx.get(f"{url}/config", headers=headers),
        httpx.get(f"{url}/", headers=headers),
        httpx.options(f"{url}{API}/upload", headers=headers | preflight),
        httpx.get(f"{url}/ws", headers=headers | upgrade),
    ]
    for reply in replies:
        assert reply.status_code == 403, reply.request
        assert "access-control-allow-origin" not in reply.headers
    assert all("other pages" in reply.text for reply in replies[:-1])


def test_the_page_itself_links_to_it_and_other_programs_are_served(url):
    own = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    for headers in (own, {}, {"Sec-Fetch-Site": "none"}):
        assert upload(url, b"x", headers=headers).status_code == 200
        assert httpx.get(f"{url}/config", headers=headers).status_code == 200
        call = httpx.post(f"{url}{API}/queue/join", json=CALL, headers=headers)
        assert call.status_code == 200
    assert httpx.get(url, headers=LINK).status_code == 200
    assert upload(url, b"x", headers=LINK).status_code == 403
    # Behind a server that speaks https, which calls it by a name of this machine.
    named = {"Host": "localhost", "Origin": "https://LOCALHOST"}
    assert httpx.get(url, headers=named).status_code == 200
    assert works(url)


def test_gradios_own_client_connects(url):
    import gradio_client

    assert gradio_client.Client(url, verbose=False).config["title"]


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_all_uploads_together_have_a_limit_and_the_page_outlives_it():
    with one_page() as url:
        paths = []
        for fill in (b"a", b"b"):
            paths += upload(url, fill * (MB - 9000)).json()
        refused = upload(url, b"c" * MB)
        assert refused.status_code == 507
        assert refused.headers["retry-after"] == "2"
        assert "All uploads together fill the 2 MB" in refused.text
        # Of no length that it told before.
        form = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        )

        def chunks():
            yield form
            for _ in range(16):
                yield bytes(MB // 16)
            yield b"\r\n--x--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        refused = httpx.post(f"{url}{API}/upload", content=chunks(), headers=kind)
        assert refused.status_code == 507
        assert works(url)
        folder = Path(paths[0]).parents[1]
        wait_for(lambda: not any(Path(path).exists() for path in paths))
        assert upload(url, b"d" * (MB - 9000)).status_code == 200
        left = [path for path in folder.rglob("*") if path.is_file()]
        assert [path.name for path in left] == ["a.wav"]


def begin_upload(url, length) -> socket.socket:
    address = httpx.URL(url)
    client = socket.create_connection((address.host, address.port))
    client.sendall(
        f"POST {API}/upload HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {length}\r\n\r\n--x\r\n".encode()
    )
    return client


def test_what_is_being_received_counts_and_is_forgotten_when_it_breaks_off():
    with one_page() as url, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(begin_upload(url, MB - 30_000))
        wait_for(lambda: upload(url, b"x" * MB).status_code == 507)
        stack.close()
        wait_for(lambda: upload(url, b"x" * MB).status_code == 200)


def test_a_form_that_holds_no_file_ends_at_the_limit_of_a_file():
    def field():
        yield b'--x\r\nContent-Disposition: form-data; name="field"\r\n\r\n'
        for _ in range(20):
            yield bytes(MB // 4)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    with one_page() as url:
        # The server may hang up on who goes on talking.
        with contextlib.suppress(httpx.TransportError):
            reply = httpx.post(f"{url}{API}/upload", content=field(), headers=kind)
            assert reply.status_code == 413
            assert reply.text == "An upload has at most 1 MB on this page.\n"
        assert works(url)


def test_a_full_disk_is_said(monkeypatch):
    with one_page() as url, monkeypatch.context() as patch:
        from gradio import route_utils

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        patch.setattr(route_utils, "NamedTemporaryFile", full)
        reply = upload(url, b"x")
        assert (reply.status_code, reply.text) == (507, "The server's disk is full.\n")


BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe",
    "nested": b"[" * 9999,
    "a list": b"[1]",
    "a number": b"1",
    "an object": b"{}",
    "no session": json.dumps({"data": [None, True], "fn_index": 0}).encode(),
    **{
        name: json.dumps(CALL | change).encode()
        for name, change in {
            "unknown function": {"fn_index": 99},
            "negative function": {"fn_index": -1},
            "text for a function": {"fn_index": "x"},
            "flag for a function": {"fn_index": False},
            "list for a session": {"session_hash": ["s"]},
            "long session": {"session_hash": "s" * 999},
            "no data": {"data": []},
            "much data": {"data": [None] * 9},
            "text for data": {"data": "xy"},
            "null data": {"data": None},
            "number for a file": {"data": [3, True]},
            "text for a flag": {"data": [None, "yes"]},
            "another file": {"data": [{"path": "/etc/passwd"}, True]},
            "way out": {"data": [{"path": "{folder}/../x.wav"}, True]},
            "address": {"data": [{"path": "https://example.org/a.wav"}, True]},
            "no path": {"data": [{"url": "https://example.org/a.wav"}, True]},
        }.items()
    },
}
CALLS = ["call/predict", "call/nope", "call/v2/predict", "run/predict", "api/predict"]


def test_calls_that_are_not_the_pages_are_refused_in_a_line(capfd):
    kind = {"Content-Type": "application/json"}
    routes = (*CALLS, "queue/join", "cancel", "reset", "component_server")
    with one_page() as url, httpx.Client() as client:
        for (name, body), route in itertools.product(BODIES.items(), routes):
            reply = client.post(f"{url}{API}/{route}", content=body, headers=kind)
            assert 400 <= reply.status_code < 500, (route, name, reply.text)
            assert reply.text.count("\n") == 1
        assert works(url)
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "call, status",
    [
        (("GET", "/gradio_api/queue/data?session_hash=unknown"), 404),
        (("GET", "/gradio_api/queue/data"), 404),
        (("GET", "/gradio_api/call/predict/unknown"), 404),
        (("POST", "/gradio_api/heartbeat/x"), 404),
        (("GET", "/gradio_api/heartbeat/x/y"), 404),
        (("POST", "/gradio_api/stream/x"), 404),
        (("POST", "/gradio_api/stream/x/close"), 404),
        (("GET", "/gradio_api/stream/x/0/1/playlist.m3u8"), 404),
        (("GET", "/gradio_api/proxy=http://example.org"), 404),
        (("GET", "/gradio_api/file=/etc/passwd"), 403),
        (("GET", "/gradio_api/file=https://example.org"), 403),
        (("GET", "/monitoring"), 404),
        (("GET", "/gradio_api/dev/reload"), 404),
        (("POST", "/login"), 404),
        (("PUT", "/gradio_api/upload"), 404),
        (("GET", "/docs"), 404),
    ],
    ids=lambda call: " ".join(call) if isinstance(call, tuple) else "",
)
def test_routes_that_the_page_does_not_need_are_not_there(url, call, status):
    reply = httpx.request(call[0], f"{url}{call[1]}", timeout=30)
    assert reply.status_code == status


FORMS = [
    {"files": {"files": ("", b"x")}},
    {"data": {"files": "x"}},
    {"content": b"x"},
    {"files": {"files": ("a.wav", b"x")}, "params": {"upload_id": ""}},
    {"files": {"files": ("", b"x")}, "params": {"upload_id": "a"}},
    {
        "content": b"--x\r\nx",
        "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    },
    {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
]


def test_uploads_that_are_none_leave_no_traceback(capfd):
    with one_page() as url:
        for form in FORMS:
            reply = httpx.post(f"{url}{API}/upload", **form)
            assert reply.status_code < 500, form
        assert works(url)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_live_calls_take_an_uploaded_chunk_or_nothing_and_no_more():
    with one_page() as url:
        functions = httpx.get(f"{url}/config").json()["dependencies"]
        by_event = {f["targets"][0][1]: f["id"] for f in functions if f["targets"]}
        chunk, begin = by_event["stream"], by_event["start_recording"]
        file = {"path": upload(url, b"no sound").json()[0]}
        for function, data, status in [
            (begin, [], 200),
            (begin, [None], 400),
            (chunk, [], 400),
            (chunk, [True], 400),
            (chunk, [{"path": "/etc/passwd"}], 400),
            (chunk, [file], 200),
        ]:
            call = CALL | {"fn_index": function, "data": data}
            reply = httpx.post(f"{url}{API}/queue/join", json=call)
            assert reply.status_code == status, (function, data)
        assert works(url)


def test_a_call_of_any_size_is_not_kept_in_memory():
    with one_page() as url:
        body = json.dumps(CALL | {"session_hash": "s" * 99_999}).encode()
        reply = httpx.post(f"{url}{API}/queue/join", content=body)
        assert (reply.status_code, reply.text) == (
            413,
            "A call has 65536 bytes at most.\n",
        )


def test_a_file_that_is_gone_is_no_failure_of_the_server(capfd):
    with one_page() as url:
        (path,) = upload(url, b"x").json()
        Path(path).unlink()
        call = CALL | {"data": [{"path": path}, True]}
        reply = httpx.post(f"{url}{API}/queue/join", json=call)
        assert reply.status_code in (200, 404)
        if reply.status_code == 200:
            httpx.get(f"{url}{API}/queue/data?session_hash=test", timeout=30)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_total_that_no_file_fits_into_is_refused():
    message = re.escape("--max_total_mb 2 is less than --max_mb 25")
    with pytest.raises(DataError, match=message):
        Limits(max_total_mb=2)
    with pytest.raises(DataError, match="--max_total_mb inf: give a finite number"):
        Limits(max_total_mb=math.inf)
