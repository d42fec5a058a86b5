"""The page's door for programs: Gradio's client, and health checks."""

import re
import socket
import threading
import time

import httpx
import numpy as np
import pytest
import soundfile
from demo_fixture import loaded_model, trained_experiment  # noqa: F401
from recipe_fixtures import ROOT

import espnet_sentiment
from espnet_sentiment.demo import render
from espnet_sentiment.demo.limits import Limits
from espnet_sentiment.demo.server import serving

pytest.importorskip("gradio", reason="Gradio is not installed: there is no page")
LIMITS = Limits(max_mb=1, max_seconds=20, keep_seconds=60)


@pytest.fixture(scope="module")
def url(model):
    with serving(model, LIMITS, name="emodb.zip") as address:
        yield address.rstrip("/")


@pytest.fixture
def wav(tmp_path, an4_wavs):
    path = tmp_path / "call.wav"
    soundfile.write(path, *soundfile.read(an4_wavs[0]))
    return path


def client_of(url):
    import gradio_client

    return gradio_client.Client(url, verbose=False)


def test_the_code_of_guide_and_page_gets_the_models_answer(
    url, model, wav, monkeypatch
):
    guide = (ROOT / "docs" / "guide" / "use.md").read_text()
    (code,) = re.findall(r"```python\n(  from gradio_client.*?)  ```", guide, re.DOTALL)
    code = re.sub("^  ", "", code, flags=re.MULTILINE).strip()
    assert code == render.CLIENT
    monkeypatch.chdir(wav.parent)
    found = {}
    exec(code.replace("http://127.0.0.1:7860", url), found)
    assert found["answer"] == model(wav, transcript=True).as_dict()
    assert "words" in found["answer"]


def test_words_are_optional_and_the_api_says_so(url, model, wav):
    import gradio_client

    client = client_of(url)
    told = client.view_api(return_format="dict")["named_endpoints"]
    assert list(told) == ["/predict"]
    names = [one["parameter_name"] for one in told["/predict"]["parameters"]]
    assert len(names) == 2
    file = gradio_client.handle_file(wav)
    answer = client.predict(file, False, api_name="/predict")
    assert answer == model(wav).as_dict() and "words" not in answer


def test_errors_reach_a_program_as_their_message(url, tmp_path, wav, capfd):
    import gradio_client

    client = client_of(url)
    text, long = tmp_path / "text.wav", tmp_path / "long.wav"
    text.write_text("no sound")
    samples, rate = soundfile.read(wav)
    soundfile.write(long, np.resize(samples, 25 * rate), rate)
    for path, message in [(text, "cannot be read as audio"), (long, "longer than")]:
        with pytest.raises(Exception, match=f"{path.name} .*{message}") as refused:
            client.predict(gradio_client.handle_file(path), False, api_name="/predict")
        assert "espnet_sentiment_" not in str(refused.value)  # where uploads are
    with pytest.raises(Exception, match="There is no recording"):
        client.predict(None, False, api_name="/predict")
    assert "Traceback" not in "".join(capfd.readouterr())


def test_health_names_the_model_and_takes_only_get(url):
    reply = httpx.get(f"{url}/healthz")
    version = espnet_sentiment.__version__
    told = {"status": "ok", "model": "emodb.zip", "version": version}
    assert (reply.status_code, reply.json()) == (200, told)
    assert httpx.head(f"{url}/healthz").status_code == 200
    assert httpx.post(f"{url}/healthz").status_code == 405
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert httpx.get(f"{url}/healthz", headers=foreign).status_code == 403


class Slow:
    """A model that answers when it is told to."""

    def __init__(self, model):
        self.classes, self.sample_rate = model.classes, model.sample_rate
        self.model, self.go = model, threading.Event()

    def __call__(self, *args, **kwargs):
        assert self.go.wait(60)
        return self.model(*args, **kwargs)


def test_health_is_503_until_the_model_has_answered(model):
    slow, done = Slow(model), threading.Event()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port, seen = probe.getsockname()[1], []

    def serve():
        with serving(slow, LIMITS, port=port):
            seen.append(httpx.get(address).status_code)
            done.set()

    address = f"http://127.0.0.1:{port}/healthz"
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        for _ in range(600):
            try:
                reply = httpx.get(address)
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        assert (reply.status_code, reply.json()["status"]) == (503, "starting")
    finally:
        slow.go.set()
        thread.join(60)
    assert seen == [200] and done.is_set()
