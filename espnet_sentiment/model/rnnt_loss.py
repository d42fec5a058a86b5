"""The RNN Transducer loss (Graves, 2012, https://arxiv.org/abs/1211.3711)."""

import torch
import torchaudio.functional
from typeguard import typechecked

from espnet_sentiment.layers.padding import pad_mask

# torchaudio's kernels index logits by 32-bit integers, unchecked.
MAX_LOGITS = 2**31 - 1


def rnnt_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    logit_lengths: torch.Tensor,
    target_lengths: torch.Tensor,
    blank: int = 0,
) -> torch.Tensor:
    """Compute the negative log probability of every target, summed over alignments.

    The recursion is torchaudio's. Utterances with a single alignment (one frame, or
    no label) go by closed form: torchaudio's CUDA kernel leaves their loss unset.

    Args:
        logits: Joint network's output (B, T, U + 1, V) of any floating type; computed
            on as float32.
        targets: Labels (B, U), anything on padding.
        logit_lengths: Valid frames (B,), at most T.
        target_lengths: Valid labels (B,), at most U.
        blank: Index of the blank.

    Returns:
        Losses (B,), float32; gradients are zero on padding.

    Raises:
        ValueError: There is an utterance without frames, lengths exceed the logits, a
            label is the blank or no class, or the logits are too many for torchaudio.
    """
    labels = pad_mask(target_lengths, targets.size(1)).logical_not()
    targets = targets.masked_fill(~labels, blank)
    _check(logits, targets, logit_lengths, target_lengths, labels, blank)
    # All tensors are small but the logits; half of these would lose the loss's digits.
    logits = logits.float()
    single = (logit_lengths == 1) | (target_lengths == 0)
    losses = logits.new_zeros(len(logits))
    for index, loss in (
        (single.nonzero().squeeze(1), _single_alignment),
        (single.logical_not().nonzero().squeeze(1), _all_alignments),
    ):
        if len(index) == len(logits):
            return loss(logits, targets, logit_lengths, target_lengths, blank)
        if len(index):
            part = loss(
                logits[index],
                targets[index],
                logit_lengths[index],
                target_lengths[index],
                blank,
            )
            losses = losses.index_copy(0, index, part)
    return losses


def _check(logits, targets, logit_lengths, target_lengths, labels, blank) -> None:
    if logits.numel() > MAX_LOGITS:
        raise ValueError(
            f"the logits {tuple(logits.shape)} are more than 2 ** 31 - 1, which is all "
            "that torchaudio's RNN-T loss can index: lower batch_bins or batch_size"
        )
    if int(logit_lengths.min()) < 1 or int(logit_lengths.max()) > logits.size(1):
        raise ValueError(
            f"the lengths {logit_lengths.tolist()} do not lie within 1 and the "
            f"{logits.size(1)} frames of the logits"
        )
    if not int(target_lengths.max()) <= targets.size(1) < logits.size(2):
        raise ValueError(
            f"targets {tuple(targets.shape)} of lengths {target_lengths.tolist()} do "
            f"not fit to the {logits.size(2)} label positions of the logits"
        )
    valid = targets[labels]
    wrong = valid[(valid < 0) | (valid >= logits.size(3)) | (valid == blank)]
    if len(wrong):
        raise ValueError(
            f"label {int(wrong[0])} is the blank or none of the {logits.size(3)} "
            "classes: is the token list another than the model's?"
        )


def _all_alignments(logits, targets, logit_lengths, target_lengths, blank):
    frames, labels = int(logit_lengths.max()), int(target_lengths.max())
    return torchaudio.functional.rnnt_loss(
        logits[:, :frames, : labels + 1].contiguous(),
        targets[:, :labels].int().contiguous(),
        logit_lengths.int(),
        target_lengths.int(),
        blank=blank,
        reduction="none",
    )


def _single_alignment(logits, targets, logit_lengths, target_lengths, blank):
    """Take all labels at the first frame and all blanks after the last label."""
    log_probs = logits.log_softmax(dim=-1)
    labels = log_probs[:, 0, : targets.size(1)]
    labels = labels.gather(-1, targets.long()[..., None]).squeeze(-1)
    rows = torch.arange(len(logits), device=logits.device)
    blanks = log_probs[rows, :, target_lengths.long(), blank]
    labels = labels.masked_fill(pad_mask(target_lengths, labels.size(1)), 0.0)
    blanks = blanks.masked_fill(pad_mask(logit_lengths, blanks.size(1)), 0.0)
    return -(labels.sum(dim=1) + blanks.sum(dim=1))


class RNNTLoss(torch.nn.Module):
    """:func:`rnnt_loss`, averaged over the batch.

    Called as ESPnet calls warp-transducer's criterion, which it stands in for.

    Args:
        blank: Index of the blank.
    """

    @typechecked
    def __init__(self, blank: int = 0):
        super().__init__()
        self.blank = blank

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        logit_lengths: torch.Tensor,
        target_lengths: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mean loss (), see :func:`rnnt_loss`."""
        return rnnt_loss(
            logits, targets, logit_lengths, target_lengths, self.blank
        ).mean()
