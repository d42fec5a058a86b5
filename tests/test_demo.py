"""The page's server: limits, messages, what it keeps and what it lets nobody do."""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from demo_fixture import loaded_model, trained_experiment  # noqa: F401

from espnet_sentiment.cli import demo
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import write_json
from espnet_sentiment.demo import render
from espnet_sentiment.demo.answer import answer, conversation_page
from espnet_sentiment.demo.limits import Limits
from espnet_sentiment.demo.server import is_loopback, serving
from espnet_sentiment.pack.find import find_model

pytest.importorskip("gradio", reason="Gradio is not installed: there is no page")
LIMITS = Limits(max_mb=1, max_seconds=20, keep_seconds=1)
EVIL = '<img src=x onerror="window.evil=1">'


@pytest.fixture
def wav(tmp_path, an4_wavs) -> Path:
    path = tmp_path / "speech.wav"
    soundfile.write(path, *soundfile.read(an4_wavs[0]))
    return path


@pytest.fixture(scope="module")
def url(model):
    with serving(model, LIMITS) as address:
        yield address.rstrip("/")


def upload(url, name, content) -> httpx.Response:
    return httpx.post(f"{url}/gradio_api/upload", files={"files": (name, content)})


def ask(url, path, **changes) -> dict:
    """Ask for an answer as the page's script does; return the server's last word."""
    config = httpx.get(f"{url}/config").json()
    function = config["dependencies"][0]  # the page's; the last one is the API's
    file = {"path": path, "meta": {"_type": "gradio.FileData"}} | changes
    body = {"data": [file, True], "fn_index": function["id"], "session_hash": "test"}
    httpx.post(f"{url}/gradio_api/queue/join", json=body).raise_for_status()
    with httpx.stream("GET", f"{url}/gradio_api/queue/data?session_hash=test") as lines:
        for line in lines.iter_lines():
            message = json.loads(line.removeprefix("data: ") or "{}")
            if message.get("msg") == "process_completed":
                return message
    raise AssertionError("no answer")


def test_an_upload_is_answered_with_label_and_words(model, wav):
    sentiment = answer(model, str(wav), LIMITS, transcript=True)
    assert sentiment.label in model.classes
    assert sum(sentiment.posteriors.values()) == pytest.approx(1, abs=1e-5)
    assert sentiment.words and sentiment.text
    sentiment = answer(model, str(wav), LIMITS, transcript=False)
    assert sentiment.text is None


def test_conversation_is_answered_in_a_frame_that_reaches_nothing(model, wav):
    frame = render.conversation(conversation_page(model, str(wav), LIMITS, True))
    assert frame.startswith('<iframe sandbox="allow-scripts" title=')
    assert "<script" not in frame  # but escaped
    page = unescape(frame)
    assert 'id="audio">data:audio/ogg;base64,' in page and '"turns":[{' in page
    assert "default-src 'none'" in page
    # Nor does it tell where the server keeps the recording.
    assert str(wav.parent) not in page


def test_conversation_is_refused_as_a_recording_is(model, tmp_path):
    notes, long = tmp_path / "notes.wav", tmp_path / "long.flac"
    notes.write_bytes(b"no audio\n" * 100)
    soundfile.write(long, np.zeros((21 * 8000, 2)), 8000)
    for path, said in (
        (notes, "notes.wav cannot be read"),
        (long, "long.flac lasts 21 s, longer than the 20 s"),
    ):
        with pytest.raises(DataError, match=said):
            conversation_page(model, str(path), LIMITS, False)


def test_text_that_is_called_wav_is_named_with_the_remedy(model, tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("no audio\n" * 100)
    with pytest.raises(
        DataError, match="notes.wav cannot be read .*WAV, FLAC"
    ) as error:
        answer(model, str(path), LIMITS, transcript=False)
    assert str(tmp_path) not in str(error.value)


def test_a_long_recording_is_refused_before_it_is_decoded(model, tmp_path, wav):
    samples, rate = soundfile.read(wav)
    path = tmp_path / "long.flac"
    soundfile.write(path, np.resize(samples, 21 * rate), rate)
    # Its header alone promises 21 s.
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="long.flac lasts 21 s, longer than the 20 s"):
        answer(model, str(path), LIMITS, transcript=False)


def test_what_the_model_refuses_does_not_tell_where_the_server_keeps_it(
    model, tmp_path
):
    path = tmp_path / "broken.wav"
    soundfile.write(path, np.full(16000, np.nan), 16000, "FLOAT")
    with pytest.raises(DataError, match="broken.wav") as error:
        answer(model, str(path), LIMITS, transcript=False)
    assert str(tmp_path) not in str(error.value)


def test_an_upload_that_was_deleted_meanwhile_is_asked_for_again(model, tmp_path):
    with pytest.raises(DataError, match="gone.wav is no longer .*upload it again"):
        answer(model, str(tmp_path / "gone.wav"), LIMITS, transcript=False)


def test_markup_in_words_and_classes_is_text(model, wav):
    sentiment = answer(model, str(wav), LIMITS, transcript=True)
    words = [dataclasses.replace(word, text=EVIL) for word in sentiment.words]
    segment = dataclasses.replace(
        sentiment.segments[0], label=EVIL, posteriors={EVIL: 1.0}
    )
    evil = dataclasses.replace(
        sentiment, text=EVIL, words=words, segments=[segment, segment]
    )
    pages = [evil, dataclasses.replace(evil, words=None)]
    for html in (*map(render.details, pages), render.error(EVIL)):
        assert "<img" not in html and "&lt;img" in html


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, 1e305])
def test_limits_are_finite_and_above_zero(value):
    for field in dataclasses.fields(Limits):
        message = re.escape(f"--{field.name} {value}: give a finite number above 0")
        with pytest.raises(DataError, match=message):
            Limits(**{field.name: value})


def test_a_limit_without_end_is_refused_before_the_model_is_looked_for():
    with pytest.raises(DataError, match="--max_mb inf: give a finite number above 0"):
        demo.run(parse("/no/such/model", "--max_mb", "inf"))


def test_the_page_says_what_the_model_knows(experiment, monkeypatch):
    shown = []

    @contextlib.contextmanager
    def looked_at(*args):
        with serving(*args) as url:
            components = httpx.get(f"{url}config").json()["components"]
            shown.extend(str(part["props"].get("value")) for part in components)
            yield url

    monkeypatch.setattr(demo, "serving", looked_at)
    monkeypatch.setattr(demo, "wait", lambda: None)
    write_json(experiment / "results.json", {"corpus": "an4 & co"})
    try:
        assert demo.run(parse(experiment)) == 0
    finally:
        (experiment / "results.json").unlink()
    [about] = [text for text in shown if "classes apart" in text]
    assert "of the corpus an4 &amp; co; other voices" in about
    for name in find_model(experiment).description["classes"]:
        assert name in about


def test_the_page_names_no_corpus_that_is_not_known():
    about = render.about(["bad", "<good>"], None)
    assert "no others: bad, &lt;good&gt;. It has learned" in about
    assert "corpus" not in about


def test_uploads_lie_in_a_private_folder_that_goes_with_them(model, wav):
    with serving(model, LIMITS) as url:
        (path,) = upload(url.rstrip("/"), "a.wav", wav.read_bytes()).json()
        folder = Path(path).parents[1]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert ask(url.rstrip("/"), path)["success"]
        deadline = time.monotonic() + 20
        while Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not Path(path).exists()
    assert not folder.exists()


def test_the_server_refuses_an_upload_above_its_limit(url):
    response = upload(url, "big.wav", bytes(LIMITS.max_bytes + 1))
    assert response.status_code == 413
    assert upload(url, "small.wav", bytes(LIMITS.max_bytes)).status_code == 200


def test_pages_elsewhere_cannot_rename_themselves_to_this_machine(url):
    assert httpx.get(url).status_code == 200
    assert httpx.get(url, headers={"Host": "example.org"}).status_code == 400


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_the_loopback_of_ipv6_is_served(model, host):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(model, LIMITS, host=host) as url:
        assert url.startswith("http://[::1]:")
        assert httpx.get(url, trust_env=False).status_code == 200
        evil = httpx.get(url, headers={"Host": "example.org"}, trust_env=False)
        assert evil.status_code == 400


def test_a_taken_port_is_named(model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(DataError, match=f"--port {port} cannot be bound: another"),
            serving(model, LIMITS, port=port),
        ):
            pass


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"]
)
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "example.org", "::"])
def test_what_others_reach_is_known(host):
    assert not is_loopback(host)


def parse(*options):
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return parser.parse_args([*map(str, options)])


def test_the_command_serves_until_it_is_ended_and_cleans_up(
    experiment, monkeypatch, capsys
):
    # A proxy between Gradio and its own server would not know the way.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    folders = []

    def end():
        folders.append(Path(os.environ["GRADIO_TEMP_DIR"]))
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("SIGTERM ends nothing")

    monkeypatch.setattr(demo, "wait", end)
    with pytest.raises(SystemExit) as exit_:
        demo.run(parse(experiment, "--max_mb", 2))
    assert exit_.value.code == 128 + signal.SIGTERM
    printed = capsys.readouterr()
    assert "Open http://127.0.0.1:" in printed.out and "warning" not in printed.err
    assert not folders[0].exists()


def test_another_host_is_warned_about(experiment, monkeypatch, capsys):
    monkeypatch.setattr(demo, "wait", lambda: None)
    assert demo.run(parse(experiment, "--host", "0.0.0.0")) == 0
    assert "warning: --host 0.0.0.0: anybody who" in capsys.readouterr().err


def test_help_is_quick_and_a_missing_gradio_is_named():
    script = (
        "import argparse, sys\n"
        "from espnet_sentiment.cli import demo\n"
        "parser = argparse.ArgumentParser()\n"
        "demo.add_arguments(parser)\n"
        "parser.format_help()\n"
        "heavy = {'gradio', 'torch', 'numpy', 'transformers', 'espnet2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "sys.modules['gradio'] = None\n"
        "demo.run(parser.parse_args(['model']))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (
        "UserError: the page needs gradio: run pip install 'espnet_sentiment[demo]'"
        in (done.stderr)
    )
