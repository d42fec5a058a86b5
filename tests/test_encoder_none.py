"""The acoustic baseline: fbank, and the reduction of its frame rate."""

import numpy as np
import pytest
import soundfile
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from seed import SEED
from torchaudio.compliance import kaldi

from espnet_sentiment.data.fbank import fbank
from espnet_sentiment.encoder.fbank import FbankEncoder, FbankFrontend
from espnet_sentiment.encoder.output_size import measure_output_size
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder
from espnet_sentiment.layers.padding import mean_subsample, pad_mask


@pytest.fixture(scope="module")
def wave(an4_wavs):
    return torch.from_numpy(soundfile.read(an4_wavs[0], dtype="float32")[0])


def test_fbank_is_kaldis_on_16_bit_samples(wave):
    feats = fbank(wave, 16000)
    samples = (wave * 32768).round()[None]
    expected = kaldi.fbank(samples, num_mel_bins=80, dither=0.0)
    torch.testing.assert_close(feats, expected)
    assert feats.shape == (1 + (len(wave) - 400) // 160, 80)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_fbank_has_a_frame_every_10_ms(wave, rate):
    assert fbank(wave[:rate], rate).shape == (98, 80)


def test_fbank_of_less_than_a_window_is_empty():
    assert len(fbank(torch.zeros(399), 16000)) == 0
    assert len(fbank(torch.zeros(400), 16000)) == 1


def test_front_end_computes_every_utterance_alone(wave):
    lengths = torch.tensor([8000, 5000])
    feats, feat_lengths = FbankFrontend()(torch.stack([wave[:8000]] * 2), lengths)
    assert feat_lengths.tolist() == [48, 29]
    torch.testing.assert_close(feats[1, :29], fbank(wave[:5000], 16000))
    assert (feats[1, 29:] == 0).all()


def test_encoder_averages_fbank_to_80_ms(wave):
    encoder = FbankEncoder()
    feats, lengths = encoder.frontend(wave[None, :16000], torch.tensor([16000]))
    out, out_lengths, states = encoder(feats, lengths)
    assert out.shape == (1, 13, 80)
    assert out_lengths.tolist() == [13]
    assert states is None
    torch.testing.assert_close(out[0, 1], feats[0, 8:16].mean(dim=0))
    torch.testing.assert_close(out[0, 12], feats[0, 96:98].mean(dim=0))


def test_encoder_describes_itself():
    encoder = FbankEncoder(subsample=4)
    assert encoder.input_kind == "fbank"
    assert encoder.frame_shift == 0.01
    assert encoder.sample_rate == 16000
    assert encoder.input_size == encoder.output_size() == encoder.dim == 80
    assert (encoder.n_layers, encoder.min_frames, encoder.min_samples) == (1, 1, 400)


def test_frames_are_known_without_encoding():
    size = measure_output_size(FbankEncoder(subsample=8), "fbank")
    # Stage 1's table counts frames of fbank.
    assert size.frames(np.array([8, 9, 98])).tolist() == [1, 2, 13]
    assert (size.n_layers, size.dim) == (1, 80)


def test_seconds_a_frame_are_known_of_an_encoder_that_needs_long_utterances():
    encoder = FbankEncoder(subsample=8)
    encoder.min_frames = 100
    assert SpeechEncoder(encoder).frame_shift == pytest.approx(0.08)


def test_too_short_utterance_is_named_with_the_remedy():
    with pytest.raises(TooShortUttError) as error:
        FbankEncoder().frontend(torch.zeros(2, 800), torch.tensor([800, 399]))
    assert str(error.value).startswith("utterance 1 of the batch has 399 samples")
    assert "needs at least 400 (0.025 s): remove it" in str(error.value)
    assert (error.value.actual_size, error.value.limit) == (399, 400)


@pytest.mark.parametrize("factor", [0, -2])
def test_subsampling_by_less_than_one_is_refused(factor):
    with pytest.raises(ValueError, match=f"subsample is {factor}"):
        FbankEncoder(subsample=factor)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 7, 50])
def test_averages_are_those_of_a_plain_loop(factor):
    torch.manual_seed(SEED)
    lengths = torch.tensor([13, 1, 8, 12])
    x = torch.randn(4, 15, 3, dtype=torch.double)
    x[pad_mask(lengths, 15)] = float("nan")
    out, out_lengths = mean_subsample(x, lengths, factor)
    assert out.size(1) == int(out_lengths.max())
    for row, n, result, m in zip(x, lengths, out, out_lengths, strict=True):
        means = [row[i : min(i + factor, n)].mean(0) for i in range(0, n, factor)]
        assert m == len(means)
        torch.testing.assert_close(result[:m], torch.stack(means))
        assert (result[m:] == 0).all()
