"""Normalisation by speaker, as stages 4 and 5 see it: an input, and a danger."""

from collections.abc import Mapping, Sequence
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, sha256_of
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.speaker_classes import REFUSE, speaker_classes

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


def check_speakers(
    options: Mapping[str, Any], name: PathLike, data: KaldiDir, folds: Sequence[Fold]
) -> None:
    """Refuse to normalise by speaker where that takes the classes away, too.

    Args:
        options: SentimentTask options, complete.
        name: The sentiment config, for the message.
        data: Labels and speakers.
        folds: Those that are to be trained; their training utterances alone are
            looked at.

    Raises:
        DataError: A speaker's other utterances tell the class of one.
    """
    conf = options.get("normalize_conf") or {}
    if options.get("normalize") != BY_SPEAKER or conf.get("allow"):
        return
    found = (speaker_classes(f.train, data.utt2spk, data.utt2label) for f in folds)
    worst = max(found, key=lambda one: one.told)
    if worst.told >= REFUSE:
        raise DataError(
            f"{name} normalises by speaker, but in {data.path} a speaker's other "
            f"utterances tell the class of {worst.accuracy:.0%} of the training "
            f"utterances, by chance {worst.chance:.0%}: classes would be taken away "
            "with the speakers. Take --sentiment_args '--normalize global_mvn', or, to "
            "do it all the same, --sentiment_args '--normalize_conf allow=true'"
        )
