"""Normalisation by speaker, as the stages see it: an input, and a danger."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, sha256_of
from espnet_sentiment.core.stamp import Stamp
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.speaker_classes import (
    REFUSE,
    WARN,
    SpeakerClasses,
    speaker_classes,
)
from espnet_sentiment.data.speaker_statistics import SPEAKER_NORMALISED, spoken_by
from espnet_sentiment.recipe.stage import say

BY_SPEAKER = "speaker_mvn"
KEY = "speakers"


def speaker_inputs(
    config: Mapping[str, Any], extra: Sequence[str], data: KaldiDir
) -> dict[str, str]:
    """Hash who speaks, where a model is normalised by that; else nothing.

    Args:
        config: A sentiment config.
        extra: Options that override it.
        data: The set.
    """
    named = [config.get("normalize"), *(text.rpartition("=")[2] for text in extra)]
    return {KEY: sha256_of(data.utt2spk)} if BY_SPEAKER in named else {}


def expected_speakers(training: Stamp, data: KaldiDir) -> dict[str, str]:
    """Hash who speaks now, where a training went by that; else nothing."""
    return {KEY: sha256_of(data.utt2spk)} if KEY in training.inputs else {}


def normalisation_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Say in ``results.json`` that a training goes by speakers; nothing of others."""
    is_by = config.get("normalize") == BY_SPEAKER
    return {"normalisation": SPEAKER_NORMALISED} if is_by else {}


def worst_fold(
    folds: Iterable[Fold], utt2spk: Mapping[str, str], utt2label: Mapping[str, str]
) -> SpeakerClasses | None:
    """Return how well training speakers tell classes, of the fold where most.

    Args:
        folds: Their training utterances alone are looked at.
        utt2spk: Speakers.
        utt2label: Labels; an utterance without one counts nothing.
    """
    trained = ([utt for utt in fold.train if utt in utt2label] for fold in folds)
    found = [speaker_classes(utts, utt2spk, utt2label) for utts in trained if utts]
    return max(found, key=lambda one: one.told, default=None)


def speaker_warning(
    folds: Iterable[Fold], utt2spk: Mapping[str, str], utt2label: Mapping[str, str]
) -> str | None:
    """Say, for stage 0, that speakers tell classes, where they do."""
    worst = worst_fold(folds, utt2spk, utt2label)
    if worst is None or worst.told < WARN:
        return None
    then = "is refused by stage 4" if worst.told >= REFUSE else "may harm here"
    return (
        f"WARNING: {_figure(worst)}: normalisation by speaker (normalize: "
        f"{BY_SPEAKER}), which would take classes away with the speakers, {then}"
    )


def check_speakers(
    options: Mapping[str, Any], name: PathLike, data: KaldiDir, folds: Sequence[Fold]
) -> None:
    """Refuse to normalise by speaker where that takes the classes away, too.

    Say how many utterances are of nobody who is known.

    Args:
        options: SentimentTask options, complete.
        name: The sentiment config, for the message.
        data: Labels and speakers.
        folds: Those that are to be trained.

    Raises:
        DataError: A speaker's other utterances tell the class of one.
    """
    if options.get("normalize") != BY_SPEAKER:
        return
    known = sum(map(len, spoken_by(data.utt2spk).values()))
    if unknown := len(data.utt2spk) - known:
        say(
            "stage 4",
            f"{unknown} of {len(data.utt2spk)} utterances have no speaker in "
            f"{data.path / 'utt2spk'} (their own ids stand there): they are normalised "
            "by the training speakers' statistics",
        )
    worst = worst_fold(folds, data.utt2spk, data.utt2label)
    conf = options.get("normalize_conf") or {}
    allowed = conf.get("allow")
    if worst is not None and worst.told >= REFUSE and not allowed:
        raise DataError(
            f"{name} normalises by speaker, but in {data.path} {_figure(worst)}: "
            "classes would be taken away with the speakers. Take --sentiment_args "
            f"'--normalize global_mvn'{' without normalize_conf' if conf else ''}, or, "
            "to do it all the same, --sentiment_args '--normalize_conf allow=true'"
        )


def _figure(found: SpeakerClasses) -> str:
    return (
        "a speaker's other utterances tell the class of "
        f"{found.accuracy:.0%} of the training utterances (the largest class: "
        f"{found.chance:.0%})"
    )
