"""Reading recordings: formats, and errors that name file and remedy."""

import numpy as np
import pytest
import soundfile

from espnet_sentiment.data.audio import audio_info, read_audio
from espnet_sentiment.data.files import DataError


@pytest.fixture
def speech(an4_wavs):
    samples, rate = soundfile.read(an4_wavs[0], dtype="float32")
    assert rate == 16000 and samples.ndim == 1
    return samples


def test_a_16_khz_recording_is_read_as_it_is(an4_wavs, speech):
    np.testing.assert_array_equal(read_audio(an4_wavs[0], 16000), speech)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_other_sample_rates_are_resampled(tmp_path, speech, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, rate)
    samples = read_audio(path, 16000)
    assert abs(len(samples) - len(speech) * 16000 / rate) < 2
    assert samples.dtype == np.float32 and np.isfinite(samples).all()


def test_stereo_is_refused_until_a_channel_is_chosen(tmp_path, speech):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([speech, -0.5 * speech], 1), 16000, "FLOAT")
    with pytest.raises(DataError, match=r"stereo.wav has 2 channels.*--channel 0"):
        read_audio(path, 16000)
    np.testing.assert_allclose(read_audio(path, 16000, "1"), -0.5 * speech)
    np.testing.assert_allclose(read_audio(path, 16000, "mix"), 0.25 * speech, atol=1e-7)


def test_a_chosen_channel_leaves_mono_recordings_alone(an4_wavs, speech):
    np.testing.assert_array_equal(read_audio(an4_wavs[0], 16000, "1"), speech)


def test_a_truncated_wav_is_noticed(tmp_path, speech):
    path = tmp_path / "cut.wav"
    soundfile.write(path, speech, 16000)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match="cut.wav is cut short"):
        audio_info(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as audio"),
        (b"RIFF", "cannot be read as audio"),
        (b"this is no audio" * 100, "cannot be read as audio"),
    ],
)
def test_what_is_no_audio_is_named(tmp_path, content, message):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad.wav {message}.*restore it"):
        audio_info(path)


def test_a_recording_without_samples_is_named(tmp_path):
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0, "float32"), 16000)
    with pytest.raises(DataError, match="empty.wav holds no samples"):
        audio_info(path)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(DataError, match="gone.wav does not exist"):
        audio_info(tmp_path / "gone.wav")


def test_samples_that_are_not_numbers_are_refused(tmp_path, speech):
    path = tmp_path / "nan.wav"
    speech[10] = np.nan
    soundfile.write(path, speech, 16000, "FLOAT")
    with pytest.raises(DataError, match="nan.wav holds samples that are not numbers"):
        read_audio(path, 16000)


def test_a_segment_is_cut_and_one_outside_is_refused(an4_wavs, speech):
    cut = read_audio(an4_wavs[0], 16000, start=0.1, end=0.25)
    np.testing.assert_array_equal(cut, speech[1600:4000])
    for start, end in [(0.2, 0.2), (-1, 1), (0, 1000)]:
        with pytest.raises(DataError, match="does not lie in the recording"):
            read_audio(an4_wavs[0], 16000, start=start, end=end)
