"""Any container and codec gives the samples of the original, as ffmpeg would."""

import numpy as np
import pytest
import soundfile
from sound_files import KINDS, ffmpeg_mono, write_sound

from espnet_sentiment.data.audio import audio_info, read_audio

RATE = 16000


@pytest.fixture(scope="module", name="speech")
def some_speech(an4_wavs):
    """Return two seconds, at a level that every codec keeps."""
    utterances = [soundfile.read(path, dtype="float32")[0] for path in an4_wavs[:4]]
    speech = np.concatenate(utterances)[: 2 * RATE]
    return 0.5 * speech / np.abs(speech).max()


@pytest.fixture(scope="module", name="written")
def all_kinds(tmp_path_factory, speech):
    """Write the speech in every combination; give paths and what was encoded."""
    folder = tmp_path_factory.mktemp("kinds")
    paths = {kind: folder / f"{kind.name}{kind.suffix}" for kind in KINDS}
    return {
        kind: (path, write_sound(path, kind, speech)) for kind, path in paths.items()
    }


def lag_and_correlation(found, expected):
    """Find the shift that fits best, and how well it does."""
    size = 1 << (len(found) + len(expected)).bit_length()
    product = np.fft.rfft(found, size) * np.conj(np.fft.rfft(expected, size))
    cross = np.fft.irfft(product, size)
    lag = int(cross.argmax())
    lag = lag - size if lag > size // 2 else lag
    peak = cross.max() / np.linalg.norm(found) / np.linalg.norm(expected)
    return lag, peak


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_container_and_codec_gives_the_samples_of_the_original(written, kind):
    path, original = written[kind]
    channel = "mix" if kind.channels > 1 else None
    info = audio_info(path, channel)
    assert (info.sample_rate, info.channels) in (
        (kind.rate, kind.channels),
        (48000, kind.channels),  # Opus decodes at this rate
    )
    found, expected = read_audio(path, info.sample_rate, channel), original.mean(axis=1)
    assert len(found) == info.frames
    if kind.bits:
        # 8 bits are steps of 1/128.
        tolerance = 2.0 ** (1 - kind.bits)
        assert len(found) == len(expected)
        np.testing.assert_allclose(found, expected, atol=tolerance)
        return
    if info.sample_rate != kind.rate:
        found = read_audio(path, kind.rate, channel)
    assert abs(len(found) - len(expected)) < 0.15 * kind.rate
    lag, correlation = lag_and_correlation(found, expected)
    # ADTS and MPEG tell nobody by how much the encoder delays.
    assert abs(lag) < 0.1 * kind.rate and correlation > 0.97


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_numbers_are_those_of_ffmpeg(written, kind):
    path, _ = written[kind]
    found, expected = read_audio(path, RATE, "mix"), ffmpeg_mono(path)
    if kind.rate == RATE and "opus" not in kind.codec:
        assert len(found) == len(expected)
        np.testing.assert_allclose(found, expected, atol=2.0**-14)
        return
    # By another resampler; libsndfile counts one sample more.
    assert abs(len(found) - len(expected)) <= 80
    lag, correlation = lag_and_correlation(found, expected)
    assert lag == 0 and correlation > 0.999
