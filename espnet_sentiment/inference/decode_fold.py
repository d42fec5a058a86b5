"""Decode the test utterances of a fold from stored features."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.ark import write_ark
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import write_text
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.model.checkpoint import (
    CHECKPOINT,
    load_decoder,
    text_to_tokens,
)


@torch.no_grad()
def decode_fold(
    folder: Path,
    store: FeatureStore,
    utts: Sequence[str],
    utt2label: Mapping[str, str],
    batch_size: int,
    device: str = "cpu",
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write ``decode/predictions.jsonl`` and ``decode/attention.{ark,scp}``.

    Args:
        folder: Folder of a trained fold.
        store: Clean features.
        utts: Utterances to decode.
        utt2label: True classes, to stand beside the predictions.
        batch_size: Utterances decoded together.
        device: ``cpu`` or ``cuda``.
        texts: Transcripts, for a model with a text branch.

    Raises:
        DataError: The checkpoint learned on another encoder than the store holds.
    """
    model, reference = load_decoder(folder / CHECKPOINT, device)
    if reference["sha256"] != store.meta["encoder"]["sha256"]:
        raise DataError(
            f"{folder / CHECKPOINT} learned on the encoder {reference}, but "
            f"{store.root} holds {store.meta['encoder']}: rerun stages 3 and 4"
        )
    tokens = text_to_tokens(folder / CHECKPOINT)
    lines: dict[str, str] = {}
    attention: dict[str, np.ndarray] = {}
    utts = sorted(utts, key=store.n_frames)
    for begin in range(0, len(utts), batch_size):
        batch = utts[begin : begin + batch_size]
        feats, lengths = _load(store, batch, device)
        has_attention = getattr(model.decoder, "has_attention", False)
        text = () if tokens is None else _pad([tokens(texts[u]) for u in batch], device)
        logits, weights = model.classify(feats, lengths, has_attention, *text)
        posteriors = logits.double().softmax(dim=-1).cpu().numpy()
        for i, utt in enumerate(batch):
            lines[utt] = _line(utt, utt2label.get(utt), model.token_list, posteriors[i])
            if weights is not None:
                attention[utt] = weights[i, :, : lengths[i]].cpu().numpy()
    out = folder / "decode"
    write_text(out / "predictions.jsonl", "".join(lines[utt] for utt in sorted(lines)))
    if attention:
        write_ark(out / "attention.ark", out / "attention.scp", attention)


def _load(store: FeatureStore, utts: Sequence[str], device: str):
    return _pad([store[utt].astype(np.float32) for utt in utts], device)


def _pad(arrays: Sequence[np.ndarray], device: str):
    """Return a padded batch and its lengths."""
    lengths = torch.tensor([len(array) for array in arrays], device=device)
    batch = pad_sequence([torch.from_numpy(a) for a in arrays], batch_first=True)
    return batch.to(device), lengths


def _line(utt: str, label, classes: Sequence[str], posteriors: np.ndarray) -> str:
    row = {
        "utt": utt,
        "label": label,
        "prediction": classes[int(posteriors.argmax())],
        "posteriors": {c: float(p) for c, p in zip(classes, posteriors, strict=True)},
    }
    return json.dumps(row, ensure_ascii=False) + "\n"
