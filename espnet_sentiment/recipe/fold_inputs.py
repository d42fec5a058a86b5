"""What a fold's training and decoding read of a set, for their stamps."""

from collections.abc import Mapping, Sequence
from typing import Any

from espnet_sentiment.core.errors import refuse
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.data.folds import PARTS, Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.recipe.target import learns_votes, training_fold


def tested_set(data: KaldiDir, folds: Sequence[Fold]) -> str:
    """Hash which utterances of which labels all folds test: what makes rows comparable.

    Args:
        data: The set.
        folds: All of its folds.
    """
    return sha256_of({f.name: decoding_inputs(data, f, None)["test"] for f in folds})


def training_inputs(
    data: KaldiDir,
    fold: Fold,
    texts: Mapping[str, str] | None,
    config: Mapping[str, Any],
) -> dict[str, str]:
    """Hash what a fold trains and validates on: utterances in order, labels, texts.

    Args:
        data: The set.
        fold: A fold of it.
        texts: Transcripts, for a model with a text branch.
        config: The sentiment config, which may take votes as the target.

    Raises:
        DataError: Utterances of the fold have no label.
    """
    faults = [
        f"utterance {utt} of fold {fold.name} ({part}) has no label"
        for part in PARTS
        for utt in getattr(fold, part)
        if utt not in data.utt2label
    ]
    if faults:
        table = data.path / "utt2label"
        refuse(f"{table} lacks labels: add them, or rerun stage 0", faults)
    fold = training_fold(fold, config)
    inputs = {}
    for part in ("train", "valid"):
        utts = getattr(fold, part)
        inputs[part] = sha256_of([(utt, data.utt2label.get(utt)) for utt in utts])
    if learns_votes(config):
        utts = fold.train + fold.valid
        inputs["votes"] = sha256_of({u: data.utt2votes.get(u) for u in utts})
    if texts is not None:
        inputs["text"] = sha256_of({u: texts[u] for u in fold.train + fold.valid})
    return inputs


def decoding_inputs(
    data: KaldiDir, fold: Fold, texts: Mapping[str, str] | None
) -> dict[str, str]:
    """Hash what a fold is tested on: utterances, labels, texts.

    Args:
        data: The set.
        fold: A fold of it.
        texts: Transcripts, for a model with a text branch.
    """
    inputs = {"test": sha256_of({u: data.utt2label.get(u) for u in fold.test})}
    if texts is not None:
        inputs["text"] = sha256_of({u: texts[u] for u in fold.test})
    return inputs
