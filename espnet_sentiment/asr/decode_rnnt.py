"""Recognise utterances from stored fbank."""

from collections.abc import Mapping, Sequence

import kaldiio
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.model.rnnt_model import RNNTModel


def decode_rnnt(
    model: RNNTModel,
    feats_scp: Mapping[str, str],
    batches: Sequence[Sequence[str]],
    beam_size: int = 1,
    device: str = "cpu",
) -> dict[str, str]:
    """Recognise batches of utterances, see ``decode_batch``."""
    texts: dict[str, str] = {}
    with tqdm(total=sum(map(len, batches)), desc="decode", unit="utt") as bar:
        for utts in batches:
            texts.update(decode_batch(model, feats_scp, utts, beam_size, device))
            bar.update(len(utts))
    return texts


@torch.no_grad()
def decode_batch(
    model: RNNTModel,
    feats_scp: Mapping[str, str],
    utts: Sequence[str],
    beam_size: int = 1,
    device: str = "cpu",
) -> dict[str, str]:
    """Recognise utterances together.

    Args:
        model: The model in evaluation mode, on ``device``.
        feats_scp: Where the fbank of every utterance lies.
        utts: Utterance ids.
        beam_size: 1 decodes greedily.
        device: Where the model is.

    Returns:
        The text of every utterance, single spaces between its words.

    Raises:
        DataError: An utterance is too short for the encoder.
    """
    feats = [torch.from_numpy(kaldiio.load_mat(feats_scp[utt]).copy()) for utt in utts]
    lengths = torch.tensor([len(x) for x in feats], device=device)
    speech = pad_sequence(feats, batch_first=True).to(device)
    try:
        hyps = model.decode(speech, lengths, beam_size)
    except TooShortUttError as error:
        shortest = utts[int(lengths.argmin())]
        raise DataError(
            f"utterance {shortest} ({feats_scp[shortest]}) is too short: {error}"
        ) from None
    return {
        utt: " ".join(model.to_text(hyp).split())
        for utt, hyp in zip(utts, hyps, strict=True)
    }
