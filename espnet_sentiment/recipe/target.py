"""What a sentiment config lets folds learn, labels or votes, and what that takes."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.data.folds import PARTS, Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.votes import REFUSE, VoteShares, check_votes


def vote_shares(config: Mapping[str, Any], classes: Sequence[str]) -> VoteShares:
    """Return what reads votes as a sentiment config says."""
    return VoteShares(classes, config.get("other_votes", REFUSE))


def learns_votes(config: Mapping[str, Any]) -> bool:
    """Tell whether votes are the target."""
    return config.get("target") == "votes"


def scores_votes(config: Mapping[str, Any], data: KaldiDir) -> bool:
    """Tell whether predictions are compared with votes, too.

    So they are where votes are the target, and where ``target: label`` is written out
    and there are votes: for a row beside it.
    """
    target = config.get("target")
    return target == "votes" or (target == "label" and bool(data.utt2votes))


def training_fold(fold: Fold, config: Mapping[str, Any]) -> Fold:
    """Return what is learned: with votes, from utterances without a majority, too."""
    if not (fold.no_majority and learns_votes(config)):
        return fold
    train = sorted([*fold.train, *fold.no_majority])
    return dataclasses.replace(fold, train=train, no_majority=[])


def check_target(path: Path, data: KaldiDir, folds: Sequence[Fold]) -> list[str]:
    """Check what a sentiment config learns from; say what of it is left out.

    Args:
        path: The config.
        data: The set.
        folds: Its folds.

    Returns:
        What is to be said, a line each.

    Raises:
        DataError: Votes are to be learned or scored by, and utterances have none that
            can be used.
    """
    config = read_config(path)
    said, extra = [], {utt for fold in folds for utt in fold.no_majority}
    if extra and not learns_votes(config):
        said.append(
            f"{path}: {len(extra)} utterances without a majority are left out, since "
            "labels are the target"
        )
    elif extra:
        said.append(
            f"{path}: {len(extra)} utterances without a majority train as well; they "
            "are not scored"
        )
    if not scores_votes(config, data):
        return said
    parts = PARTS if learns_votes(config) else ("test",)
    lists = [getattr(fold, part) for fold in folds for part in parts]
    if learns_votes(config):
        lists += [fold.no_majority for fold in folds]
    used = sorted(set().union(*lists))
    shares = vote_shares(config, data.classes)
    check_votes(data, used, shares)
    if others := shares.left_out(data.utt2votes[utt] for utt in used):
        named = ", ".join(f"{name} {count:g}" for name, count in others.items())
        said.append(f"{path}: votes for what is no class are left out: {named}")
    return said
