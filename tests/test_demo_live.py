"""Chunks of a microphone, answered turn by turn on the page."""

import itertools
import re
import threading
import time

import numpy as np
import pytest
import soundfile
from demo_fixture import loaded_model, trained_experiment  # noqa: F401

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.demo.chunk import Chunk, Gaps, read_chunk
from espnet_sentiment.demo.limits import Limits

LIMITS = Limits(max_seconds=60, max_live=2)
RATE = 16000


@pytest.fixture(scope="module")
def talk(an4_wavs):
    """Return three real utterances with pauses of 1.2 s around them, int16 (N,)."""
    noise = np.random.default_rng(0).integers(-5, 6, RATE * 6 // 5).astype(np.int16)
    waves = [soundfile.read(path, dtype="int16")[0] for path in an4_wavs[:3]]
    return np.concatenate([x for wave in waves for x in (noise, wave)] + [noise])


@pytest.fixture
def chunks(tmp_path):
    """Write samples as the page's chunks: a stream's header before each second."""
    names = itertools.count()

    def write(samples, rate=RATE):
        paths = []
        for first in range(0, len(samples), rate):
            path = tmp_path / f"{next(names)}.wav"
            soundfile.write(path, samples[first : first + rate], rate)
            # As Chromium's: lengths that are not known.
            head = bytearray(path.read_bytes())
            head[4:8], head[40:44] = b"\xf7\xff\xff\xff", b"\xd3\xff\xff\xff"
            path.write_bytes(head)
            paths.append(str(path))
        return paths

    return write


@pytest.fixture
def live(model):
    from espnet_sentiment.demo.live import Live

    opened = []

    def make(limits=LIMITS, **options):
        # A clock that goes as the sound does.
        seconds = iter(range(10**6))
        opened.append(Live(model, limits, lambda: next(seconds), **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
        assert len(one) == 0
    assert not any(thread.name == "live" for thread in threading.enumerate())


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def shown(html):
    """Return the turns of an answer: time, label, posterior in percent."""
    row = r"<tr><td>([^<]*)</td><td>([^<]*)</td><td>.*? (\d+) %</td></tr>"
    return re.findall(row, html)


def expected(turns):
    from espnet_sentiment.demo import render

    return shown(render.live(turns, None, [], 0, False))


@pytest.mark.parametrize("rate, channels", [(RATE, 1), (48000, 2)])
def test_chunks_give_the_turns_of_the_stream_offline(
    model, live, chunks, talk, rate, channels
):
    from espnet_sentiment.data.audio import resample

    samples = talk
    if rate != RATE:
        wave = resample(talk.astype(np.float32) / 32768, RATE, rate)
        samples = np.clip(np.round(wave * 32768), -32768, 32767).astype(np.int16)
    if channels == 2:
        samples = np.stack([samples, samples], axis=1)
    page = live()
    assert "Listening" in page.begin("anna")
    for path in chunks(samples, rate):
        page.hear("anna", path)
    page.end("anna")
    html = page.finish("anna")
    offline = list(model.stream(rate=rate, channel="mix")([samples]))
    assert len(offline) >= 3
    assert shown(html) == expected(offline)
    assert "Ended" in html and "alert" not in html and len(page) == 0
    # What comes late changes nothing.
    assert page.hear("anna", None) is None and page.finish("anna") == html


def test_the_turn_that_goes_on_is_shown_before_it_ends(live, chunks, an4_wavs):
    page, speech = live(), soundfile.read(an4_wavs[0], dtype="int16")[0]
    page.begin("anna")
    stream = page._streams["anna"]
    for i, path in enumerate(chunks(np.concatenate([speech, speech]))):
        page.hear("anna", path)
        wait_for(lambda n=i: stream._heard > n)
        if "going_on" in (now := page.hear("anna", None) or ""):
            break
    assert re.search('class="going_on"><tr><td>0:00.. – 0:0... [.]{3}</td>', now)
    assert "going_on" not in page.finish("anna")


def test_two_sessions_do_not_mix(model, live, chunks, talk):
    page, n = live(), len(talk) // RATE // 2 * RATE
    page.begin("anna")
    page.begin("ben")
    for mine, his in zip(chunks(talk[:n]), chunks(talk[n : 2 * n]), strict=True):
        page.hear("anna", mine)
        page.hear("ben", his)
    for session, part in (("anna", talk[:n]), ("ben", talk[n : 2 * n])):
        offline = list(model.stream()([part]))
        assert offline and shown(page.finish(session)) == expected(offline)


def test_no_more_are_heard_than_the_limit_and_a_place_is_given_back(live, chunks, talk):
    page = live(Limits(max_live=1))
    page.begin("anna")
    refused = page.begin("ben")
    assert "alert" in refused and "1 who speak are as many as this page" in refused
    (path, *_) = chunks(talk)
    assert page.hear("ben", path) is None and page.finish("ben") is None
    page.finish("anna")
    assert "Listening" in page.begin("ben")
    # Who begins anew takes no other place.
    assert "Listening" in page.begin("ben")


def test_a_stream_ends_at_its_longest_and_what_came_is_answered(
    model, live, chunks, talk
):
    page = live(Limits(max_seconds=4.5))
    page.begin("anna")
    for path in chunks(talk):
        page.hear("anna", path)
    html = page.finish("anna")
    assert "A stream ends after 4.5 s here" in html and "4 s heard" in html
    offline = list(model.stream()([talk[: RATE * 9 // 2]]))
    assert shown(html) == expected(offline)


def test_who_leaves_is_forgotten(live, chunks, talk):
    page = live(idle=0.2)
    page.begin("anna")
    page.hear("anna", chunks(talk)[0])
    stream = page._streams["anna"]
    stream.join(60)
    assert len(page) == 0 and stream._stream is None
    assert "No sound has come for 0.2 s" in page.hear("anna", None)
    page = live(Limits(keep_seconds=1), idle=0.1)
    for session in "abc":
        page.begin(session)
        page._streams[session].join(60)
    # Answers of others, too, once their time is over.
    assert list(page._streams) == ["b", "c"]


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("text", b"no audio", "no WAV"),
        ("FLAC", (np.zeros((99, 1)), RATE, "FLAC", "PCM_16"), "no WAV of 16 bits"),
        ("8 bits", (np.zeros((99, 1)), RATE, "WAV", "PCM_U8"), "no WAV of 16 bits"),
        ("long", (np.zeros((11 * RATE, 1)), RATE, "WAV", "PCM_16"), "A chunk of 11 s"),
        ("three", (np.zeros((99, 3)), RATE, "WAV", "PCM_16"), "has 3 channels"),
        ("fast", (np.zeros((99, 1)), 10**6, "WAV", "PCM_16"), "and 1000000 Hz"),
    ],
)
def test_what_no_microphone_sends_ends_the_stream_with_a_message(
    live, tmp_path, name, content, said
):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        samples, rate, form, subtype = content
        soundfile.write(path, samples, rate, format=form, subtype=subtype)
    with pytest.raises(DataError, match=said):
        read_chunk(path)
    page = live()
    page.begin("anna")
    assert str(tmp_path) not in page.hear("anna", str(path))
    assert said in page.finish("anna")
    assert len(page) == 0


def test_another_rate_ends_the_stream_with_a_message(live, chunks, talk):
    page = live()
    page.begin("anna")
    page.hear("anna", chunks(talk)[0])
    page.hear("anna", chunks(talk, 8000)[0])
    assert "gone from 16000 to 8000 Hz" in page.finish("anna")


def test_a_failure_is_told_without_its_traceback(live, chunks, talk, monkeypatch):
    from espnet_sentiment.inference.stream import SentimentStream

    def fail(*_):
        raise RuntimeError("/secret")

    monkeypatch.setattr(SentimentStream, "push", fail)
    page = live()
    page.begin("anna")
    page.hear("anna", chunks(talk)[0])
    html = page.finish("anna")
    assert "log says why" in html and "secret" not in html


def test_sound_that_is_lost_on_the_way_is_told():
    rng = np.random.default_rng(0)

    def chunk():
        return Chunk(rng.integers(-99, 99, (RATE, 1)).astype(np.int16), RATE)

    gaps = Gaps()
    # Late ones catch up.
    for now in (0, 1, 5, 5, 5, 5.1, 6.2, 7.1):
        assert gaps.notes(chunk(), now) == []
    twice = chunk()
    assert gaps.notes(twice, 8) == []
    assert gaps.notes(twice, 9) == ["At 9 s sound was lost on the way here."]
    silent = Chunk(np.zeros((RATE, 1), np.int16), RATE)
    assert gaps.notes(silent, 10) == gaps.notes(silent, 11) == []
    told = [note for now in range(14, 24) for note in gaps.notes(chunk(), now)]
    assert len(told) == 1 and "2.0 s of sound were lost" in told[0]
