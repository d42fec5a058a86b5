"""A conversation's page as a file: what is in it, and what it never holds."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
from call_fixture import CLASSES, EVIL, make_call

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.report import call_audio
from espnet_sentiment.report.call_audio import estimated_bytes, listen
from espnet_sentiment.report.call_page import index_row, write_call_page, write_index
from espnet_sentiment.scoring.course import course


@pytest.fixture
def call(tmp_path, an4_wavs):
    return make_call(tmp_path, an4_wavs)


def data_of(page):
    text = page.read_text(encoding="utf-8").partition('id="data">')[2]
    return json.loads(text.partition("</script>")[0])


def sound_of(page):
    text = page.read_text(encoding="utf-8").partition('id="audio">')[2]
    uri = text.partition("</script>")[0]
    assert uri.startswith("data:audio/ogg;base64,")
    return soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_page_holds_the_conversation_and_its_course(call, tmp_path):
    conversation, wav = call
    page = tmp_path / "call.html"
    write_call_page(page, conversation, wav)
    data = data_of(page)
    assert data["conversation"] == conversation
    turns, duration = conversation["turns"], conversation["duration"]
    assert data["course"] == course(turns, CLASSES, duration)
    given = course(turns, CLASSES, duration, width=3)
    write_call_page(page, conversation, wav, given)
    assert data_of(page)["course"]["width"] == 3


def test_text_can_neither_end_its_script_nor_be_markup(call, tmp_path):
    conversation, _ = call
    page = tmp_path / "call.html"
    write_call_page(page, conversation, None)
    text = page.read_text(encoding="utf-8")
    assert EVIL not in text and "<img" not in text
    assert text.count("</script>") == 2  # data and our own
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_sound_is_that_of_the_recording_on_both_channels(call, tmp_path):
    conversation, wav = call
    page = tmp_path / "call.html"
    write_call_page(page, conversation, wav)
    heard, rate = sound_of(page)
    whole, _ = soundfile.read(wav)
    assert rate == 16_000 and abs(len(heard) - len(whole)) < 0.05 * rate
    n = min(len(heard), len(whole))
    for channel in (0, 1):
        assert np.corrcoef(heard[:n, channel], whole[:n, channel])[0, 1] > 0.8
        assert abs(np.corrcoef(heard[:n, channel], whole[:n, 1 - channel])[0, 1]) < 0.3


def test_peaks_are_the_largest_samples_of_their_times(call):
    conversation, wav = call
    peaks = listen(wav, 2, None)
    samples, _ = soundfile.read(wav)
    each = round(peaks.seconds * 16_000)
    assert each == 320
    for channel in (0, 1):
        found = np.array(peaks.channels[channel])
        assert len(found) == -(-len(samples) // each)
        for number in (0, len(found) // 2, len(found) - 1):
            part = np.abs(samples[number * each : (number + 1) * each, channel])
            assert found[number] == round(100 * part.max())


def test_blocks_make_no_difference(call, tmp_path, monkeypatch):
    _, wav = call
    whole = listen(wav, 2, tmp_path / "whole.ogg")
    monkeypatch.setattr(call_audio, "BLOCK", 5000)
    assert listen(wav, 2, tmp_path / "blocks.ogg") == whole
    one, _ = soundfile.read(tmp_path / "whole.ogg")
    other, _ = soundfile.read(tmp_path / "blocks.ogg")
    assert one.shape == other.shape
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_recording_can_be_left_out_and_its_waveform_kept(call, tmp_path):
    conversation, wav = call
    page = tmp_path / "call.html"
    write_call_page(page, conversation, wav, embed_audio=False)
    assert 'id="audio"' not in page.read_text(encoding="utf-8")
    assert len(data_of(page)["peaks"]["channels"]) == 2
    write_call_page(page, conversation, None)
    assert "peaks" not in data_of(page)


def test_size_is_near_its_estimate_and_two_hours_fit_forty_megabytes(tmp_path, call):
    conversation, wav = call
    samples, rate = soundfile.read(wav)
    # Speech without pauses, the most that a call takes.
    speech = samples.sum(axis=1)
    speech = speech[np.abs(speech) > 0]
    both = np.stack([speech, speech[::-1]], axis=1)
    soundfile.write(tmp_path / "full.wav", both, rate)
    listen(tmp_path / "full.wav", 2, tmp_path / "full.ogg")
    size = (tmp_path / "full.ogg").stat().st_size * 4 / 3
    assert 0.6 < size / estimated_bytes(len(both) / rate, 2) < 1.2
    assert estimated_bytes(7200, 2) < 33e6 and estimated_bytes(7200, 1) < 22e6


def test_file_that_was_there_stays_when_the_new_one_fails(call, tmp_path):
    conversation, _ = call
    page = tmp_path / "call.html"
    page.write_text("old")
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"broken\.wav"):
        write_call_page(page, conversation, broken)
    conversation["notes"] = [float("nan")]
    with pytest.raises(ValueError, match="JSON"):
        write_call_page(page, conversation, None)
    assert page.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "broken.wav",
        "call.html",
        "call.wav",
    ]


def test_label_of_no_class_is_refused_by_its_turn(call, tmp_path):
    conversation, _ = call
    conversation["turns"][1]["label"] = "joy"
    with pytest.raises(DataError, match="s is joy, which is none of the classes"):
        write_call_page(tmp_path / "call.html", conversation, None)


def test_index_lists_calls_by_relative_links_that_are_no_scheme(call, tmp_path):
    conversation, _ = call
    found = course(conversation["turns"], CLASSES, conversation["duration"])
    pages = ["a b/call 1.html", "javascript:alert(1)"]
    write_index(
        tmp_path / "index.html", [index_row(p, conversation, found) for p in pages]
    )
    data = data_of(tmp_path / "index.html")
    hrefs = [row["href"] for row in data["rows"]]
    assert hrefs == ["a%20b/call%201.html", "javascript%3Aalert%281%29"]
    row = data["rows"][0]
    assert (row["speakers"], row["turns"]) == (2, 8)
    assert row["shares"]["anger"] == found["all"]["shares"]["anger"][0]
    assert EVIL not in (tmp_path / "index.html").read_text(encoding="utf-8")
