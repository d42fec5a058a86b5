"""Degraded recordings: each is what its name says, as long, in time, and the same."""

import io

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, welch

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data import degrade
from espnet_sentiment.data.degrade import DEGRADATIONS, Draws, draw_talkers

RATE = 16000


@pytest.fixture(scope="module")
def recordings(an4_wavs):
    return [soundfile.read(path, dtype="float32")[0] for path in an4_wavs[:7]]


@pytest.fixture(scope="module")
def clean(recordings):
    return recordings[0]


@pytest.fixture
def draws(recordings):
    return Draws("an utterance", lambda rng: recordings[1:6])


def snr(clean, noisy):
    noise = noisy.astype(np.float64) - clean
    return 10 * np.log10(np.sum(clean.astype(np.float64) ** 2) / np.sum(noise**2))


def level(samples, low, high):
    """Return the power between two frequencies, in dB."""
    hertz, power = welch(samples, RATE, nperseg=1024)
    return 10 * np.log10(power[(hertz >= low) & (hertz < high)].sum())


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_what_is_degraded_is_as_long_in_time_and_always_the_same(name, clean, draws):
    change = DEGRADATIONS[name].degrade
    found = change(clean, RATE, draws)
    assert found.shape == clean.shape and found.dtype == np.float32
    assert np.isfinite(found).all() and not np.array_equal(found, clean)
    assert np.array_equal(change(clean, RATE, draws), found)
    lag = correlate(found, clean).argmax() - (len(clean) - 1)
    # Opus codes how speech sounds, and not its wave: by 0.1 ms.
    assert abs(lag) <= 2


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_short_and_silent_recordings_are_degraded_too(name, clean, draws):
    change = DEGRADATIONS[name].degrade
    for samples in (clean[8000:8400], np.zeros(RATE, np.float32)):
        found = change(samples, RATE, draws)
        assert found.shape == samples.shape and np.isfinite(found).all()


@pytest.mark.parametrize("decibels", [20, 10, 0])
@pytest.mark.parametrize("kind", ["white", "babble"])
def test_noise_has_its_snr(kind, decibels, clean, draws):
    noisy = DEGRADATIONS[f"{kind}_{decibels}"].degrade(clean, RATE, draws)
    assert snr(clean, noisy) == pytest.approx(decibels, abs=0.01)


def test_white_noise_is_white_and_babble_is_as_speech_is(clean, draws):
    white, babble = (
        DEGRADATIONS[f"{kind}_0"].degrade(clean, RATE, draws) - clean
        for kind in ("white", "babble")
    )
    assert abs(level(white, 500, 2500) - level(white, 5000, 7000)) < 1
    assert level(babble, 500, 2500) - level(babble, 5000, 7000) > 5


def test_utterances_have_noise_of_their_own_and_snrs_share_it(clean, draws):
    white = [DEGRADATIONS[f"white_{n}"].degrade(clean, RATE, draws) for n in (20, 0)]
    quiet, loud = (noisy - clean for noisy in white)
    np.testing.assert_allclose(10 * quiet, loud, atol=1e-5)
    other = DEGRADATIONS["white_0"].degrade(clean, RATE, draws._replace(utt="another"))
    assert abs(np.corrcoef(other - clean, loud)[0, 1]) < 0.1


def test_talkers_are_five_others():
    by_speaker = {name: [f"{name}1", f"{name}2"] for name in "abcdefgh"}
    for seed in range(20):
        drawn = draw_talkers(np.random.default_rng(seed), "c", by_speaker)
        speakers = {utt[0] for utt in drawn}
        assert len(drawn) == len(speakers) == 5 and "c" not in speakers
    two = {name: by_speaker[name] for name in "ab"}
    drawn = draw_talkers(np.random.default_rng(0), "a", two)
    assert len(drawn) == 5 and {utt[0] for utt in drawn} == {"b"}
    with pytest.raises(DataError, match="babble_"):
        draw_talkers(np.random.default_rng(0), "a", {"a": ["a1"]})


def test_silent_talkers_are_refused(clean):
    silent = Draws("x", lambda rng: [np.zeros(100, np.float32)] * 5)
    with pytest.raises(DataError, match="utterance x: all talkers"):
        DEGRADATIONS["babble_0"].degrade(clean, RATE, silent)


def test_the_telephone_leaves_its_band(draws):
    # Equally loud at all frequencies.
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    heard = DEGRADATIONS["telephone"].degrade(noise, RATE, draws)
    assert abs(level(heard, 500, 3000) - level(noise, 500, 3000)) < 0.5
    for band in ((20, 150), (3900, 7900)):
        assert level(noise, *band) - level(heard, *band) > 35


def test_mu_law_has_256_steps_of_8_khz(clean, draws, monkeypatch):
    files = encoded(monkeypatch)
    heard = DEGRADATIONS["mu_law"].degrade(clean, RATE, draws)
    info = soundfile.info(io.BytesIO(files[0]))
    assert (info.subtype, info.samplerate, info.channels) == ("ULAW", 8000, 1)
    assert level(clean, 4500, 8000) - level(heard, 4500, 8000) > 20
    narrow = degrade.resample(degrade.resample(clean, RATE, 8000), 8000, RATE)
    # Logarithmic steps of 8 bits: about 38 dB, whatever the level, less in pauses.
    assert 25 < snr(narrow, heard) < 42


@pytest.mark.parametrize(
    ("name", "kilobits"),
    [("mp3_32", 32), ("mp3_16", 16), ("opus_12", 12), ("opus_6", 6)],
)
def test_codecs_have_their_rate(name, kilobits, clean, recordings, draws, monkeypatch):
    files = encoded(monkeypatch)
    speech = np.concatenate(recordings)
    DEGRADATIONS[name].degrade(speech, RATE, draws)
    # Opus' is a mean over all speech; a file's header counts little.
    found = 8 * len(files[0]) * RATE / len(speech) / 1000
    assert found == pytest.approx(kilobits, rel=0.3)


def test_lower_rates_leave_less(clean, draws):
    left = {
        name: snr(clean, DEGRADATIONS[name].degrade(clean, RATE, draws))
        for name in ("mp3_32", "mp3_16", "opus_12", "opus_6")
    }
    assert left["mp3_32"] > left["mp3_16"] and left["opus_12"] > left["opus_6"]


def encoded(monkeypatch):
    """Return a list to which the files are added that are decoded."""
    files = []
    hear = degrade.hear
    monkeypatch.setattr(
        degrade, "hear", lambda file, rate: files.append(file) or hear(file, rate)
    )
    return files


def test_an_encoder_that_is_missing_is_named_with_what_to_leave_out(
    clean, draws, monkeypatch
):
    without = DEGRADATIONS["mp3_16"]._replace(encoder="libnone")
    monkeypatch.setitem(DEGRADATIONS, "mp3_16", without)
    with pytest.raises(UserError, match=r"no encoder libnone: .*--conditions .*mp3_16"):
        degrade.check_encoder("libnone")


@pytest.mark.parametrize("rt60", [0.3, 0.6, 1.0])
def test_rooms_decay_by_60_db_in_their_time(rt60, draws):
    click = np.zeros(3 * RATE, np.float32)
    click[100] = 1
    heard = DEGRADATIONS[f"reverb_{rt60}"].degrade(click, RATE, draws)
    assert np.sum(heard**2) == pytest.approx(1, rel=1e-3)
    assert not np.abs(heard[:100]).max() > 1e-6
    # Half of the energy is direct.
    assert heard[100] ** 2 == pytest.approx(0.5, rel=1e-3)
    # Schroeder's integral, from -5 to -25 dB.
    left = 10 * np.log10(np.cumsum(heard[101:][::-1].astype(np.float64) ** 2)[::-1])
    left -= left[0]
    first, last = (np.argmax(left < dB) for dB in (-5, -25))
    assert 3 * (last - first) / RATE == pytest.approx(rt60, rel=0.1)


@pytest.mark.parametrize("share", [5, 20])
def test_so_many_samples_are_clipped(share, clean, draws):
    heard = DEGRADATIONS[f"clip_{share}"].degrade(clean, RATE, draws)
    changed = heard != clean
    assert 100 * changed.mean() == pytest.approx(share, abs=1)
    assert (np.abs(heard[changed]) == np.abs(heard).max()).all()
