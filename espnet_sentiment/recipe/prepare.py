"""Stage 0: what every recipe's local/prepare.py ends with.

A recipe says what its corpus is (:class:`Corpus`); :func:`prepare` writes it, unless
that is done already.
"""

import argparse
import dataclasses
import inspect
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, sha256_of, write_text
from espnet_sentiment.core.lock import writing
from espnet_sentiment.data.folds import PARTS, Fold, leave_one_speaker_out, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir
from espnet_sentiment.data.labels import check_classes
from espnet_sentiment.data.overlap_text import lines
from espnet_sentiment.recipe.overlap_file import OVERLAP, write_overlap
from espnet_sentiment.recipe.speakers import speaker_warning
from espnet_sentiment.recipe.stage import DONE, Stage, content_hash, stat_hash
from espnet_sentiment.recipe.stage import say as say_as

ALGORITHM = 2

NAME = "stage 0: data preparation"


@dataclasses.dataclass(frozen=True)
class Corpus:
    """What stage 0 writes.

    Args:
        utterances: All utterances.
        folds: Its folds; None leaves one speaker out, an empty list makes none.
        files: Further text files of the data directory, by name.
    """

    utterances: Iterable[Utterance]
    folds: Sequence[Fold] | None = None
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Complete:
    """A corpus whose utterances are listed and whose folds are made."""

    utterances: list[Utterance]
    folds: Sequence[Fold]
    files: Mapping[str, str]


def prepare(
    data_dir: PathLike,
    corpus: Corpus | Callable[[], Corpus],
    inputs: Mapping | None = None,
    *,
    recordings: PathLike | None = None,
    name: str = NAME,
) -> None:
    """Write the Kaldi data directory and the folds of a corpus, unless up to date.

    Args:
        data_dir: Folder to write.
        corpus: The corpus, or, where reading takes long, a function that reads it; it
            is called only when the inputs have changed.
        inputs: JSON-like description of all that the corpus is made from; None
            describes the corpus itself, which then may not be a function. The code
            of a function counts, too, unless there is a key ``code``.
        recordings: Folder that ``corpus()`` fills with recordings; an interrupted run
            continues from what is there.
        name: What the stage calls itself in messages.

    Raises:
        DataError: There is no utterance, there are fewer than three speakers to leave
            out, or as :func:`check_classes` and :func:`write_kaldi_dir`.
    """
    begin, data_dir = time.time(), Path(data_dir)
    complete = None
    if inputs is None:
        complete = _read(corpus, data_dir)
        inputs = _describe(complete)
    elif callable(corpus):
        inputs = {"code": _code_hash(corpus), **inputs}
    if recordings is not None:
        # Tables name them by absolute paths, which a recipe that was moved outlives.
        inputs = {**inputs, "recordings": str(Path(recordings).resolve())}
    stage = Stage(name, data_dir / DONE, inputs, ALGORITHM)
    if stage.is_done():
        return
    with writing(data_dir, *([] if recordings is None else [recordings])):
        if stage.is_done():
            return
        if recordings is not None:
            stage.start(recordings)
        complete = complete or _read(corpus, data_dir)
        if recordings is None:  # a corpus that is refused leaves nothing behind
            stage.start(data_dir, begin)
        outputs = [*_write(data_dir, complete), *_overlap(data_dir, complete, stage)]
        made = set() if recordings is None else {u.wav for u in complete.utterances}
        _check_classes(complete, stage)
        _check_speakers(complete, stage)
        stage.finish(f"{_count(complete)} in {data_dir}", outputs, sorted(made))


def _code_hash(corpus: Callable[[], Corpus]) -> str:
    """Hash the code that reads a corpus: all modules of a recipe's ``local/``."""
    code = corpus if inspect.isroutine(corpus) else type(corpus)
    module = Path(inspect.getsourcefile(code) or "")
    return content_hash(sorted(module.parent.glob("*.py")))


def _read(corpus: Corpus | Callable[[], Corpus], data_dir: Path) -> _Complete:
    """List the utterances, and make the usual folds unless there are others."""
    corpus = corpus() if callable(corpus) else corpus
    utterances, folds = list(corpus.utterances), corpus.folds
    if not utterances:
        raise DataError(f"{data_dir}: no utterance was found: check the corpus path")
    if folds is None:
        folds = leave_one_speaker_out({u.utt: u.speaker for u in utterances})
    if folds:
        labels = {u.utt: u.label for u in utterances if u.label is not None}
        check_classes(str(data_dir), labels)
    return _Complete(utterances, folds, corpus.files)


def _describe(corpus: _Complete) -> dict[str, str]:
    """Hash all of a corpus; of its recordings, which are large, size and time."""
    return {
        "utterances": sha256_of(list(map(_row, corpus.utterances))),
        "recordings": stat_hash(sorted({u.wav for u in corpus.utterances})),
        "folds": sha256_of(list(map(_listed, corpus.folds))),
        "files": sha256_of(dict(corpus.files)),
    }


def _row(utterance: Utterance) -> dict:
    """Return an utterance; ``group``, which may lack, where there is one."""
    row = dataclasses.asdict(utterance)
    if utterance.group is None:
        del row["group"]
    return row


def _listed(fold: Fold) -> dict[str, str | list[str]]:
    """Return a fold by part; ``no_majority``, which may lack, where there are any."""
    listed = dataclasses.asdict(fold)
    if not fold.no_majority:
        del listed["no_majority"]
    return listed


def _write(data_dir: Path, corpus: _Complete) -> list[Path]:
    """Write everything and return the paths."""
    outputs = write_kaldi_dir(data_dir, corpus.utterances)
    write_folds(data_dir, corpus.folds)
    if corpus.folds:
        outputs.append(data_dir / "folds")
    for name, text in corpus.files.items():
        write_text(data_dir / name, text)
        outputs.append(data_dir / name)
    return outputs


def _overlap(data_dir: Path, corpus: _Complete, stage: Stage) -> list[Path]:
    """Write and say what the parts of folds share; return the file, if any."""
    path = data_dir / OVERLAP
    if not corpus.folds:
        path.unlink(missing_ok=True)
        return []
    for line in lines(write_overlap(data_dir, corpus.utterances, corpus.folds)):
        stage.say(line)
    return [path]


def _count(corpus: _Complete) -> str:
    """Say how many utterances there are, of each class and in each part."""

    def listed(counts: Mapping[str, int]) -> str:
        return f" ({', '.join(f'{key} {n}' for key, n in counts.items())})"

    labels = Counter(u.label for u in corpus.utterances if u.label is not None)
    said = f"{len(corpus.utterances)} utterances"
    if labels:
        said += listed(dict(sorted(labels.items())))
    if len(corpus.folds) == 1:
        (fold,) = corpus.folds
        said += ", 1 fold" + listed({p: len(getattr(fold, p)) for p in PARTS})
    elif corpus.folds:
        said += f", {len(corpus.folds)} folds"
    if extra := {utt for fold in corpus.folds for utt in fold.no_majority}:
        said += (
            f", {len(extra)} of the utterances without a majority: they train where "
            "votes are the target, and are never scored"
        )
    return said


def _check_classes(corpus: _Complete, stage: Stage) -> None:
    """Warn of classes that a fold has no example of to learn from."""
    utt2label = {u.utt: u.label for u in corpus.utterances if u.label is not None}

    def classes(utts: Iterable[str]) -> set[str]:
        return {utt2label[utt] for utt in utts if utt in utt2label}

    unknown = []
    for fold in corpus.folds:
        learned = classes(fold.train)
        for verb, utts in (("tests", fold.test), ("validates", fold.valid)):
            if new := classes(utts) - learned:
                names = " and ".join(sorted(new))
                unknown.append(f"fold {fold.name} {verb} {names}")
    if not unknown:
        return
    more = [f"... and {len(unknown) - 5} more"] if len(unknown) > 5 else []
    stage.say(
        f"WARNING: {', '.join([*unknown[:5], *more])}, which no training utterance has "
        "there, so that no model can learn it: add some, or choose other folds"
    )


def _check_speakers(corpus: _Complete, stage: Stage) -> None:
    """Warn where knowing the speaker tells the class."""
    utt2label = {u.utt: u.label for u in corpus.utterances if u.label is not None}
    utt2spk = {u.utt: u.speaker for u in corpus.utterances}
    if (warning := speaker_warning(corpus.folds, utt2spk, utt2label)) is not None:
        stage.say(warning)


def check_counts(found: Mapping[str, int], published: Mapping[str, int]) -> None:
    """Warn if a corpus is not complete.

    Args:
        found: How many utterances there are of each class or part.
        published: How many there are in the corpus as it is published.
    """
    for name, expected in published.items():
        if (count := found.get(name, 0)) != expected:
            say(
                f"WARNING: {count} utterances of {name}, but the corpus has "
                f"{expected}: results will not compare with published ones"
            )


def get_parser(
    description: str, data_dir: str | None = None
) -> argparse.ArgumentParser:
    """Build the parser of a recipe's stage 0, which has ``--data_dir``.

    Args:
        description: The recipe's docstring.
        data_dir: Where to write by default; None leaves it to the caller to say.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data_dir",
        default=data_dir,
        required=data_dir is None,
        help="where to write" + (f" ({data_dir})" if data_dir else ""),
    )
    return parser


def add_download_arguments(
    parser: argparse.ArgumentParser, corpus: str, holds: str
) -> None:
    """Add ``--<corpus>``, a local copy, and ``--downloads``, to use where it is empty.

    Args:
        parser: Where to add them.
        corpus: Name of the option.
        holds: What the folder holds.
    """
    parser.add_argument(
        f"--{corpus}",
        default="",
        help=f"the corpus, a folder with {holds}; none: download it",
    )
    parser.add_argument("--downloads", default="downloads", help="where to download to")


def say(message: str) -> None:
    """Print a line of progress of stage 0."""
    say_as(NAME, message)
