"""A bi-LSTM layer that computes valid frames only, for training on the CPU.

PyTorch's LSTM by oneDNN computes the padding of a batch as well, and multiplies its
input once for each direction. Here the input of all valid frames meets the weights of
both directions in one matrix product; then one loop goes through both at once, of which
the batch becomes smaller where utterances end. The numbers are those of
``torch.nn.LSTM`` to rounding (``benchmarks/bilstm.py``).
"""

from typing import NamedTuple

import torch

# PyTorch keeps the gates as input, forget, cell, output. With the cell's last, the
# three that take a sigmoid lie side by side.
ORDER = [0, 1, 3, 2]


class Packing(NamedTuple):
    """Where the valid frames of a padded batch (B, T) are, frame by frame.

    Args:
        sizes: Utterances that have a frame t, for every t.
        rows: Index in the flat batch (B * T) of every valid frame (N,).
        back: For every place (N,), where the frame lies that the backward direction
            reads at this step.
    """

    sizes: list[int]
    rows: torch.Tensor
    back: torch.Tensor


def packing(lengths: torch.Tensor, width: int) -> Packing:
    """Order the frames of a batch by time, the longest utterance first.

    Args:
        lengths: Valid frames (B,), on the CPU.
        width: Frames T of the padded batch.
    """
    order = lengths.argsort(descending=True, stable=True)
    ordered = lengths[order]
    valid = torch.arange(int(lengths.max()))[:, None] < ordered
    sizes = valid.sum(dim=1)
    time, place = valid.nonzero(as_tuple=True)
    starts = sizes.cumsum(dim=0) - sizes
    back = starts[ordered[place] - 1 - time] + place
    return Packing(sizes.tolist(), order[place] * width + time, back)


def packed_bilstm(
    forward: torch.nn.Module,
    backward: torch.nn.Module,
    x: torch.Tensor,
    packed: Packing,
) -> torch.Tensor:
    """Run one layer in both directions.

    Args:
        forward: A ``torch.nn.LSTM`` of one layer, which reads from the front.
        backward: The other, which reads from the end.
        x: Valid frames (N, D) in the order of ``packed``.
        packed: Their places.

    Returns:
        Hidden states (N, 2H), forward first.
    """
    pair = (forward, backward)
    weight = torch.cat([_gates(lstm, "weight_ih_l0") for lstm in pair])
    bias = torch.cat(
        [_gates(lstm, "bias_ih_l0") + _gates(lstm, "bias_hh_l0") for lstm in pair]
    )
    there, back = torch.addmm(bias, x, weight.t()).chunk(2, dim=1)
    gates = torch.stack([there, back.index_select(0, packed.back)])
    recurrent = torch.stack([_gates(lstm, "weight_hh_l0").t() for lstm in pair])
    there, back = _Recurrence.apply(gates, recurrent, packed.sizes)
    return torch.cat([there, back.index_select(0, packed.back)], dim=1)


def _gates(lstm: torch.nn.Module, name: str) -> torch.Tensor:
    """Return a parameter (4H, ...) with the gates in ``ORDER``."""
    return lstm.get_parameter(name).unflatten(0, (4, -1))[ORDER].flatten(0, 1)


class _Recurrence(torch.autograd.Function):
    """Gates (2, N, 4H) without the recurrence, its weight (2, H, 4H): states (2, N, H).

    The equations are those of ``torch.nn.LSTM``, with tanh(x) = 2 sigmoid(2x) - 1: one
    sigmoid for all gates takes half the time.
    """

    @staticmethod
    def forward(ctx, gates, weight, sizes):
        _, _, width = gates.shape
        size = width // 4
        act, doubled = gates.clone(), weight.clone()
        act[..., 3 * size :] *= 2
        doubled[..., 3 * size :] *= 2
        states, cells, squashed = (
            gates.new_empty(*gates.shape[:2], size) for _ in range(3)
        )
        end, state, cell = 0, None, None
        for n in sizes:
            begin, end = end, end + n
            now = act[:, begin:end]
            if state is not None:
                torch.baddbmm(now, state[:, :n], doubled, out=now)
            now.sigmoid_()
            enter, forget, leave, new = now.split(size, dim=-1)
            new.mul_(2).sub_(1)
            last_cell, cell = cell, cells[:, begin:end]
            torch.mul(enter, new, out=cell)
            if last_cell is not None:
                cell.addcmul_(forget, last_cell[:, :n])
            tanh = torch.mul(cell, 2, out=squashed[:, begin:end])
            tanh.sigmoid_().mul_(2).sub_(1)
            state = torch.mul(leave, tanh, out=states[:, begin:end])
        ctx.sizes = sizes
        ctx.save_for_backward(act, states, cells, squashed, weight)
        return states

    @staticmethod
    def backward(ctx, grad):
        act, states, cells, squashed, weight = ctx.saved_tensors
        enter, forget, leave, new = act.split(states.size(2), dim=-1)
        # All that does not depend on later frames, at once.
        slope = leave * (1 - squashed * squashed)
        by_gate = torch.cat(
            [
                new * enter * (1 - enter),
                _before(cells, ctx.sizes) * forget * (1 - forget),
                squashed * leave * (1 - leave),
                enter * (1 - new * new),
            ],
            dim=-1,
        )
        transposed = weight.transpose(1, 2).contiguous()
        first = states[:, : ctx.sizes[0]]
        to_state, to_cell = torch.zeros_like(first), torch.zeros_like(first)
        end = states.size(1)
        for n in reversed(ctx.sizes):
            begin = end - n
            state, cell = to_state[:, :n], to_cell[:, :n]
            state += grad[:, begin:end]
            cell.addcmul_(state, slope[:, begin:end])
            gates = by_gate[:, begin:end]
            four = gates.unflatten(-1, (4, -1))
            four[:, :, :2].mul_(cell[:, :, None])
            four[:, :, 2].mul_(state)
            four[:, :, 3].mul_(cell)
            cell *= forget[:, begin:end]
            torch.bmm(gates, transposed, out=state)
            end = begin
        before = _before(states, ctx.sizes)
        return by_gate, torch.bmm(before.transpose(1, 2), by_gate), None


def _before(states: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Return every frame's predecessor in (2, N, H), zero at the first frames."""
    out = torch.zeros_like(states)
    last, begin = 0, sizes[0]
    for n in sizes[1:]:
        out[:, begin : begin + n] = states[:, last : last + n]
        last, begin = begin, begin + n
    return out
