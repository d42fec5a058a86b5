"""Tests of SpecAugment against the definitions of Park et al. (2019), Section 2."""

import pickle

import numpy as np
import pytest
import soundfile
import torch
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.train.class_choices import ClassChoices
from scipy import stats
from torchaudio.compliance.kaldi import fbank

from espnet_sentiment.specaug.specaugment import (
    POLICIES,
    SpecAugment,
    spec_augment,
    utterance_mean,
    warp_time,
)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
SMALL = {
    "time_warp": 6,
    "freq_mask_width": 4,
    "num_freq_masks": 2,
    "time_mask_width": 9,
    "time_mask_ratio": 0.3,
    "num_time_masks": 2,
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def features(lengths, channels=12, dtype=torch.float32, seed=1):
    """Random features (B, T, F) whose padding is random too, away from zero."""
    x = torch.randn(
        len(lengths),
        max(lengths),
        channels,
        generator=seeded(seed),
        dtype=torch.float64,
    )
    return (x + 5).to(dtype), torch.tensor(lengths)


def bands(mask):
    """Widths and starts of the only band in each row of a mask (B, size)."""
    mask = mask.int()
    width, start = mask.sum(dim=1), mask.argmax(dim=1)
    position = torch.arange(mask.shape[1])
    inside = (start[:, None] <= position) & (position < (start + width)[:, None])
    assert torch.equal(mask.bool(), inside), "a mask is not contiguous"
    return width.numpy(), start.numpy()


def assert_uniform(draws, n):
    """Chi-square test of uniformity on {0, ..., n - 1}."""
    assert draws.min() >= 0 and draws.max() < n
    assert n == 1 or stats.chisquare(np.bincount(draws, minlength=n)).pvalue > 1e-3


def assert_paper_bands(mask, extent, widest):
    """Widths uniform on {0..widest}, starts uniform on [0, extent - width)."""
    width, start = bands(mask)
    assert_uniform(width, widest + 1)
    statistic = dof = 0
    for w in range(1, widest + 1):
        starts, places = start[width == w], max(extent - w, 1)
        assert starts.max() < places
        if places > 1:
            counts = np.bincount(starts, minlength=places)
            statistic += stats.chisquare(counts).statistic
            dof += places - 1
    assert dof == 0 or stats.chi2.sf(statistic, dof) > 1e-3


def reference_positions(length, source, target):
    """Where the frames of an utterance lie once `source` shows at `target`."""
    last = length - 1
    position = np.interp(np.arange(length), [0, target, last], [0, source, last])
    position[0] = 0  # which interp gives to source, where target is 0
    return position


def reference_warp(x, length, source, target):
    """One utterance (T, F) of numpy, warped so that `source` shows at `target`."""
    n, position = np.arange(length), reference_positions(length, source, target)
    out = x.copy()
    for channel in range(x.shape[1]):
        out[:length, channel] = np.interp(position, n, x[:length, channel])
    return out


def drawn_warps(frames, max_warp, draws, seed=0):
    """The (source, shift) pairs behind many warps, recognised on a ramp."""
    pairs = [
        (source, shift)
        for source in range(max_warp, frames - max_warp)
        for shift in range(-max_warp, max_warp + 1)
    ]
    ramps = [reference_positions(frames, c, c + w) for c, w in pairs]
    ramp = torch.arange(frames, dtype=torch.float64).expand(draws, frames)[..., None]
    warped = warp_time(ramp, None, max_warp, seeded(seed))[..., 0]
    ramps = torch.from_numpy(np.stack(ramps))
    distance, which = torch.cdist(warped, ramps, p=1).min(dim=1)
    assert distance.max() < 1e-8, "a warp is none of the paper's"
    return np.array(pairs)[which.numpy()]


def test_policies_are_table_1_of_the_paper():
    # Columns: W, F, m_F, T, p, m_T.
    assert {name: tuple(policy) for name, policy in POLICIES.items()} == {
        "none": (0, 0, 0, 0, 1.0, 0),
        "LB": (80, 27, 1, 100, 1.0, 1),
        "LD": (80, 27, 2, 100, 1.0, 2),
        "SM": (40, 15, 2, 70, 0.2, 2),
        "SS": (40, 27, 2, 70, 0.2, 2),
    }


@pytest.mark.parametrize("channels, widest", [(20, 7), (80, 27), (5, 27)])
def test_frequency_masks_follow_the_paper(channels, widest):
    x = torch.ones(30000, 1, channels)
    y = spec_augment(
        x, freq_mask_width=widest, num_freq_masks=1, generator=seeded(channels)
    )
    assert_paper_bands(y[:, 0] == 0, channels, min(widest, channels))


@pytest.mark.parametrize(
    "length, widest, ratio, bound",
    [(60, 9, 0.2, 9), (31, 9, 0.2, 6), (9, 100, 1.0, 9), (4, 9, 0.2, 0), (1, 9, 1, 1)],
)
def test_time_masks_follow_the_paper_and_the_bound_p_tau(length, widest, ratio, bound):
    x = torch.ones(20000, 60, 1)
    y = spec_augment(
        x,
        torch.full((20000,), length),
        time_mask_width=widest,
        time_mask_ratio=ratio,
        num_time_masks=1,
        generator=seeded(length),
    )
    assert_paper_bands(y[:, :, 0] == 0, length, bound)


def test_bounds_hold_for_each_utterance_of_a_mixed_batch():
    lengths = torch.arange(0, 60).repeat(100)
    x = torch.ones(len(lengths), 60, 1)
    y = spec_augment(
        x,
        lengths,
        time_mask_width=9,
        time_mask_ratio=0.2,
        num_time_masks=1,
        generator=seeded(),
    )
    width, start = bands(y[:, :, 0] == 0)
    bound = np.minimum(9, np.floor(0.2 * lengths.numpy()))
    assert (width <= bound).all()
    assert (start + width <= lengths.numpy()).all()
    widest = np.array([width[lengths == n].max() for n in range(60)])
    assert (widest == bound[:60]).all()


@pytest.mark.parametrize("axis", ["freq", "time"])
def test_several_masks_are_independent_and_may_overlap(axis):
    size, widest, draws = 16, 6, 30000
    once = np.zeros(size)  # the chance that one mask covers a position
    for width in range(1, widest + 1):
        for start in range(size - width):
            once[start : start + width] += 1 / (widest + 1) / (size - width)
    expected = 1 - (1 - once) ** 3
    x = torch.ones((draws, 1, size) if axis == "freq" else (draws, size, 1))
    masks = {f"{axis}_mask_width": widest, f"num_{axis}_masks": 3}
    covered = spec_augment(x, **masks, generator=seeded()) == 0
    share = covered.flatten(1).double().mean(dim=0).numpy()
    z = (share - expected) / np.sqrt(expected * (1 - expected) / draws + 1e-12)
    assert np.abs(z).max() < 4


def test_warps_follow_the_paper():
    frames, max_warp = 24, 5
    source, shift = drawn_warps(frames, max_warp, 20000).T
    assert_uniform(shift + max_warp, 2 * max_warp + 1)
    moved = shift != 0  # a frame that does not move leaves no trace
    assert_uniform(source[moved] - max_warp, frames - 2 * max_warp)
    pairs = np.stack((source[moved], shift[moved]), axis=1)
    _, counts = np.unique(pairs, axis=0, return_counts=True)
    assert len(counts) == (frames - 2 * max_warp) * 2 * max_warp
    assert stats.chisquare(counts).pvalue > 1e-3


def test_warp_equals_a_plain_loop_over_utterances():
    lengths = [50, 41, 33, 12, 13, 50, 1, 0]
    max_warp = 6
    x, tau = features(lengths, dtype=torch.float64)
    y = warp_time(x, tau, max_warp, seeded(3))
    ramp = torch.arange(50.0, dtype=torch.float64).expand(len(lengths), 50)[..., None]
    positions = warp_time(ramp, tau, max_warp, seeded(3))[..., 0].numpy()
    warped = 0
    for b, length in enumerate(lengths):
        source = target = 0
        if length > 2 * max_warp:
            candidates = (
                (c, c + w)
                for c in range(max_warp, length - max_warp)
                for w in range(-max_warp, max_warp + 1)
            )
            source, target = min(
                candidates,
                key=lambda pair: np.abs(
                    reference_positions(length, *pair) - positions[b, :length]
                ).sum(),
            )
        expected = x[b].numpy()
        if source != target:
            expected = reference_warp(expected, length, source, target)
            warped += 1
        np.testing.assert_allclose(y[b].numpy(), expected, rtol=0, atol=1e-10)
    assert warped >= 3


def test_utterances_up_to_twice_w_stay_unwarped():
    x, lengths = features([12, 11, 3, 1, 0, 13] * 50)
    y = warp_time(x, lengths, 6, seeded())
    same = (y == x).flatten(1).all(dim=1)
    assert same[lengths <= 12].all()
    assert not same[lengths == 13].all()


def test_warp_keeps_the_first_and_the_last_frame():
    x, lengths = features([40, 31, 25] * 20, dtype=torch.float64)
    y = warp_time(x, lengths, 5, seeded())
    last = lengths - 1
    utterance = torch.arange(len(lengths))
    torch.testing.assert_close(y[utterance, last], x[utterance, last])
    assert torch.equal(y[:, 0], x[:, 0])
    assert not torch.equal(x, y)


def test_a_frame_moved_to_an_end_leaves_the_end_where_it_is():
    frames, max_warp = 24, 5
    ramp = torch.arange(frames, dtype=torch.float64).expand(20000, frames)[..., None]
    position = warp_time(ramp, None, max_warp, seeded())[..., 0]
    assert (position[:, 0] == 0).all() and (position[:, -1] == frames - 1).all()
    # c = W by -W, and the last c, tau - W - 1, by W: the lines on their other sides.
    line = torch.arange(frames, dtype=torch.float64) * 18 / 23
    for inner, expected in ((slice(1, None), line + 5), (slice(0, -1), line)):
        away = (position[:, inner] - expected[inner]).abs().amax(dim=1)
        n_moved = int((away < 1e-9).sum())
        assert stats.binomtest(n_moved, 20000, 1 / (11 * 14)).pvalue > 1e-3


@pytest.mark.parametrize("fill", ["zero", "mean"])
@pytest.mark.parametrize("policy", POLICIES)
def test_input_and_padding_stay_untouched(policy, fill):
    x, lengths = features([300, 170, 80, 5, 1, 0], channels=80)
    before = x.clone()
    y, y_lengths = SpecAugment(policy, fill=fill)(x, lengths, seeded())
    assert y_lengths is lengths
    assert torch.equal(x, before)
    assert y.data_ptr() != x.data_ptr()
    padding = torch.arange(300) >= lengths[:, None]
    assert torch.equal(y[padding], x[padding])
    assert torch.equal(x, y) == (policy == "none")


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_what_needs_gradients_is_masked_alike(fill):
    x, lengths = features([60, 45, 30, 20, 7, 0])

    def augment(x):
        return spec_augment(x, lengths, **SMALL, fill=fill, generator=seeded())

    assert torch.equal(augment(x), augment(x.clone().requires_grad_()))


def test_lengths_none_means_all_frames():
    x, _ = features([40, 40])
    y = spec_augment(x, None, **SMALL, generator=seeded())
    expected = spec_augment(x, torch.tensor([40, 40]), **SMALL, generator=seeded())
    assert torch.equal(y, expected)
    assert SpecAugment("LB")(x)[1] is None


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (0, 5, 3), (2, 0, 3)])
def test_the_smallest_batches_pass(shape):
    assert spec_augment(torch.ones(shape), **POLICIES["LD"]._asdict()).shape == shape


def test_a_seed_fixes_the_result_and_another_changes_it():
    x, lengths = features([60, 50, 40])
    y = spec_augment(x, lengths, **SMALL, generator=seeded(1))
    assert torch.equal(y, spec_augment(x, lengths, **SMALL, generator=seeded(1)))
    assert not torch.equal(y, spec_augment(x, lengths, **SMALL, generator=seeded(2)))
    torch.manual_seed(1)  # torch's own generator serves where none is given
    assert torch.equal(y, spec_augment(x, lengths, **SMALL))
    assert not torch.equal(y, spec_augment(x, lengths, **SMALL))


def test_utterances_get_masks_and_warps_of_their_own():
    x = features([60])[0].expand(40, -1, -1)
    masked = spec_augment(x, **{**SMALL, "time_warp": 0}, generator=seeded()) == 0
    freq, time = masked.all(dim=1), masked.all(dim=2)
    assert len(freq.unique(dim=0)) > 10
    assert len(time.unique(dim=0)) > 10
    assert len(warp_time(x, None, 6, seeded()).unique(dim=0)) > 20


def test_masks_hold_zero_or_the_mean_of_their_own_utterance():
    x, lengths = features([60, 45, 30, 20])
    x[2] -= 20  # utterances differ in their means
    zero = spec_augment(x, lengths, **SMALL, generator=seeded())
    mean = spec_augment(x, lengths, **SMALL, fill="mean", generator=seeded())
    masked = zero == 0
    assert masked.flatten(1).any(dim=1).all()
    assert torch.equal(zero[~masked], mean[~masked])
    for b, length in enumerate(lengths):
        expected = x[b, :length].double().numpy().mean()
        np.testing.assert_allclose(mean[b][masked[b]].numpy(), expected, rtol=1e-5)


def test_mean_in_half_precision_does_not_overflow():
    x = torch.full((2, 4000, 80), 60.0, dtype=torch.float16)
    x[0, 3000:] = torch.inf
    mean = utterance_mean(x, torch.tensor([3000, 0]))
    assert mean.dtype == torch.float16
    assert mean.tolist() == [60.0, 0.0]


@pytest.mark.parametrize("fill", ["zero", "mean"])
@pytest.mark.parametrize(
    "dtype, eps", [(torch.float16, 1e-3), (torch.bfloat16, 8e-3), (torch.float32, 1e-6)]
)
def test_other_precisions_agree_with_float64(dtype, eps, fill):
    x, lengths = features([70, 55, 13, 1], dtype=dtype)
    y = spec_augment(x, lengths, **SMALL, fill=fill, generator=seeded())
    exact = spec_augment(x.double(), lengths, **SMALL, fill=fill, generator=seeded())
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), exact, rtol=2 * eps, atol=2 * eps)


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_gradients_flow_through_warp_and_fill(fill):
    x, lengths = features([20, 14], channels=5, dtype=torch.float64)
    x.requires_grad_()

    def augment(x):
        return spec_augment(x, lengths, **SMALL, fill=fill, generator=seeded(2))

    assert torch.autograd.gradcheck(augment, (x,))
    assert not torch.equal(augment(x), x)


def test_masked_frames_get_no_gradient():
    x, lengths = features([40, 30])
    x.requires_grad_()
    y = spec_augment(x, lengths, **{**SMALL, "time_warp": 0}, generator=seeded())
    y.sum().backward()
    assert torch.equal(x.grad == 0, y == 0)
    assert (y == 0).any()


def test_features_need_not_be_contiguous():
    x, lengths = features([50, 30])
    strided = x.transpose(1, 2).contiguous().transpose(1, 2)
    y = spec_augment(strided, lengths, **SMALL, generator=seeded())
    assert torch.equal(y, spec_augment(x, lengths, **SMALL, generator=seeded()))


def test_real_speech_keeps_its_padding_and_its_unmasked_channels(an4_wavs):
    utterances = []
    for path in an4_wavs[:6]:
        audio, rate = soundfile.read(path, dtype="float32")
        waveform = torch.from_numpy(audio)[None] * 2**15
        utterances.append(fbank(waveform, sample_frequency=rate, num_mel_bins=80))
    lengths = torch.tensor([len(utterance) for utterance in utterances])
    x = torch.nn.utils.rnn.pad_sequence(utterances, batch_first=True)
    y, _ = SpecAugment("LD", fill="mean", time_warp=0)(x, lengths, seeded())
    padding = torch.arange(x.shape[1]) >= lengths[:, None]
    assert (y[padding] == 0).all()
    changed = (y != x) & ~padding[..., None]
    means = utterance_mean(x, lengths)[:, None, None].expand_as(x)
    assert torch.equal(y[changed], means[changed])
    assert 0.05 < changed.sum() / (~padding).sum() / 80 < 0.95


def test_module_takes_a_policy_and_replaces_single_parameters():
    augment = SpecAugment("SM", num_time_masks=0, time_mask_ratio=1)
    assert augment.policy == (40, 15, 2, 70, 1, 0)
    assert SpecAugment().policy == POLICIES["LB"]


def test_module_scales_to_other_frame_shifts_and_channels():
    augment = SpecAugment("SS", time_warp=20, time_scale=0.5, freq_scale=1.6)
    assert augment.policy == (10, 43, 2, 35, 0.2, 2)


def test_module_applies_in_evaluation_mode_too_and_has_no_state():
    augment = SpecAugment("LB").eval()
    x, lengths = features([200, 180], channels=80)
    assert not torch.equal(augment(x, lengths, seeded())[0], x)
    assert not augment.state_dict()
    again = pickle.loads(pickle.dumps(augment))
    expected = augment(x, lengths, seeded())[0]
    assert torch.equal(again(x, lengths, seeded())[0], expected)


def test_module_shows_the_parameters_in_force():
    assert repr(SpecAugment("LD", fill="mean", time_scale=0.5)) == (
        "SpecAugment(time_warp=40, freq_mask_width=27, num_freq_masks=2, "
        "time_mask_width=50, time_mask_ratio=1.0, num_time_masks=2, fill='mean')"
    )


def test_module_is_a_choice_for_espnets_configuration():
    choices = ClassChoices(
        "specaug", {"specaugment": SpecAugment}, type_check=AbsSpecAug, optional=True
    )
    conf = {"policy": "LD", "fill": "mean", "time_mask_ratio": 1}
    augment = choices.get_class("specaugment")(**conf)
    x, lengths = features([200, 180], channels=80)
    y, y_lengths = augment(x, lengths)
    assert y.shape == x.shape and y_lengths is lengths


@pytest.mark.parametrize(
    "conf, message",
    [
        ({"policy": "XL"}, "policy must be one of none, LB, LD, SM, SS, got 'XL'"),
        ({"fill": "noise"}, "fill must be one of zero, mean, got 'noise'"),
        ({"time_warp": -1}, "time_warp must be 0 or more, got -1"),
        ({"num_freq_masks": -2}, "num_freq_masks must be 0 or more, got -2"),
        ({"time_mask_ratio": 1.5}, "time_mask_ratio must lie within 0 and 1, got 1.5"),
        ({"time_scale": 0.0}, "time_scale must be above 0, got 0.0"),
        ({"freq_scale": -1.0}, "freq_scale must be above 0, got -1.0"),
    ],
)
def test_bad_parameters_are_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        SpecAugment(**conf)


def test_bad_batches_are_refused():
    x, lengths = features([20, 10])
    with pytest.raises(ValueError, match=r"shape \(2,\).* got \(1,\)"):
        spec_augment(x, lengths[:1], **SMALL)
    with pytest.raises(ValueError, match=r"within 0 and .* 20 frames, got \[21, 10\]"):
        spec_augment(x, lengths + torch.tensor([1, 0]), **SMALL)
    with pytest.raises(ValueError, match=r"\(B, T, F\), got torch.float32 .* \(20, 12"):
        spec_augment(x[0], None, **SMALL)
    with pytest.raises(ValueError, match="floating-point .* got torch.int64"):
        spec_augment(x.long(), lengths, **SMALL)
    with pytest.raises(
        ValueError, match="fill must be one of zero, mean, got 'median'"
    ):
        spec_augment(x, lengths, **SMALL, fill="median")
    with pytest.raises(ValueError, match="time warp must be 0 or more frames, got -1"):
        warp_time(x, lengths, -1)


@needs_cuda
@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_a_seed_gives_the_same_on_cuda(fill):
    x, lengths = features([70, 55, 13, 1, 0])
    cpu = spec_augment(x, lengths, **SMALL, fill=fill, generator=seeded())
    for tau in (lengths, lengths.cuda()):
        cuda = spec_augment(x.cuda(), tau, **SMALL, fill=fill, generator=seeded())
        torch.testing.assert_close(cuda.cpu(), cpu)
        assert torch.equal(cuda.cpu() == 0, cpu == 0)


@needs_cuda
def test_cuda_is_never_waited_for():
    x, lengths = features([70, 55, 13])
    x, lengths = x.cuda(), lengths.cuda()
    spec_augment(x, lengths, **SMALL, fill="mean")
    torch.cuda.set_sync_debug_mode("error")
    try:
        spec_augment(x, lengths, **SMALL, fill="mean")
    finally:
        torch.cuda.set_sync_debug_mode("default")
