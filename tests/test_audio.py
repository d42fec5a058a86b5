"""Recordings and stage 1: formats, channels, and errors that name file and remedy."""

import shutil

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from swbd_tree import write_sphere

from espnet_sentiment.bin import make_features
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data import dump
from espnet_sentiment.data.audio import audio_info, read_audio, resample
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir


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


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_resampling_gives_torchaudios_bits_each_time(speech, rate):
    expected = torchaudio.functional.resample(torch.from_numpy(speech), rate, 16000)
    for _ in range(2):
        np.testing.assert_array_equal(resample(speech, rate, 16000), expected.numpy())


def test_a_resamplers_filter_is_made_once_unless_it_is_huge(speech, monkeypatch):
    made = []
    kernel = torchaudio.transforms._transforms._get_sinc_resample_kernel

    def count(*args, **kwargs):
        made.append(args[0])
        return kernel(*args, **kwargs)

    name = "torchaudio.transforms._transforms._get_sinc_resample_kernel"
    monkeypatch.setattr(name, count)
    for rate in [11000, 11000, 15995, 15995]:
        resample(speech[:99], rate, 16000)
    assert made == [11000, 15995, 15995]


def test_stereo_is_refused_until_a_channel_is_chosen(tmp_path, speech):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([speech, -0.5 * speech], 1), 16000, "FLOAT")
    with pytest.raises(DataError, match=r"stereo.wav has 2 channels.*--channel 0"):
        read_audio(path, 16000)
    np.testing.assert_allclose(read_audio(path, 16000, "1"), -0.5 * speech)
    np.testing.assert_allclose(read_audio(path, 16000, "mix"), 0.25 * speech, atol=1e-7)


def test_a_chosen_channel_leaves_mono_recordings_alone(an4_wavs, speech):
    np.testing.assert_array_equal(read_audio(an4_wavs[0], 16000, "1"), speech)


@pytest.fixture
def call(tmp_path, an4_wavs):
    """Write a call of two real utterances; return it and its sides, (N, 2)."""
    sides = [read_audio(wav, 8000) for wav in an4_wavs[:2]]
    length = min(map(len, sides))
    samples = np.stack([side[:length] for side in sides], 1)
    write_sphere(tmp_path / "call.sph", samples)
    return tmp_path / "call.sph", samples


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_side_of_a_mu_law_call_is_read_whole_and_in_part(call, side):
    path, samples = call
    info = audio_info(path, side)
    assert (info.sample_rate, info.channels, info.frames) == (8000, 2, len(samples))
    whole, original = read_audio(path, 8000, side), samples[:, "AB".index(side)]
    # Mu-law's steps are 1/32 of a sample's magnitude at most.
    np.testing.assert_allclose(whole, original, rtol=1 / 32, atol=1e-3)
    part = read_audio(path, 8000, side, 0.125, 0.5)
    np.testing.assert_array_equal(part, whole[1000:4000])


def test_a_side_that_a_recording_does_not_have_is_refused(an4_wavs, speech):
    np.testing.assert_array_equal(read_audio(an4_wavs[0], 16000, "A"), speech)
    with pytest.raises(DataError, match="has 1 channel, but .*asks for channel B"):
        read_audio(an4_wavs[0], 16000, "B")


def test_a_truncated_call_is_noticed(call):
    path, _ = call
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=f"promises {len(content)} bytes, but it has"):
        audio_info(path, "A")


def test_a_call_compressed_by_shorten_gets_the_remedy(call):
    path, samples = call
    write_sphere(path, samples, "ulaw,embedded-shorten-v2.00")
    with pytest.raises(DataError, match="call.sph is compressed .*w_decode.*sph2pipe"):
        audio_info(path, "A")


@pytest.mark.parametrize("size", [b"", b"   1024\n", b"many\n"])
def test_half_a_sphere_header_is_no_audio(tmp_path, size):
    path = tmp_path / "bad.sph"
    path.write_bytes(b"NIST_1A\n" + size)
    with pytest.raises(DataError, match=r"bad.sph cannot be read as audio"):
        audio_info(path)


@pytest.fixture
def sides(tmp_path, call):
    """Write a data directory of both sides, two segments each."""
    path, _ = call
    utterances = [
        Utterance(f"{side}-{i}", str(path), side, "x", "", i / 4, (i + 1) / 4, (), side)
        for side in "AB"
        for i in range(2)
    ]
    write_kaldi_dir(tmp_path / "data" / "call", utterances)
    return tmp_path / "data" / "call"


def dump_root(sides):
    return sides.parents[1] / "dump"


def features(sides, kind, *options):
    conf = sides.parents[1] / f"{kind}.yaml"
    encoders = {"audio": "huggingface\nencoder_conf: {model: x}", "fbank": "none"}
    conf.write_text(f"encoder: {encoders[kind]}\n")
    folders = ["--data_dir", str(sides), "--dump", str(dump_root(sides))]
    make_features.main([*folders, "--encoder", str(conf), *options])
    return dump_root(sides) / kind / "call"


@pytest.mark.parametrize("options", [[], ["--channel", "mix"]])
def test_stage_1_cuts_the_side_that_the_table_names(sides, call, options):
    out = features(sides, "audio", *options)
    for utt, flac in read_table(out / "wav.scp").items():
        side, i = utt.split("-")
        samples, rate = soundfile.read(flac, dtype="float32")
        start = int(i) / 4
        expected = read_audio(call[0], 16000, side, start, start + 0.25)
        assert rate == 16000 and len(samples) == 4000
        np.testing.assert_allclose(samples, expected, atol=2**-15)


def test_stage_1_runs_anew_when_the_sides_change(sides, capsys):
    out = features(sides, "audio")
    first = soundfile.read(read_table(out / "wav.scp")["A-0"])[0]
    features(sides, "audio")
    assert "up to date" in capsys.readouterr().err
    table = sides / "reco2file_and_channel"
    table.write_text("call-A call B\ncall-B call A\n")
    features(sides, "audio")
    assert "up to date" not in capsys.readouterr().err
    swapped = read_table(out / "wav.scp")
    np.testing.assert_array_equal(soundfile.read(swapped["B-0"])[0], first)
    assert not np.array_equal(soundfile.read(swapped["A-0"])[0], first)


def test_an_unusable_call_is_named_once(sides, call):
    path, samples = call
    write_sphere(path, samples, "ulaw,embedded-shorten-v2.00")
    with pytest.raises(DataError, match="1 of 1 recordings unusable") as error:
        features(sides, "fbank")
    assert str(error.value).count("is compressed by shorten") == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["audio", "fbank"])
def test_processes_make_no_difference(sides, kind, monkeypatch):
    monkeypatch.setattr(dump, "UTTS_PER_ARK", 2)
    work = {"audio": dump.dump_audio, "fbank": dump.dump_fbank}[kind]
    names = {"audio": "wav/*.flac", "fbank": "*.ark"}[kind]
    data, contents = read_kaldi_dir(sides), []
    for nj in (1, 2):
        out = dump_root(sides)
        work(data, out, nj=nj)
        contents.append(
            {
                str(path.relative_to(out)): path.read_bytes()
                for pattern in (names, "*.scp", "utt2num_*")
                for path in out.glob(pattern)
            }
        )
        shutil.rmtree(out)
    assert len(contents[0]) >= 4 and contents[0] == contents[1]


def test_a_truncated_wav_is_noticed(tmp_path, speech):
    path = tmp_path / "cut.wav"
    soundfile.write(path, speech, 16000)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match="cut.wav is cut short"):
        audio_info(path)


def test_a_truncated_mp3_is_noticed_and_a_whole_one_is_not(tmp_path, speech):
    path = tmp_path / "cut.mp3"
    soundfile.write(path, np.tile(speech, 4), 16000)
    assert abs(len(read_audio(path, 16000)) - 4 * len(speech)) < 1600
    # Its length stands in the first frame.
    path.write_bytes(path.read_bytes()[:3000])
    message = r"cut.mp3 is cut short: its header promises \d+ samples, but \d+ can"
    with pytest.raises(DataError, match=message):
        audio_info(path)
    for segment in ({}, {"start": 0.0, "end": 1.0}):
        with pytest.raises(DataError, match=message):
            read_audio(path, 16000, **segment)


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
    end = len(speech) / 16000  # where nothing begins, though times are rounded
    with pytest.raises(DataError, match="does not lie in the recording"):
        read_audio(an4_wavs[0], 16000, start=end, end=end + 0.05)
