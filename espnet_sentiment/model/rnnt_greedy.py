"""Greedy decoding of a transducer, a batch at a time."""

import torch
from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
from espnet2.asr_transducer.joint_network import JointNetwork

MAX_SYMBOLS = 5  # labels at one frame of 80 ms: 62 characters a second


@torch.no_grad()
def greedy_search(
    decoder: TransducerDecoder,
    joint_network: JointNetwork,
    encoder_out: torch.Tensor,
    lengths: torch.Tensor,
    max_symbols: int = MAX_SYMBOLS,
) -> list[list[int]]:
    """Take the likeliest symbol until it is the blank, then go to the next frame.

    ESPnet's own greedy search gives at most one label a frame. That is too few for
    graphemes at one frame per 80 ms: a second of English has more than 12.5 of them.

    Args:
        decoder: Prediction network, in evaluation mode.
        joint_network: Joint network.
        encoder_out: Encoder's output (B, T, D).
        lengths: Its lengths (B,).
        max_symbols: Most labels at one frame, so that decoding ends.

    Returns:
        Label indices of every utterance, without blanks.
    """
    decoder.set_device(encoder_out.device)
    hyps: list[list[int]] = [[] for _ in encoder_out]
    label = lengths.new_full((len(hyps), 1), decoder.blank_id, dtype=torch.long)
    output, state = decoder.rnn_forward(
        decoder.embed(label), decoder.init_state(len(hyps))
    )
    for t in range(int(lengths.max())):
        emits = t < lengths
        for _ in range(max_symbols):
            best = joint_network(encoder_out[:, t], output[:, 0]).argmax(dim=-1)
            emits = emits & (best != decoder.blank_id)
            if not emits.any():
                break
            for index in emits.nonzero().squeeze(1).tolist():
                hyps[index].append(int(best[index]))
            new_output, new_state = decoder.rnn_forward(
                decoder.embed(best[:, None]), state
            )
            output = torch.where(emits[:, None, None], new_output, output)
            state = tuple(
                None if old is None else torch.where(emits[None, :, None], new, old)
                for new, old in zip(new_state, state, strict=True)
            )
    return hyps
