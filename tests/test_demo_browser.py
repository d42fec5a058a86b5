"""The page as a person uses it, in a headless Chromium."""

import re
import shutil
import string

import numpy as np
import pytest
import soundfile
import yaml
from browser_fixture import launch_chromium
from demo_fixture import loaded_model, trained_experiment  # noqa: F401

from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.demo.limits import Limits
from espnet_sentiment.demo.server import serving
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

pytestmark = [pytest.mark.espnet, pytest.mark.browser]

pytest.importorskip("gradio", reason="Gradio is not installed: there is no page")
LIMITS = Limits(max_mb=1, max_seconds=40)
LABEL = "[data-testid=label-output-value]"
INPUT = "input[type=file]"
# The browser's word on a file that it cannot play.
UNPLAYABLE = "Waveform load error"
EVIL = "<img/src=x/onerror=window.evil=1>"


@pytest.fixture(scope="module")
def wav(tmp_path_factory, an4_wavs):
    path = tmp_path_factory.mktemp("wav") / "speech.wav"
    soundfile.write(path, *soundfile.read(an4_wavs[0]))
    return path


@pytest.fixture(scope="module")
def browser(wav):
    """Return a Chromium whose microphone hears a recording again and again."""
    with launch_chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={wav}",
    ) as browser:
        yield browser


@pytest.fixture(scope="module")
def url(model):
    with serving(model, LIMITS, name=EVIL) as address:
        yield address


class Visit:
    """A page of one's own; nothing may go wrong in it or leave this machine."""

    def __init__(self, browser, url, **options):
        self.troubles = []
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", lambda r: self._request(r.url, url))
        self.page.goto(url)
        self.page.wait_for_selector(INPUT, state="attached")

    def _console(self, message):
        if message.type == "error" and UNPLAYABLE not in message.text:
            self.troubles.append(message.text)

    def _request(self, asked, url):
        if not asked.startswith((url, "data:", "blob:")):
            self.troubles.append(asked)

    def hand_in(self, path):
        if not self.page.locator(INPUT).count():
            self.page.get_by_label("Clear").first.click()
        self.page.set_input_files(INPUT, path)

    def label(self):
        return self.page.inner_text(LABEL)


@pytest.fixture
def visit(browser, url):
    visits = []

    def open_page(address=url, **options):
        visits.append(Visit(browser, address, **options))
        return visits[-1]

    yield open_page
    for opened in visits:
        opened.context.close()
        assert opened.troubles == []


def repeat(wav, path, seconds):
    samples, rate = soundfile.read(wav)
    soundfile.write(path, np.resize(samples, round(seconds * rate)), rate)
    return path


def test_an_uploaded_file_is_answered(visit, model, wav):
    seen = visit()
    seen.hand_in(wav)
    expected = model(wav, transcript=True)
    assert seen.label() == expected.label
    shares = seen.page.locator("#label .confidence").all_inner_texts()
    percent = sorted(round(100 * p) for p in expected.posteriors.values())
    assert sorted(int(text.rstrip("%")) for text in shares) == percent
    seen.page.wait_for_selector(".sentence")
    words = seen.page.locator(".sentence .word").all_inner_texts()
    assert words == [word.text for word in expected.words]
    # Without words only the label stays.
    seen.page.get_by_label("attention").uncheck()
    seen.page.wait_for_selector(".sentence", state="detached")
    assert seen.label() == expected.label
    seen.page.get_by_label("Clear").first.click()
    seen.page.wait_for_selector("text=Record or upload speech")


def test_a_model_that_writes_no_words_still_gives_a_label(visit, experiment, wav):
    # Its ASR model is no such thing.
    mute = Speech2Sentiment.from_pretrained(experiment, asr_model=experiment)
    with serving(mute, LIMITS) as url:
        seen = visit(url)
        seen.hand_in(wav)
        message = seen.page.inner_text("#details [role=alert]")
        assert message.startswith("no transcript can be written: ")
        assert seen.label() == mute(wav).label


def test_a_layman_reads_what_the_model_knows_and_what_is_shown(visit, model, wav):
    seen = visit()
    assert ", ".join(model.classes) in seen.page.inner_text("#about")
    seen.hand_in(wav)
    seen.page.wait_for_selector(".sentence")
    assert "How sure it is (posteriors)" in seen.page.inner_text("#label")
    assert "how much it listened" in seen.page.inner_text("#details h2")


def test_words_differ_without_colour(visit, wav):
    seen = visit()
    seen.hand_in(wav)
    seen.page.wait_for_selector(".sentence")
    style = "[...document.querySelectorAll('#details p:last-of-type .word')].map("
    style += (
        "x => [getComputedStyle(x).fontWeight, getComputedStyle(x).textDecoration])"
    )
    weights, lines = zip(*seen.page.evaluate(style), strict=True)
    assert int(weights[2]) > int(weights[1])
    assert "underline" not in lines[0] and "dotted" in lines[1]
    assert "underline" in lines[2] and "dotted" not in lines[2]


def test_a_long_recording_is_answered_by_segment(visit, model, wav, tmp_path):
    seen = visit()
    path = repeat(wav, tmp_path / "long.flac", 35)
    seen.hand_in(path)
    seen.page.wait_for_selector("#details tbody tr")
    expected = model(path, transcript=True)
    assert len(expected.segments) > 1 and seen.label() == expected.label
    labels = seen.page.locator("#details tbody td:nth-child(2)").all_inner_texts()
    assert labels == [segment.label for segment in expected.segments]
    # Every word stands with its segment.
    seen.page.wait_for_selector("tbody .sentence")
    words = seen.page.locator("tbody .word").all_inner_texts()
    assert words == [word.text for word in expected.words]


def test_a_conversation_is_shown_turn_by_turn(visit, wav, tmp_path):
    seen = visit()
    seen.hand_in(repeat(wav, tmp_path / "call.wav", 12))
    seen.page.wait_for_selector(LABEL)
    seen.page.get_by_text("Conversation, turn by turn").click()
    seen.page.get_by_text("Show the recording's turns").click()
    frame = seen.page.frame_locator("#call iframe")
    frame.locator("table.turns tbody tr").first.wait_for()
    slider = frame.locator("[role=slider]")
    slider.press("End")
    assert slider.get_attribute("aria-valuenow") == "12"
    frame.locator("table.turns button").first.click()
    frame.locator("tr[aria-current=true]").wait_for()


def test_an_oversized_upload_is_answered_with_a_message(visit, wav, tmp_path):
    seen = visit()
    seen.hand_in(repeat(wav, tmp_path / "big.wav", 36))
    message = seen.page.wait_for_selector("text=maximum allowed size").inner_text()
    assert "1.0 Mb" in message and "big.wav" in message
    assert "Traceback" not in seen.page.inner_text("body")
    seen.hand_in(wav)
    assert seen.label()


def test_text_that_is_called_wav_is_answered_with_a_message(visit, wav, tmp_path):
    seen = visit()
    path = tmp_path / "notes.wav"
    path.write_text("no audio\n" * 100)
    seen.hand_in(path)
    message = seen.page.inner_text("#details [role=alert]")
    assert re.fullmatch("notes.wav cannot be read as audio .*: upload WAV.*", message)
    assert seen.page.locator(LABEL).count() == 0
    seen.hand_in(wav)
    assert seen.label()


def test_a_recording_that_lasts_too_long_is_answered_with_a_message(
    visit, wav, tmp_path
):
    seen = visit()
    seen.hand_in(repeat(wav, tmp_path / "hour.flac", 41))
    message = seen.page.inner_text("#details [role=alert]")
    assert message.startswith("hour.flac lasts 41 s, longer than the 40 s")


def test_markup_in_classes_and_transcripts_is_text(visit, experiment, tmp_path, wav):
    """Both come from files that a model brings."""
    folder, whisper = tmp_path / "experiment", tmp_path / "whisper"
    shutil.copytree(experiment, folder)
    shutil.copytree(experiment.parents[1] / "whisper", whisper)
    for stamp in folder.glob("*/.done.json"):
        stamp.unlink()  # A stranger's model has none.
    for config in folder.glob("*/config.yaml"):
        options = yaml.safe_load(config.read_text())
        options["token_list"] = [EVIL, f"{EVIL}{{{{evil}}}}"]
        config.write_text(yaml.safe_dump(options))
    tokenizer = read_json(whisper / "tokenizer.json")
    tokenizer["model"]["vocab"] = {
        f"{EVIL}{token}" if token in string.ascii_lowercase else token: index
        for token, index in tokenizer["model"]["vocab"].items()
    }
    write_json(whisper / "tokenizer.json", tokenizer)
    evil = Speech2Sentiment.from_pretrained(folder, asr_model=whisper)
    with serving(evil, LIMITS) as url:
        seen = visit(url)
        seen.hand_in(wav)
        seen.page.wait_for_selector("#details h2")
        assert EVIL in seen.label() and EVIL in seen.page.inner_text("#details")
        assert seen.page.evaluate("window.evil") is None


def test_markup_in_the_names_of_models_and_files_is_text(visit, tmp_path):
    seen = visit()
    assert EVIL in seen.page.inner_text("body")
    path = tmp_path / f"{EVIL.replace('/', ' ')}.wav"
    path.write_text("no audio\n" * 100)
    seen.hand_in(path)
    assert "cannot be read as audio" in seen.page.inner_text("#details [role=alert]")
    assert seen.page.evaluate("window.evil") is None


def test_dark_mode_is_dark(visit):
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = (
        visit(color_scheme=scheme).page.evaluate(background)
        for scheme in ("light", "dark")
    )
    assert max(map(int, re.findall(r"\d+", dark)[:3])) < 40
    assert min(map(int, re.findall(r"\d+", light)[:3])) > 240


def test_the_microphone_is_recorded(visit, model):
    seen = visit(permissions=["microphone"])
    seen.page.get_by_label("Record audio").click()
    seen.page.locator("button.record-button").first.click()
    seen.page.wait_for_timeout(1500)
    seen.page.locator("button.stop-button").first.click()
    assert seen.label() in model.classes
    seconds = float(seen.page.inner_text("#details").split(" s of audio")[0])
    assert 1 < seconds < 10


def test_who_speaks_is_answered_live(visit, model):
    seen, asked = visit(permissions=["microphone"]), []
    seen.page.on("request", lambda request: asked.append(request.url))
    seen.page.locator("#microphone button.record-button").click()
    seen.page.wait_for_selector("#live tbody.ended", timeout=60_000)
    seen.page.locator("#microphone button.stop-button").click()
    seen.page.wait_for_selector("#live >> text=Ended")
    labels = seen.page.locator("#live tbody td:nth-child(2)").all_inner_texts()
    assert labels and set(labels) <= set(model.classes)
    # No chunk was lost, not even the first.
    assert seen.page.locator("#live [role=alert]").all_inner_texts() == []
    heard = re.search(r"Ended; (\d+) s heard", seen.page.inner_text("#live"))
    assert int(heard.group(1)) >= 2
    # A chunk a second, and no other requests again and again.
    assert sum(url.endswith("/upload") for url in asked) <= int(heard.group(1)) + 2
    assert not any("heartbeat" in url for url in asked)
