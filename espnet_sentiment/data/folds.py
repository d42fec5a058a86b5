"""Cross-validation folds: lists of utterance ids below a data directory."""

import dataclasses
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_sentiment.data.files import DataError, PathLike, read_list, write_text

PARTS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Fold:
    """One split of a corpus.

    Args:
        name: Name of the fold, "1" for the first.
        train: Ids of the utterances to learn from.
        valid: Ids of the utterances that select epochs.
        test: Ids of the utterances that are scored.
    """

    name: str
    train: list[str]
    valid: list[str]
    test: list[str]


def leave_one_speaker_out(
    utt2spk: Mapping[str, str], valid_speaker: Mapping[str, str] = ()
) -> list[Fold]:
    """Test every speaker once (paper, Section 3.1: 10-fold on IEMOCAP).

    Args:
        utt2spk: Speaker of every utterance.
        valid_speaker: Validation speaker for a tested speaker; where it names
            none, the next speaker in sorted order (the first after the last).

    Raises:
        DataError: There are fewer than three speakers.
    """
    speakers: dict[str, list[str]] = defaultdict(list)
    for utt, speaker in sorted(utt2spk.items()):
        speakers[speaker].append(utt)
    names = sorted(speakers)
    if len(names) < 3:
        raise DataError(
            "leave-one-speaker-out needs at least 3 speakers (train, valid, test), "
            f"but there are {len(names)}: {', '.join(names)}"
        )
    folds = []
    for i, test in enumerate(names):
        valid = dict(valid_speaker).get(test, names[(i + 1) % len(names)])
        train = [u for s in names if s not in (test, valid) for u in speakers[s]]
        folds.append(Fold(str(i + 1), sorted(train), speakers[valid], speakers[test]))
    return folds


def write_folds(data_dir: PathLike, folds: Sequence[Fold]) -> None:
    """Write ``folds/<name>/{train,valid,test}`` below a data directory."""
    root = Path(data_dir) / "folds"
    shutil.rmtree(root, ignore_errors=True)
    for fold in folds:
        for part in PARTS:
            utts = getattr(fold, part)
            write_text(root / fold.name / part, "".join(f"{u}\n" for u in utts))


def read_folds(data_dir: PathLike) -> list[Fold]:
    """Read the folds of a data directory, numbered ones in numerical order.

    Raises:
        DataError: There is no fold, or a part of one is missing or empty, or an
            utterance stands in two parts of one fold.
    """
    root = Path(data_dir) / "folds"
    names = sorted((p.name for p in root.glob("*") if p.is_dir()), key=_numerical)
    if not names:
        raise DataError(f"{root} holds no folds: run stage 0 (data preparation)")
    folds = []
    for name in names:
        parts = {part: read_list(root / name / part) for part in PARTS}
        for part, utts in parts.items():
            if not utts:
                raise DataError(f"{root / name / part} is empty: rerun stage 0")
        if len(set().union(*parts.values())) != sum(map(len, parts.values())):
            raise DataError(f"{root / name}: an utterance stands in two parts")
        folds.append(Fold(name, **parts))
    return folds


def _numerical(name: str):
    return (0, int(name), "") if name.isdigit() else (1, 0, name)
