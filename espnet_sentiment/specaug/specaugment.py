"""SpecAugment (Park et al., Interspeech 2019, https://arxiv.org/abs/1904.08779).

The functions do the work; :class:`SpecAugment` is their shell for ESPnet's tasks.

Random numbers always come from the CPU, from the given generator or from torch's
default one, and move to the features' device without waiting for it: a seed stands
for the same warps and masks on CPU and CUDA.
"""

from typing import NamedTuple

import torch
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from torch import Generator, Tensor
from typeguard import typechecked

FILLS = ("zero", "mean")
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes


class Policy(NamedTuple):
    """Parameters of SpecAugment, under the paper's symbols (Section 2).

    Attributes:
        time_warp: W, the farthest that a point in time moves, in frames.
        freq_mask_width: F, the widest frequency mask, in channels.
        num_freq_masks: m_F, frequency masks per utterance.
        time_mask_width: T, the widest time mask, in frames.
        time_mask_ratio: p, the widest time mask as a share of the utterance.
        num_time_masks: m_T, time masks per utterance.
    """

    time_warp: int = 0
    freq_mask_width: int = 0
    num_freq_masks: int = 0
    time_mask_width: int = 0
    time_mask_ratio: float = 1.0
    num_time_masks: int = 0

    def scaled(self, time_scale: float = 1.0, freq_scale: float = 1.0) -> "Policy":
        """Returns the policy for another frame shift or number of channels.

        Args:
            time_scale: Factor of W and T; the paper's values are for a 10 ms frame
                shift, so 0.5 suits 20 ms. Results are rounded to whole frames.
            freq_scale: Factor of F; the paper's values are for 80 channels.
        """
        return self._replace(
            time_warp=round(self.time_warp * time_scale),
            time_mask_width=round(self.time_mask_width * time_scale),
            freq_mask_width=round(self.freq_mask_width * freq_scale),
        )


#: Table 1 of the paper: LibriSpeech basic and double, Switchboard mild and strong.
POLICIES = {
    "none": Policy(),
    "LB": Policy(80, 27, 1, 100, 1.0, 1),
    "LD": Policy(80, 27, 2, 100, 1.0, 2),
    "SM": Policy(40, 15, 2, 70, 0.2, 2),
    "SS": Policy(40, 27, 2, 70, 0.2, 2),
}


def _valid_frames(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Returns the lengths as (B,) float64 on the device of x; None means all T."""
    if x.dim() != 3 or not x.is_floating_point():
        raise ValueError(
            "SpecAugment takes floating-point features (B, T, F), "
            f"got {x.dtype} of shape {tuple(x.shape)}"
        )
    batch, frames, _ = x.shape
    if lengths is None:
        return x.new_full((batch,), frames, dtype=torch.float64)
    if lengths.shape != (batch,):
        raise ValueError(
            f"lengths must have the shape ({batch},), one value for each utterance of "
            f"the batch, got {tuple(lengths.shape)}"
        )
    # Values on a GPU stay unread (that would wait for it) and are only clamped.
    if lengths.device.type == "cpu" and ((lengths < 0) | (lengths > frames)).any():
        raise ValueError(
            f"lengths must lie within 0 and the batch's {frames} frames, "
            f"got {lengths.tolist()}"
        )
    lengths = lengths.to(x.device, non_blocking=x.is_cuda)
    return lengths.clamp(0, frames).to(torch.float64)


def _uniform(*shape: int, like: Tensor, generator: Generator | None) -> Tensor:
    """Draws float64 numbers from [0, 1) on the CPU, for the device of ``like``."""
    numbers = torch.rand(*shape, dtype=torch.float64, generator=generator)
    return numbers.to(like.device, non_blocking=like.is_cuda)


def _warped_positions(
    tau: Tensor, frames: int, max_warp: int, generator: Generator | None
) -> Tensor:
    """Draws warps of tau (B,) frames: where in the input each output frame lies.

    Returns:
        Positions (B, frames), float64: source at target, 0 and tau - 1 at themselves,
        linear between these, and padding where it was.
    """
    if max_warp < 0:
        raise ValueError(f"the time warp must be 0 or more frames, got {max_warp}")
    tau = tau[:, None]
    u = _uniform(2, len(tau), 1, like=tau, generator=generator)
    long_enough = tau > 2 * max_warp
    last = tau - 1
    source = (max_warp + (u[0] * (tau - 2 * max_warp)).floor()) * long_enough
    shift = ((u[1] * (2 * max_warp + 1)).floor() - max_warp) * long_enough
    target = source + shift
    before = source / target.clamp(min=1)
    after = (last - source) / (last - target).clamp(min=1)
    n = torch.arange(frames, dtype=torch.float64, device=tau.device)
    # Each frame by its own line: through the first frame, or through the last. The
    # first stays where another moves to its place, too.
    position = (n - last).mul_(after).add_(last)
    torch.where(n < target.clamp(min=1), n * before, position, out=position)
    return torch.where(n < tau, position, n, out=position)


def _resample(x: Tensor, position: Tensor) -> Tensor:
    """Read x (B, T, F) at positions (B, T) between its frames; these are overwritten.

    A frame is a bag of two weighted input frames, so that embedding_bag gathers and
    interpolates in one pass over x. At a whole number it is the input's own.
    """
    batch, frames, channels = x.shape
    # Both halves are written where they are read from, without a stack of copies.
    rows = x.new_empty((batch, frames, 2), dtype=torch.int32)
    rows[..., 0] = position
    weights = x.new_empty((batch, frames, 2))
    weights[..., 1] = position.frac()
    torch.sub(1, weights[..., 1], out=weights[..., 0])
    rows[..., 1] = position.ceil_()
    first_row = frames * torch.arange(batch, device=x.device, dtype=rows.dtype)
    rows += first_row[:, None, None]
    return torch.nn.functional.embedding_bag(
        rows.view(-1, 2),
        x.reshape(batch * frames, channels),
        per_sample_weights=weights.view(-1, 2),
        mode="sum",
    ).view(x.shape)


def warp_time(
    x: Tensor,
    lengths: Tensor | None,
    max_warp: int,
    generator: Generator | None = None,
) -> Tensor:
    """Warps each utterance in time (item 1 of Section 2 of the paper).

    A frame c, uniform on [W, tau - W), moves by w frames, uniform on {-W, ..., W}; the
    first and the last frame stay where they are, whatever moves to their places, and
    the frames between are linearly interpolated. The piecewise linear map through
    these three points stands in for the paper's sparse_image_warp of TensorFlow, whose
    anchors are the ends, too; ESPnet's time_warp moves no frame onto an end.

    Args:
        x: Features (B, T, F), finite.
        lengths: Valid frames tau of each utterance (B,), or None if all T are.
        max_warp: W, in frames; utterances with tau <= 2 W stay as they are.
        generator: Source of the random numbers, on the CPU.

    Returns:
        A new tensor (B, T, F); frames from an utterance's length on are x's own.

    Raises:
        ValueError: If x is not (B, T, F) floating-point, lengths do not fit to it, or
            max_warp is negative.
    """
    tau = _valid_frames(x, lengths)
    position = _warped_positions(tau, x.shape[1], max_warp, generator)
    return _resample(x, position)


def draw_bands(
    extent: Tensor,
    max_width: Tensor | int,
    num_masks: int,
    generator: Generator | None = None,
) -> Tensor:
    """Draws bands along one axis (items 2 and 3 of Section 2 of the paper).

    A band's width is uniform on {0, ..., max_width}, and its start is uniform on
    [0, extent - width), half-open as in the paper: only a band as wide as the extent
    covers the extent's last position. The bands of an utterance may overlap.

    Args:
        extent: Positions that bands may cover (B,): tau frames, or nu channels.
        max_width: Widest band, one number or (B,); at most the extent is used.
        num_masks: Bands per utterance.
        generator: Source of the random numbers, on the CPU.

    Returns:
        Where bands begin and where they are over (B, num_masks, 2), float64.
    """
    extent = extent.to(torch.float64)
    u = _uniform(2, len(extent), num_masks, like=extent, generator=generator)
    widest = extent.clamp(max=max_width)[:, None]
    width = (u[0] * (widest + 1)).floor()
    start = (u[1] * (extent[:, None] - width)).floor()
    return torch.stack((start, start + width), dim=-1)


def _covered(bands: Tensor, size: int) -> Tensor:
    """Tell which of so many positions the bands (B, n, 2) cover: (B, size), bool."""
    position = torch.arange(size, dtype=torch.float64, device=bands.device)
    started, ended = (bands[..., None] <= position).unbind(dim=2)
    return (started & ~ended).any(dim=1)


def _fill_slices(
    x: Tensor, tau: Tensor, freq: Tensor, time: Tensor, values: Tensor
) -> None:
    """Fill bands of x (B, T, F), on the CPU: nothing is touched but what is masked.

    Args:
        x: Changed in place.
        tau: Valid frames (B,).
        freq: Bands of channels of the valid frames (B, n, 2).
        time: Bands of frames (B, n, 2).
        values: What they hold (B,).
    """
    # NumPy takes a slice in a third of the time, and knows no bfloat16 but its bits.
    bits = _BITS[x.element_size()]
    lists = (t.tolist() for t in (tau.int(), freq.int(), time.int(), values.view(bits)))
    for utterance, frames, channel_bands, frame_bands, value in zip(
        x.view(bits).numpy(), *lists, strict=True
    ):
        for start, end in frame_bands:
            utterance[start:end] = value
        for start, end in channel_bands:
            utterance[:frames, start:end] = value


def _filled(
    x: Tensor, tau: Tensor, freq: Tensor, time: Tensor, values: Tensor
) -> Tensor:
    """Return what ``_fill_slices`` makes; gradients flow, and no GPU is waited for."""
    _, frames, channels = x.shape
    valid = torch.arange(frames, device=x.device) < tau[:, None]
    masked = _covered(freq, channels)[:, None] & valid[..., None]
    masked |= _covered(time, frames)[..., None]
    return torch.where(masked, values[:, None, None], x)


def utterance_mean(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Averages each utterance over its valid frames and all channels.

    Args:
        x: Features (B, T, F).
        lengths: Valid frames of each utterance (B,), or None if all T are.

    Returns:
        Means (B,) in the type of x, summed in float32 at least; 0 without frames.
    """
    tau = _valid_frames(x, lengths)
    valid = torch.arange(x.shape[1], device=x.device) < tau[:, None]
    dtype = torch.promote_types(x.dtype, torch.float32)
    frame_means = x.mean(dim=2, dtype=dtype).masked_fill(~valid, 0.0)
    return (frame_means.sum(dim=1) / tau.clamp(min=1)).to(x.dtype)


def spec_augment(
    x: Tensor,
    lengths: Tensor | None = None,
    *,
    time_warp: int = 0,
    freq_mask_width: int = 0,
    num_freq_masks: int = 0,
    time_mask_width: int = 0,
    time_mask_ratio: float = 1.0,
    num_time_masks: int = 0,
    fill: str = "zero",
    generator: Generator | None = None,
) -> Tensor:
    """Warps each utterance in time, then masks channels and frames of its own.

    The policies of the paper's Table 1 fit in: ``**POLICIES["LB"]._asdict()``.
    Gradients flow to what is not masked. Padding comes back as it was.

    Args:
        x: Features (B, T, F), finite; they stay as they are.
        lengths: Valid frames tau of each utterance (B,), or None if all T are.
        time_warp: W, the farthest that a point in time moves, in frames; 0 for none.
        freq_mask_width: F, the widest frequency mask, in channels.
        num_freq_masks: Frequency masks per utterance.
        time_mask_width: T, the widest time mask, in frames.
        time_mask_ratio: p; no time mask is wider than floor(p tau) frames.
        num_time_masks: Time masks per utterance.
        fill: What masks hold: "zero", the mean of normalised features, or "mean", the
            utterance's own before warping, over its valid frames and all channels.
        generator: Source of the random numbers, on the CPU; torch's default if None.

    Returns:
        A new tensor (B, T, F).

    Raises:
        ValueError: If x is not (B, T, F) floating-point, lengths do not fit to it, or
            fill is neither "zero" nor "mean".
    """
    if fill not in FILLS:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
    tau = _valid_frames(x, lengths)
    _, frames, channels = x.shape
    position = _warped_positions(tau, frames, time_warp, generator)
    nu = torch.full_like(tau, channels)
    freq = draw_bands(nu, freq_mask_width, num_freq_masks, generator)
    widest = (time_mask_ratio * tau).floor().clamp(max=time_mask_width)
    time = draw_bands(tau, widest, num_time_masks, generator)
    values = utterance_mean(x, tau) if fill == "mean" else x.new_zeros(len(x))
    out = _resample(x, position)
    if x.is_cuda or x.requires_grad:
        return _filled(out, tau, freq, time, values)
    _fill_slices(out, tau, freq, time, values)
    return out


class SpecAugment(AbsSpecAug):
    """SpecAugment as ESPnet's tasks use it: ``specaug: specaugment``.

    The policy gives the parameters, which can be replaced one by one, and the scales
    come last. ESPnet's models call it in training alone; it applies whenever called.
    See :func:`spec_augment` for what the parameters mean.

    Args:
        policy: Name in :data:`POLICIES`: none, LB, LD, SM or SS.
        time_warp: W in frames.
        freq_mask_width: F in channels.
        num_freq_masks: Frequency masks per utterance.
        time_mask_width: T in frames.
        time_mask_ratio: p, within 0 and 1.
        num_time_masks: Time masks per utterance.
        fill: "zero" for normalised features, or "mean".
        time_scale: Factor of W and T, 1.0 for a frame shift of 10 ms, 0.5 for 20 ms.
        freq_scale: Factor of F, 1.0 for 80 channels, 1.6 for 128.

    Raises:
        ValueError: If a name is unknown or a number is out of its range.
    """

    @typechecked
    def __init__(
        self,
        policy: str = "LB",
        time_warp: int | None = None,
        freq_mask_width: int | None = None,
        num_freq_masks: int | None = None,
        time_mask_width: int | None = None,
        time_mask_ratio: float | None = None,
        num_time_masks: int | None = None,
        fill: str = "zero",
        time_scale: float = 1.0,
        freq_scale: float = 1.0,
    ):
        super().__init__()
        if policy not in POLICIES:
            names = ", ".join(POLICIES)
            raise ValueError(f"policy must be one of {names}, got {policy!r}")
        given = {
            "time_warp": time_warp,
            "freq_mask_width": freq_mask_width,
            "num_freq_masks": num_freq_masks,
            "time_mask_width": time_mask_width,
            "time_mask_ratio": time_mask_ratio,
            "num_time_masks": num_time_masks,
        }
        overrides = {key: value for key, value in given.items() if value is not None}
        for name, value in overrides.items():
            if value < 0:
                raise ValueError(f"{name} must be 0 or more, got {value}")
        if time_mask_ratio is not None and not time_mask_ratio <= 1:
            raise ValueError(
                f"time_mask_ratio must lie within 0 and 1, got {time_mask_ratio}"
            )
        if fill not in FILLS:
            raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
        for name, scale in (("time_scale", time_scale), ("freq_scale", freq_scale)):
            if not 0 < scale < float("inf"):
                raise ValueError(f"{name} must be above 0, got {scale}")
        chosen = Policy(**POLICIES[policy]._asdict() | overrides)
        self.policy = chosen.scaled(time_scale, freq_scale)
        self.fill = fill

    def forward(
        self,
        x: Tensor,
        x_lengths: Tensor | None = None,
        generator: Generator | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Augments a batch; see :func:`spec_augment`.

        Args:
            x: Features (B, T, F).
            x_lengths: Valid frames of each utterance (B,), or None if all T are.
            generator: Source of the random numbers, on the CPU; torch's default if
                None.

        Returns:
            New features (B, T, F), and x_lengths as given.
        """
        policy = self.policy._asdict()
        x = spec_augment(x, x_lengths, **policy, fill=self.fill, generator=generator)
        return x, x_lengths

    def extra_repr(self) -> str:
        """Lists the parameters in force, overrides and scales included."""
        parameters = {**self.policy._asdict(), "fill": self.fill}
        return ", ".join(f"{name}={value!r}" for name, value in parameters.items())
