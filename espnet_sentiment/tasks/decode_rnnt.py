"""Recognise utterances from stored fbank."""

from collections.abc import Iterator, Mapping, Sequence

import kaldiio
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from espnet_sentiment.data.files import DataError
from espnet_sentiment.model.rnnt_model import RNNTModel


def length_batches(
    num_frames: Mapping[str, int], batch_frames: int
) -> Iterator[list[str]]:
    """Give batches of utterances of like length, the longest first.

    Args:
        num_frames: Frames of every utterance.
        batch_frames: Most frames of a batch, padding included; an utterance that has
            more is a batch of its own.
    """
    batch: list[str] = []
    for utt in sorted(num_frames, key=lambda u: (-num_frames[u], u)):
        if batch and (len(batch) + 1) * num_frames[batch[0]] > batch_frames:
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch


@torch.no_grad()
def decode_rnnt(
    model: RNNTModel,
    feats_scp: Mapping[str, str],
    batches: Sequence[Sequence[str]],
    beam_size: int = 1,
    device: str = "cpu",
) -> dict[str, str]:
    """Recognise batches of utterances.

    Args:
        model: The model in evaluation mode, on ``device``.
        feats_scp: Where the fbank of every utterance lies.
        batches: Utterance ids of every batch.
        beam_size: 1 decodes greedily.
        device: Where the model is.

    Returns:
        The text of every utterance, single spaces between its words.

    Raises:
        DataError: An utterance is too short for the encoder.
    """
    texts: dict[str, str] = {}
    with tqdm(total=sum(map(len, batches)), desc="decode", unit="utt") as bar:
        for utts in batches:
            feats = [
                torch.from_numpy(kaldiio.load_mat(feats_scp[utt]).copy())
                for utt in utts
            ]
            lengths = torch.tensor([len(x) for x in feats], device=device)
            speech = pad_sequence(feats, batch_first=True).to(device)
            try:
                hyps = model.decode(speech, lengths, beam_size)
            except TooShortUttError as error:
                shortest = utts[int(lengths.argmin())]
                raise DataError(
                    f"utterance {shortest} ({feats_scp[shortest]}) is too short: "
                    f"{error}"
                ) from None
            for utt, hyp in zip(utts, hyps, strict=True):
                texts[utt] = " ".join(model.to_text(hyp).split())
            bar.update(len(utts))
    return texts
