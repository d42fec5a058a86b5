"""The RNN-T loss against the forward recursion of Graves, 2012, in float64."""

import pytest
import torch

from espnet_sentiment.model.rnnt_loss import MAX_LOGITS, RNNTLoss, rnnt_loss

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
    ),
]


def forward_recursion(logits, target, blank):
    """Return -log p(target) of one lattice (T, U + 1, V), Graves' equations 16, 17."""
    log_probs = logits.log_softmax(dim=-1)
    frames, labels = len(logits), len(target)
    alpha = {(0, 0): logits.new_zeros(())}
    for t in range(frames):
        for u in range(labels + 1):
            ways = []
            if t > 0:
                ways.append(alpha[t - 1, u] + log_probs[t - 1, u, blank])
            if u > 0:
                ways.append(alpha[t, u - 1] + log_probs[t, u - 1, target[u - 1]])
            if ways:
                alpha[t, u] = torch.stack(ways).logsumexp(dim=0)
    return -(alpha[frames - 1, labels] + log_probs[frames - 1, labels, blank])


def lattices(lengths, n_classes=5, blank=0, device="cpu", seed=0):
    """Draw logits and targets for pairs (frames, labels), with rubbish on padding."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.tensor([t for t, _ in lengths])
    labels = torch.tensor([u for _, u in lengths])
    shape = (len(lengths), int(frames.max()), int(labels.max()) + 1, n_classes)
    logits = 3 * torch.randn(shape, generator=generator)
    targets = torch.randint(1, n_classes, (shape[0], shape[2] - 1), generator=generator)
    targets = (targets + blank) % n_classes
    targets[torch.arange(shape[2] - 1) >= labels[:, None]] = -1
    return [x.to(device) for x in (logits, targets, frames, labels)]


def expected(logits, targets, frames, labels, blank=0):
    """Return losses (B,) and the gradients of their weighted sum, float64."""
    logits = logits.detach().double().requires_grad_()
    losses = torch.stack(
        [
            forward_recursion(x[:t, : u + 1], y[:u].tolist(), blank)
            for x, y, t, u in zip(logits, targets, frames, labels, strict=True)
        ]
    )
    (losses * weights(losses)).sum().backward()
    return losses.detach(), logits.grad


def weights(losses):
    return torch.arange(1, len(losses) + 1).to(losses)


def assert_equals_recursion(batch, blank=0, rtol=1e-5, atol=2e-5):
    logits, *rest = batch
    logits = logits.detach().requires_grad_()
    losses = rnnt_loss(logits, *rest, blank=blank)
    assert losses.dtype == torch.float32
    (losses * weights(losses)).sum().backward()
    reference, gradients = expected(logits, *rest, blank=blank)
    torch.testing.assert_close(losses.double(), reference, rtol=rtol, atol=atol)
    torch.testing.assert_close(logits.grad.double(), gradients, rtol=rtol, atol=atol)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradients_of_random_lattices_of_mixed_lengths(seed, device):
    lengths = torch.randint(1, 9, (6, 2), generator=torch.Generator().manual_seed(seed))
    batch = lattices(lengths.tolist(), seed=seed, device=device)
    assert_equals_recursion(batch)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param([(4, 0)], id="empty target"),
        pytest.param([(4, 0), (2, 0), (1, 0)], id="empty targets alone"),
        pytest.param([(1, 3)], id="one frame"),
        pytest.param([(1, 3), (1, 1)], id="one frame each"),
        pytest.param([(1, 0)], id="one frame without a label"),
        pytest.param([(1, 7), (6, 2), (3, 0), (5, 4), (1, 0)], id="among others"),
        pytest.param([(2, 9), (3, 3)], id="more labels than frames"),
    ],
)
def test_loss_and_gradients_of_lattices_at_the_edges(lengths, device):
    assert_equals_recursion(lattices(lengths, device=device))


def test_the_blank_may_be_any_class():
    assert_equals_recursion(lattices([(4, 3), (1, 2)], blank=2), blank=2)


def test_logits_longer_than_the_longest_utterance_change_nothing():
    logits, targets, frames, labels = lattices([(6, 4), (5, 2)])
    shorter = rnnt_loss(logits, targets, frames - 1, labels - 1)
    cropped = rnnt_loss(logits[:, :5, :4], targets[:, :3], frames - 1, labels - 1)
    torch.testing.assert_close(shorter, cropped)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_on_in_float32(dtype):
    logits, *rest = lattices([(30, 20), (1, 20), (12, 0)])
    logits = logits.to(dtype).requires_grad_()
    losses = rnnt_loss(logits, *rest)
    reference, _ = expected(logits, *rest)
    torch.testing.assert_close(losses.double(), reference, rtol=1e-5, atol=0)
    losses.sum().backward()
    assert logits.grad.dtype == dtype and logits.grad.isfinite().all()


def test_the_criterion_is_the_mean_over_utterances():
    batch = lattices([(4, 3), (3, 1), (1, 1)])
    torch.testing.assert_close(RNNTLoss()(*batch), rnnt_loss(*batch).mean())


def test_a_loss_far_from_the_target_stays_finite():
    logits, *rest = lattices([(20, 10), (1, 10)])
    logits = (1e4 * logits).requires_grad_()
    loss = rnnt_loss(logits, *rest).sum()
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize("label", [0, 5, -2])
def test_a_label_that_is_the_blank_or_no_class_is_named(label):
    logits, targets, frames, labels = lattices([(4, 3), (3, 3)])
    targets[1, 2] = label
    with pytest.raises(
        ValueError, match=f"label {label} is the blank or none of the 5"
    ):
        rnnt_loss(logits, targets, frames, labels)


def test_lengths_that_do_not_fit_the_logits_are_refused():
    logits, targets, frames, labels = lattices([(4, 3), (3, 3)])
    for wrong in (frames + 1, frames - 3):
        with pytest.raises(ValueError, match="do not lie within 1 and the 4 frames"):
            rnnt_loss(logits, targets, wrong, labels)
    with pytest.raises(ValueError, match="do not fit to the 4 label positions"):
        rnnt_loss(logits, targets, frames, labels + 1)
    with pytest.raises(ValueError, match="do not fit to the 3 label positions"):
        rnnt_loss(logits[:, :, :3], targets, frames, labels)


def test_more_logits_than_torchaudio_can_index_are_refused():
    logits, targets, frames, labels = lattices([(4, 3)])
    huge = logits[:1, :1, :1].expand(-1, MAX_LOGITS // 20 + 1, 4, -1)
    with pytest.raises(ValueError, match="lower batch_bins"):
        rnnt_loss(huge, targets, frames, labels)
