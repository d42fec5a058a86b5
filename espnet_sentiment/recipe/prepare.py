"""Stage 0 of a recipe whose corpus is quickly read: what its prepare.py ends with."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, sha256_of
from espnet_sentiment.data.folds import Fold, leave_one_speaker_out, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir
from espnet_sentiment.recipe.stage import DONE, Stage, stat_hash


def prepare(
    data_dir: PathLike,
    utterances: Iterable[Utterance],
    folds: Sequence[Fold] | None = None,
) -> None:
    """Write the Kaldi data directory and the folds of a corpus, unless up to date.

    Args:
        data_dir: Folder to write.
        utterances: The corpus.
        folds: Its folds; None leaves one speaker out.

    Raises:
        DataError: There is no utterance, there are fewer than three speakers to leave
            out, or as :func:`write_kaldi_dir`.
    """
    data_dir, utterances = Path(data_dir), list(utterances)
    if not utterances:
        raise DataError(f"{data_dir}: no utterance was found: check the corpus path")
    if folds is None:
        folds = leave_one_speaker_out({u.utt: u.speaker for u in utterances})
    stage = Stage(
        "stage 0: data preparation",
        data_dir / DONE,
        {
            "utterances": sha256_of([dataclasses.asdict(u) for u in utterances]),
            "recordings": stat_hash(sorted({u.wav for u in utterances})),
            "folds": sha256_of([dataclasses.asdict(fold) for fold in folds]),
        },
    )
    if stage.is_done():
        return
    stage.start(data_dir)
    write_kaldi_dir(data_dir, utterances)
    write_folds(data_dir, folds)
    utt2label = {u.utt: u.label for u in utterances if u.label is not None}
    labels = Counter(utt2label.values())
    _check_classes(utt2label, folds)
    counts = ", ".join(f"{label} {labels[label]}" for label in sorted(labels))
    stage.finish(
        f"{len(utterances)} utterances ({counts}), {len(folds)} "
        f"fold{'s' if len(folds) > 1 else ''} in {data_dir}",
        [
            data_dir / name
            for name in ("wav.scp", "utt2spk", "utt2label", "classes", "folds")
        ],
    )


def _check_classes(utt2label: Mapping[str, str], folds: Sequence[Fold]) -> None:
    """Say loudly of which classes folds have no example to learn from."""

    def classes(utts: Iterable[str]) -> set[str]:
        return {utt2label[utt] for utt in utts if utt in utt2label}

    unknown = []
    for fold in folds:
        learned = classes(fold.train)
        for verb, utts in (("tests", fold.test), ("validates", fold.valid)):
            if new := classes(utts) - learned:
                names = " and ".join(sorted(new))
                unknown.append(f"fold {fold.name} {verb} {names}")
    if not unknown:
        return
    more = [f"... and {len(unknown) - 5} more"] if len(unknown) > 5 else []
    say(
        f"WARNING: {', '.join([*unknown[:5], *more])}, which no training utterance has "
        "there, so that no model can learn it: add some, or choose other folds"
    )


def say(message: str) -> None:
    """Print a line of progress of stage 0."""
    Stage("stage 0: data preparation", DONE, {}).say(message)
