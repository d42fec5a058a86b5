"""Word times by an RNN Transducer: the best path through its own lattice.

The lattice of Graves, 2012, Section 2.4 (https://arxiv.org/abs/1211.3711) has a node
for every frame t and number of labels u written so far; a blank leads to frame t + 1,
a label to u + 1. The path of the highest probability tells when each label was written.
"""

from collections.abc import Callable, Sequence

import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from typeguard import typechecked

from espnet_sentiment.asr.align_ctc import label_times
from espnet_sentiment.asr.pauses import place_words
from espnet_sentiment.asr.spelling import spell
from espnet_sentiment.asr.words import Alignment, NotAlignedError
from espnet_sentiment.data.fbank_options import FRAME_LENGTH, FRAME_SHIFT
from espnet_sentiment.model.rnnt_greedy import MAX_SYMBOLS
from espnet_sentiment.model.rnnt_model import RNNTModel

MAX_LOGITS = 2**24  # of the joint network at once


def best_path(blank: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Find the best path through a transducer's lattice (Viterbi).

    Within a frame, the best way to u labels is the best way to some u' <= u labels and
    the labels between them. With E the sum of the frame's label scores up to u, that
    is the maximum over u' of (score of u' - E of u') plus E of u: a running maximum,
    so only the frames are a loop.

    Args:
        blank: Log probabilities of the blank (T, U + 1) after 0 to U labels.
        label: Log probabilities of the next label (T, U).

    Returns:
        The frame (U,) at which each label is written; they do not decrease.
    """
    rise = torch.nn.functional.pad(label.double().cumsum(dim=1), (1, 0))
    score, entered = rise[0], []
    for t in range(1, len(blank)):
        score = score + blank[t - 1]
        best, index = (score - rise[t]).cummax(dim=0)
        score = best + rise[t]
        entered.append(index)
    # Labels from where the path enters a frame to where it leaves it are the frame's.
    frames = torch.zeros(label.size(1), dtype=torch.long)
    at = label.size(1)
    for t in range(len(blank) - 1, 0, -1):
        first = int(entered[t - 1][at])
        frames[first:at] = t
        at = first
    return frames


@torch.no_grad()
def label_frames(
    model: RNNTModel, encoder_out: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Find the frame (U,) at which a transducer writes each label.

    Args:
        model: In evaluation mode.
        encoder_out: Encoder's output (T, D).
        labels: Label indices (U,), at least one.

    Raises:
        NotAlignedError: More labels than decoding would write at so few frames.
    """
    if len(labels) > MAX_SYMBOLS * len(encoder_out):
        raise NotAlignedError(
            f"{len(encoder_out)} frames are too few for {len(labels)} labels"
        )
    model.decoder.set_device(encoder_out.device)
    decoder_out = model.decoder(torch.nn.functional.pad(labels, (1, 0))[None])
    size = (len(labels) + 1) * len(model.token_list)
    blanks, scores = [], []
    for part in encoder_out.split(max(1, MAX_LOGITS // size)):
        log_probs = model.joint_network(part[:, None], decoder_out).log_softmax(dim=-1)
        blanks.append(log_probs[..., model.blank_id])
        index = labels.expand(len(part), -1)[..., None]
        scores.append(log_probs[:, :-1].gather(2, index).squeeze(2))
    return best_path(torch.cat(blanks).cpu(), torch.cat(scores).cpu())


class RNNTAligner:
    """Aligns words by an RNN-T on fbank, or by the auxiliary CTC on its encoder.

    A transducer writes a label when it is sure of it, at one frame of 80 ms, before or
    after the sound's middle; see ``words_around`` for what is made of that. No delay is
    taken off: the encoder is bidirectional, and on the test speakers of ``egs/mini``
    the boundaries of its small RNN-T are 50 ms wrong on average, and 8 ms late.

    Args:
        model: In evaluation mode.
        text2tokens: Splits a word into tokens.
        frame_shift: Seconds a frame of its encoder.
        by_ctc: Use the auxiliary CTC.
    """

    sample_rate = 16000

    @typechecked
    def __init__(
        self,
        model: RNNTModel,
        text2tokens: Callable[[str], Sequence[str]],
        frame_shift: float,
        by_ctc: bool = False,
    ):
        self.model, self.frame_shift, self.by_ctc = model, frame_shift, by_ctc
        self.text2tokens = text2tokens
        self.index = {token: i for i, token in enumerate(model.token_list)}
        self.space = model.sym_space if model.sym_space in self.index else None

    @torch.no_grad()
    def __call__(self, speech: torch.Tensor, text: str) -> Alignment:
        """Align an utterance.

        Args:
            speech: Fbank (T, 80), 10 ms a frame.
            text: Transcript.

        Raises:
            NotAlignedError: It has no word that the model can spell, or too few frames.
        """
        spelling = spell(text, self.text2tokens, self.index, self.space)
        times = self._times(speech, torch.tensor(spelling.labels))
        duration = (len(speech) - 1) * FRAME_SHIFT + FRAME_LENGTH
        words = place_words(spelling.words, spelling.of_words(times), speech, duration)
        return Alignment(words, spelling.left_out)

    def _times(self, fbank: torch.Tensor, labels: torch.Tensor) -> list[float]:
        """Return when every label is written, in seconds."""
        device = next(self.model.parameters()).device
        # ESPnet normalises in place.
        feats = fbank.clone()[None].to(device)
        try:
            encoder_out, _ = self.model.encode(
                feats, torch.tensor([len(fbank)], device=device)
            )
        except TooShortUttError as error:
            raise NotAlignedError(f"too short: {error}") from None
        if self.by_ctc:
            log_probs = self.model.ctc.log_softmax(encoder_out)[0].cpu()
            return label_times(log_probs, labels, self.frame_shift)
        frames = label_frames(self.model, encoder_out[0], labels.to(device))
        return ((frames + 0.5) * self.frame_shift).tolist()
