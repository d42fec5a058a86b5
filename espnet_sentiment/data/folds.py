"""Cross-validation folds: lists of utterance ids below a data directory."""

import dataclasses
import shutil
import warnings
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike, write_text
from espnet_sentiment.core.names import name_fault, nfc, short
from espnet_sentiment.data.kaldi_table import Table, read_kaldi_table

PARTS = ("train", "valid", "test")
# A further list of a fold, which may lack.
NO_MAJORITY = "train_no_majority"


@dataclasses.dataclass(frozen=True)
class Fold:
    """One split of a corpus; its name and the ids are taken in NFC.

    Args:
        name: Name of the fold, "1" for the first.
        train: Ids of the utterances to learn from.
        valid: Ids of the utterances that select epochs.
        test: Ids of the utterances that are scored.
        no_majority: Ids of utterances without a label, whose annotators do not agree:
            what learns from votes learns from them, too.
    """

    name: str
    train: list[str]
    valid: list[str]
    test: list[str]
    no_majority: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", nfc(self.name))
        for part in (*PARTS, "no_majority"):
            if not "".join(utts := getattr(self, part)).isascii():
                object.__setattr__(self, part, list(map(nfc, utts)))


def everything(name: str, folds: Sequence[Fold]) -> Fold:
    """Return all utterances of some folds as what one fold trains on.

    Args:
        name: Of that fold.
        folds: At least one.

    Returns:
        ``valid`` is the first fold's, which trains, too: ESPnet validates every epoch.
    """
    every = {utt for fold in folds for utt in (*fold.train, *fold.valid, *fold.test)}
    extra = {utt for fold in folds for utt in fold.no_majority}
    return Fold(name, sorted(every), folds[0].valid, [], sorted(extra))


def leave_one_group_out(
    utt2group: Mapping[str, str],
    valid_group: Mapping[str, str] | None = None,
    what: str = "speaker",
) -> list[Fold]:
    """Test every group of utterances once.

    Args:
        utt2group: Group of every utterance, for example its session.
        valid_group: Validation group for a tested group; where it names none, the
            next group in sorted order (the first after the last).
        what: What a group is called in messages.

    Raises:
        DataError: There are fewer than three groups, or the validation group does
            not exist or is the tested one.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for utt, group in sorted(utt2group.items()):
        groups[group].append(utt)
    names = sorted(groups, key=numerical)
    if len(names) < 3:
        raise DataError(
            f"leave-one-{what}-out needs at least 3 {what}s (train, valid, test), "
            f"but there are {len(names)} ({', '.join(names)}): add some"
        )
    folds = []
    for i, test in enumerate(names):
        valid = (valid_group or {}).get(test, names[(i + 1) % len(names)])
        if valid == test or valid not in groups:
            raise DataError(
                f"{what} {valid!r} cannot validate while {what} {test!r} is tested: "
                f"name another of {', '.join(names)}"
            )
        train = [u for s in names if s not in (test, valid) for u in groups[s]]
        folds.append(Fold(str(i + 1), sorted(train), groups[valid], groups[test]))
    return folds


def let_train(folds: Sequence[Fold], utt2group: Mapping[str, str]) -> list[Fold]:
    """Let utterances without a majority train where nobody of their group is scored.

    Args:
        folds: Folds of utterances with labels.
        utt2group: Group of every utterance, for example its speaker. Those that no
            fold has are the ones without a majority.

    Returns:
        The folds, which have them in ``no_majority``; a group that validates or is
        tested in a fold has none there.
    """
    known = {u for f in folds for part in PARTS for u in getattr(f, part)}
    extra = sorted(utt2group.keys() - known)
    made = []
    for fold in folds:
        scored = {utt2group[utt] for utt in (*fold.valid, *fold.test)}
        free = [utt for utt in extra if utt2group[utt] not in scored]
        made.append(dataclasses.replace(fold, no_majority=free))
    return made


def leave_one_speaker_out(
    utt2spk: Mapping[str, str], valid_speaker: Mapping[str, str] | None = None
) -> list[Fold]:
    """Test every speaker once (paper, Section 3.1: 10-fold on IEMOCAP).

    Args:
        utt2spk: Speaker of every utterance.
        valid_speaker: Validation speaker for a tested speaker.

    Raises:
        DataError: As :func:`leave_one_group_out`.
    """
    return leave_one_group_out(utt2spk, valid_speaker)


def k_fold(
    utt2label: Mapping[str, str], utt2spk: Mapping[str, str] | None, k: int
) -> list[Fold]:
    """Deal a corpus out to k parts and test each once; the next part validates.

    Args:
        utt2label: Class of every utterance; the classes are balanced as far as
            whole speakers allow.
        utt2spk: Speaker of every utterance; None deals out single utterances.
        k: Number of folds.

    Raises:
        DataError: k is less than three, or there are too few speakers or utterances,
            or no class has k utterances.
    """
    if k < 3:
        raise DataError(f"{k} folds are too few: train, valid and test need 3 or more")
    n, what = len(utt2label), "utterances"
    if utt2spk is not None:
        n, what = len({utt2spk[utt] for utt in utt2label}), "speakers"
    if n < k:
        remedy = "add some" if n < 3 else "ask for fewer"
        raise DataError(f"{n} {what} are too few for {k} folds: {remedy}")
    label, most = Counter(utt2label.values()).most_common(1)[0]
    if most < k:
        raise DataError(
            f"class {label} has {most} utterances and no class more, too few for {k} "
            "folds: ask for fewer"
        )
    parts = _deal_out(utt2label, utt2spk, k)
    utt2part = {utt: str(i) for i, part in enumerate(parts) for utt in part}
    return leave_one_group_out(utt2part, what="part")


def hold_out(
    utt2label: Mapping[str, str], utt2spk: Mapping[str, str] | None, k: int = 5
) -> tuple[list[str], list[str], str]:
    """Take about a k-th of the training utterances for validation.

    Args:
        utt2label: Class of every training utterance.
        utt2spk: Speaker of every utterance, if known. Where at least three speakers
            train, whole ones validate.
        k: How many parts to deal out, one of which validates; fewer in tiny corpora.

    Returns:
        The utterances that are left to learn from, those that validate, and what they
        are: "whole speakers" or "single utterances".

    Raises:
        DataError: There are too few utterances.
    """
    n_speakers = len({utt2spk[utt] for utt in utt2label}) if utt2spk else 0
    k = min(k, max(Counter(utt2label.values()).values(), default=0))
    if 3 <= n_speakers < len(utt2label):
        what, k = "whole speakers", min(k, n_speakers)
    else:
        what, utt2spk = "single utterances", None
    if k < 2:
        raise DataError(
            f"{len(utt2label)} training utterances are too few to take a part of them "
            "for validation: name some for that"
        )
    parts = _deal_out(utt2label, utt2spk, k)
    # A speaker with most of the utterances makes a part much too large.
    valid = min(parts, key=lambda part: abs(len(part) * k - len(utt2label)))
    return sorted(set(utt2label) - set(valid)), valid, what


def _deal_out(
    utt2label: Mapping[str, str], utt2spk: Mapping[str, str] | None, k: int
) -> list[list[str]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    utts = sorted(utt2label)
    labels = [utt2label[utt] for utt in utts]
    speakers = None if utt2spk is None else [utt2spk[utt] for utt in utts]
    splitter = StratifiedKFold(k) if speakers is None else StratifiedGroupKFold(k)
    with warnings.catch_warnings():
        # A class of fewer than k utterances is in some parts only, as it must be.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = [part for _, part in splitter.split(utts, labels, speakers)]
    return [[utts[i] for i in part] for part in parts]


def write_folds(data_dir: PathLike, folds: Sequence[Fold]) -> None:
    """Write ``folds/<name>/{train,valid,test}`` below a data directory.

    Raises:
        DataError: A fold's name is no name of a folder there.
    """
    root = Path(data_dir) / "folds"
    for fold in folds:
        check_fold_name(root, fold.name)
    for name, count in Counter(fold.name for fold in folds).items():
        if count > 1:
            raise DataError(f"{root}: {count} folds are called {name!r}: rename them")
    shutil.rmtree(root, ignore_errors=True)
    for fold in folds:
        lists = {part: getattr(fold, part) for part in PARTS}
        if fold.no_majority:
            lists[NO_MAJORITY] = fold.no_majority
        for part, utts in lists.items():
            write_text(root / fold.name / part, "".join(f"{u}\n" for u in utts))


def read_folds(data_dir: PathLike) -> list[Fold]:
    """Read the folds of a data directory, numbered ones in numerical order.

    Raises:
        DataError: There is no fold; or parts of some are missing or empty, lines of
            them are no ids, of no utterance of the set, or twice in one fold: the
            message names all, up to 20.
    """
    root = Path(data_dir) / "folds"
    names = sorted((p.name for p in root.glob("*") if p.is_dir()), key=numerical)
    if not names:
        raise DataError(
            f"{root} holds no folds: run stage 0 (data preparation), or write "
            f"{root / '1'}/train, valid and test yourself, an utterance id a line"
        )
    known = _known(Path(data_dir) / "utt2spk")
    faults: list[str] = []
    folds: dict[str, Fold] = {}
    for name in names:
        if fault := _name_fault(name):
            faults.append(f"{root}: {fault}")
            continue
        if other := folds.get(nfc(name)):
            faults.append(
                f"{root}: two folds are called {other.name!r}, and differ only in how "
                "accents are encoded (Unicode NFC or NFD): rename one"
            )
        tables = {}
        for part in PARTS:
            try:
                tables[part] = read_kaldi_table(root / name / part, needed=True)
            except DataError as error:
                faults.append(str(error))
        if len(tables) < len(PARTS):
            continue
        parts: tuple[str, ...] = PARTS
        if (root / name / NO_MAJORITY).exists():
            tables[NO_MAJORITY] = read_kaldi_table(root / name / NO_MAJORITY)
            parts = (*PARTS, NO_MAJORITY)
        faults += _part_faults(list(tables.values()), known)
        folds[nfc(name)] = Fold(name, *(list(tables[part].values) for part in parts))
    if faults:
        refuse(f"{root}: {len(faults)} faults", faults)
    return list(folds.values())


def _known(utt2spk: Path) -> Container[str] | None:
    """Return the ids of the set's utterances; None where there is no such table."""
    return read_kaldi_table(utt2spk).values or None


def _part_faults(parts: Sequence[Table], known: Container[str] | None) -> Iterator[str]:
    """Say what is wrong with the lists of a fold."""
    for table in parts:
        if not table.n:
            yield f"{table.path} is empty: rerun stage 0, or write ids into it"
        yield from table.repeated()
        if any(table.values.values()):
            yield from table.faults(
                lambda utt, rest: (
                    f"{short(f'{utt} {rest}')} is no id: write one id a line"
                    if rest
                    else None
                )
            )
        if known is not None and not all(utt in known for utt in table.values):
            yield from table.faults(
                lambda utt, _: (
                    f"utterance {utt} is not in utt2spk: take it out, or fix its id"
                    if utt not in known
                    else None
                )
            )
    for i, table in enumerate(parts):
        for earlier in parts[:i]:
            yield from _both(table, earlier)


def _both(table: Table, other: Table) -> list[str]:
    """Name the utterances of a list that another one has, too."""
    both = table.values.keys() & other.values.keys()
    if not both:
        return []
    return table.faults(
        lambda utt, _: (
            f"utterance {utt} stands in two parts, see {other.path}: keep one of them"
            if utt in both
            else None
        )
    )


def check_fold_name(where: PathLike, name: str) -> None:
    """Check a fold's name, which folders of data and experiments are called by.

    Args:
        where: What holds the fold, for the message.
        name: The name.

    Raises:
        DataError: It is empty, leads elsewhere, holds a space or a character that
            nobody sees, or is too long for a folder.
    """
    if fault := _name_fault(name):
        raise DataError(f"{where}: {fault}")


def _name_fault(name: str) -> str | None:
    if fault := name_fault(name):
        return f"the fold {fault}: rename it"
    if name in (".", ".."):
        return f"the fold {name!r} is no name of a folder: rename it"
    if not name or "/" in name or name.split() != [name]:
        return (
            f"the fold {name!r} is no name of a folder: rename it, without spaces and "
            "slashes"
        )
    return None


def numerical(name: str) -> tuple[int, int, str, str]:
    """Sort numbers of any length before other names, by what they count."""
    if not (name.isascii() and name.isdigit()):
        return (1, 0, "", name)
    digits = name.lstrip("0")
    return (0, len(digits), digits, name)
