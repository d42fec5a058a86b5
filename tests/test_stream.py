"""Streams: turns and answers as offline whatever the chunks, bounded, or refused."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_fixtures import save_small_whisper
from silero_vad import get_speech_timestamps_from_probs
from test_inference import save_model

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.audio import resample
from espnet_sentiment.data.mono import SILENCE
from espnet_sentiment.data.speaker_statistics import (
    BY_ALL,
    SPEAKER_NORMALISED,
    SpeakerStatistics,
)
from espnet_sentiment.encoder.reference import encoder_reference
from espnet_sentiment.inference.chunks import StreamResampler
from espnet_sentiment.inference.long_recordings import (
    VAD_FRAME,
    VAD_RATE,
    speech_spans,
)
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.inference.turn_finder import PAD, TurnFinder
from espnet_sentiment.inference.waveform import Excerpt, open_recording
from espnet_sentiment.model.layout import CHECKPOINT

pytestmark = pytest.mark.espnet
RATE = 16000
# That a part's probabilities differ by where the detector began to hear it.
EDGE = 3 * VAD_FRAME / VAD_RATE


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    folder = save_small_whisper(tmp_path_factory.mktemp("whisper") / "encoder")
    return {"model": str(folder), "layer": "weighted_sum", "subsample": 4}


@pytest.fixture(scope="module")
def model(conf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "m"
    reference = encoder_reference("huggingface", conf)
    save_model(folder, "huggingface", conf, encoder_reference=reference)
    return Speech2Sentiment(folder / "config.yaml", folder / CHECKPOINT)


@pytest.fixture(scope="module")
def by_speaker(conf, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("by_speaker") / "m"
    folder.mkdir()
    size = model._classifier.encoder.encoder.output_size()
    stats = folder / "feats_stats.npz"
    np.savez(stats, count=2.0, sum=np.zeros(size), sum_square=2 * np.ones(size))
    options = {"stats_file": str(stats), "shrink": 50.0, "allow": True}
    save_model(
        folder,
        "huggingface",
        conf,
        normalize="speaker_mvn",
        normalize_conf=options,
        encoder_reference=encoder_reference("huggingface", conf),
    )
    return Speech2Sentiment(folder / "config.yaml", folder / CHECKPOINT)


@pytest.fixture(scope="module")
def talk(an4_wavs):
    """Return four real utterances with pauses of 1.2 s between and around them."""
    rng = np.random.default_rng(0)
    # Of 16 bits, as the utterances.
    noise = rng.integers(-5, 6, (5, RATE * 6 // 5)).astype(np.float32)
    pause = list(noise / 32768)
    waves = [soundfile.read(path, dtype="float32")[0] for path in an4_wavs[:4]]
    pairs = zip(pause, waves, strict=False)
    return np.concatenate([x for pair in pairs for x in pair] + pause[-1:])


def chunks(samples, seconds, rate=RATE):
    return np.split(samples, range(n := round(seconds * rate), len(samples), n))


def rows(turns):
    return [list(turn.posteriors.values()) for turn in turns]


def spans(turns):
    return [(turn.start, turn.end) for turn in turns]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 500),
    smooth=st.sampled_from([1, 2, 4, 8, 16, 40]),
    bias=st.floats(-1.5, 1.5),
    max_seconds=st.sampled_from([1.0, 2.0, 3.3, 5.0, 13.0]),
    min_pause=st.sampled_from([0.2, 0.3, 0.5, 1.0]),
    missing=st.integers(0, VAD_FRAME - 1),
)
def test_the_turns_are_those_that_silero_vad_finds_in_all_probabilities(
    seed, n, smooth, bias, max_seconds, min_pause, missing
):
    noise = np.random.default_rng(seed).normal(size=n + smooth)
    walk = np.convolve(noise, np.ones(smooth) / smooth**0.5, "valid")[:n]
    probabilities = (1 / (1 + np.exp(-3 * (walk + bias)))).tolist()
    length = max(0, VAD_FRAME * n - missing)
    expected = get_speech_timestamps_from_probs(
        probabilities,
        max_speech_duration_s=max_seconds,
        min_silence_duration_ms=1000 * min_pause,
        speech_pad_ms=1000 * PAD / VAD_RATE,
        audio_length_samples=length,
    )
    finder, found, needed = TurnFinder(max_seconds, min_pause), [], 0
    for probability in probabilities:
        finder.add(probability)
        settled = finder.settled()
        found += settled
        # What a turn needs has not been given up before.
        assert all(turn.start >= needed for turn in settled)
        assert finder.needed >= needed
        needed = finder.needed
    found += finder.finish(length)
    assert [{"start": turn.start, "end": turn.end} for turn in found] == expected


def test_hours_of_speech_and_of_silence_leave_nothing_behind():
    rng = np.random.default_rng(0)
    for level in (0.0, 1.0, 0.6):
        finder, most, turns = TurnFinder(2.0, 0.5), 0, 0
        for probability in np.clip(level + rng.normal(0, 0.2, 50_000), 0, 1).tolist():
            finder.add(probability)
            turns += len(finder.settled())
            most = max(most, finder.heard - finder.needed)
            assert len(finder._probabilities) <= 2 * VAD_RATE / VAD_FRAME
        assert most <= 4 * VAD_RATE
        assert (turns > 100) == (level > 0)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 44100, 48000])
def test_chunks_are_resampled_as_the_whole(talk, rate):
    whole = resample(talk[: 3 * RATE], RATE, rate)
    expected = resample(whole, rate, VAD_RATE)
    rng, resampler, found = np.random.default_rng(rate), StreamResampler(rate, RATE), []
    while len(whole):
        n = int(rng.integers(1, rate // 8))
        found.append(resampler.push(whole[:n]))
        # A stream waits for no more than one period of the filter, and its reach.
        assert len(resampler._held) <= n + 2500
        whole = whole[n:]
    found = np.concatenate([*found, resampler.close()])
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_streams_turns_are_answered_as_offline(model, talk, rate):
    samples = resample(talk, RATE, rate)
    stream = model.stream(rate=rate)
    turns = list(stream(chunks(samples, 0.05, rate)))
    offline = speech_spans(open_recording((samples, rate), None, RATE), 30)
    assert len(offline) >= 4
    np.testing.assert_allclose(spans(turns), offline, atol=EDGE)
    excerpts = [Excerpt((samples, rate), *span) for span in spans(turns)]
    np.testing.assert_allclose(rows(turns), rows(model.predict(excerpts)), atol=1e-5)
    assert all(turn.final for turn in turns)
    for turn in turns[:-1]:
        # The pause that ends a turn begins PAD before its end.
        assert 0.4 <= turn.heard - turn.end <= 0.4 + 2 * VAD_FRAME / VAD_RATE


@pytest.mark.parametrize("seconds", [0.01, 0.4567, 60])
def test_chunks_of_any_length_and_kind_give_the_same(model, talk, seconds):
    expected = list(model.stream()([talk]))
    pcm = (talk * 32768).astype(np.int16)
    found = list(model.stream()(chunks(pcm, seconds)))
    assert spans(found) == spans(expected)
    np.testing.assert_allclose(rows(found), rows(expected), atol=1e-6)
    both = np.stack([np.zeros_like(pcm), pcm], axis=1)
    turns = list(model.stream(channel="1")(chunks(both, seconds)))
    assert rows(turns) == rows(found) and {turn.channel for turn in turns} == {"1"}


def test_partial_answers_come_before_the_whole_one_with_its_start(model, talk):
    stream = model.stream(partial=0.5)
    turns = list(stream(chunks(talk, 0.02)))
    finals = [turn for turn in turns if turn.final]
    partials = [turn for turn in turns if not turn.final]
    assert rows(finals) == rows(model.stream()(chunks(talk, 0.02)))
    assert len(partials) >= len(finals)
    for before, after in zip(turns, turns[1:], strict=False):
        if not before.final:
            assert before.start == after.start
            assert after.final or 0.4 < after.end - before.end < 0.6
    excerpts = [Excerpt(talk, *span) for span in spans(partials)]
    expected = rows(model.predict(excerpts))
    np.testing.assert_allclose(rows(partials), expected, atol=1e-5)
    # Of one chunk with all of it, there is nothing in between.
    assert all(turn.final for turn in model.stream(partial=0.5)([talk]))


def test_a_turn_is_normalised_by_what_its_speaker_has_said_so_far(by_speaker, talk):
    known = SpeakerStatistics()
    # Of a call before.
    list(
        by_speaker.predict([talk[:50000]], speakers=["anna"], speaker_statistics=known)
    )
    again = SpeakerStatistics(known.origin)
    again.merge(known)
    stream = by_speaker.stream(speaker="anna", speaker_statistics=known, partial=0.5)
    turns = [turn for turn in stream(chunks(talk, 0.1)) if turn.final]
    expected = [
        by_speaker(Excerpt(talk, *span), speaker="anna", speaker_statistics=again)
        for span in spans(turns)
    ]
    np.testing.assert_allclose(rows(turns), rows(expected), atol=1e-5)
    said = [turn.normalisation for turn in turns]
    assert said == [answer.normalisation for answer in expected]
    assert said[0].startswith(f"{SPEAKER_NORMALISED}: anna, ") and said[0] != said[1]
    # Partial answers have added nothing.
    assert known["anna"]["count"] == again["anna"]["count"]
    plain = list(by_speaker.stream()([talk]))
    assert {turn.normalisation for turn in plain} == {BY_ALL}
    assert not np.allclose(rows(plain), rows(turns), atol=1e-4)


def test_endless_speech_is_cut_and_only_a_turn_is_kept(model, an4_wavs):
    waves = [soundfile.read(path, dtype="float32")[0] for path in an4_wavs[:3]]
    speech = np.concatenate([wave[4000:-4000] for wave in waves])
    stream, turns = model.stream(max_seconds=2, min_pause=0.5), []
    for _ in range(6):
        for chunk in chunks(speech, 0.5):
            turns += stream.push(chunk)
            assert len(stream._held) <= 5 * RATE
            assert len(stream._frame) < VAD_FRAME and not stream._answers
    turns += stream.close()
    assert len(turns) >= 6 and len(stream._held) == 0
    assert max(turn.end - turn.start for turn in turns) <= 2
    assert any("longer than 2 s: it is cut" in turn.notes[0] for turn in turns[:-1])


def test_a_silent_stream_says_so(model):
    with model.stream() as stream:
        assert list(stream.push(np.zeros(2 * RATE, np.int16))) == []
    assert list(stream.close()) == [] and stream.notes == (SILENCE,)


def test_leaving_the_block_closes_and_answers_wait(model, talk):
    with model.stream() as stream:
        # Answers that nobody takes are not lost.
        stream.push(talk[: len(talk) // 2])
        stream.push(talk[len(talk) // 2 : -RATE])
    assert rows(stream.close()) == rows(model.stream()([talk[:-RATE]]))
    with pytest.raises(UserError, match=r"closed: begin another one, model\.stream"):
        stream.push(talk)
    with pytest.raises(ValueError, match="x"), model.stream() as stream:
        raise ValueError("x")
    with pytest.raises(UserError, match="closed"):
        stream.push(talk)


def test_a_bad_chunk_is_refused_and_the_stream_goes_on(model, talk):
    stream, expected = model.stream(), list(model.stream()([talk]))
    turns = list(stream.push(talk[:RATE]))
    for bad, said in (
        (np.full(160, np.nan, np.float32), "the chunk at 1.00 s .*not numbers"),
        (np.full(160, 20000.0), r"scale them to \[-1, 1\]"),
        (np.array(["a"]), "give numbers"),
        (np.zeros((160, 2), np.int16), "2 channels: choose one with --channel 0"),
        (np.zeros((2, 160, 2), np.int16), "shape"),
        ([0.0] * 160, "type list: give a numpy array"),
        (bytes(320), "numpy.frombuffer"),
    ):
        with pytest.raises(DataError, match=said):
            stream.push(bad)
    assert list(stream.push(talk[:0])) == []
    turns += [*stream.push(talk[RATE:]), *stream.close()]
    assert rows(turns) == rows(expected)
    stream = model.stream(channel="0")
    stream.push(np.zeros((160, 2), np.int16))
    with pytest.raises(DataError, match="has 1 channels, and those before 2"):
        stream.push(np.zeros(160, np.int16))


def test_wrong_options_are_refused_with_what_to_give(model, by_speaker):
    statistics = SpeakerStatistics()
    for options, said in (
        ({"rate": 100}, "4000 or more"),
        ({"channel": "2"}, "choose one of 0, 1, mix"),
        ({"partial": 0}, "0.1 or more"),
        ({"partial": float("nan")}, "0.1 or more"),
        ({"min_pause": 0.1}, "0.2 or more"),
        ({"max_seconds": 31}, "1 to 30 seconds"),
        ({"speaker": ""}, "no speaker's name"),
        ({"speaker_statistics": statistics}, "say who the speaker is"),
        ({"speaker": "a", "speaker_statistics": statistics}, "not normalised by"),
    ):
        with pytest.raises(UserError, match=said):
            model.stream(**options)
    with pytest.raises(UserError, match="another encoder"):
        by_speaker.stream(speaker="a", speaker_statistics=SpeakerStatistics("x"))
    # A name alone is told with the answers.
    assert model.stream(speaker="a").speaker == "a"
