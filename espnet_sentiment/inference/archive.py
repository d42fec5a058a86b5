"""Score a long list of recordings, in shards, on this machine or on a cluster."""

import contextlib
import dataclasses
import errno
import functools
import itertools
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm

from espnet_sentiment.cluster.client import run_on
from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.disk import CLOSED, FULL
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.core.files import (
    PathLike,
    hash_file,
    read_json,
    write_json,
)
from espnet_sentiment.core.lock import writing
from espnet_sentiment.data.records import is_table
from espnet_sentiment.inference.archive_shards import (
    BrokenShardError,
    Shards,
    write_shard,
)
from espnet_sentiment.inference.entries import Entry, read_entries, survey
from espnet_sentiment.inference.spoken_entries import (
    SpokenEntry,
    read_spoken,
    speakers_whole,
)
from espnet_sentiment.model.layout import read_training_config
from espnet_sentiment.pack.find import ModelFiles, find_model
from espnet_sentiment.recipe.speakers import BY_SPEAKER
from espnet_sentiment.recipe.stage import DONE, Stage, stat_hash

if TYPE_CHECKING:
    from espnet_sentiment.inference.result import Sentiment

ALGORITHM = 1

SHARD_SIZE = 64
PREDICTIONS = "predictions.jsonl"
SHARDS = ".shards"
# Of what was asked for: the recordings may be fixed, and are scored again then.
RECORDINGS = "recordings"
SUMMARY = "summary.json"
ROUNDS = 3  # in which shards may break before the disk is blamed
FULL_OR_CLOSED = {*FULL, errno.EFBIG, *CLOSED}


class HasPath(Protocol):
    """An entry of a list."""

    @property
    def path(self) -> str:
        """The recording."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What became of a list.

    Args:
        entries: How many the list has.
        errors: How many of them could not be scored.
        predictions: JSON lines, one an entry, in the list's order.
    """

    entries: int
    errors: int
    predictions: Path


def score_archive(
    model: PathLike,
    entries: PathLike,
    out: PathLike,
    cluster: PathLike | None = None,
    shard_size: int = SHARD_SIZE,
    fold: str | None = None,
    transcript: bool = False,
    speakers: str | None = None,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
    **options: Any,
) -> Summary:
    """Score a list of any length; memory grows with it only where speakers are known.

    Finished shards are kept in ``out/.shards``, sealed, until all are there, so a run
    that was cut off continues; one that was changed since is scored again, and all are
    if a recording has changed. The
    numbers depend on ``shard_size``, by the rounding of batches, not on the cluster.

    Args:
        model: What ``find_model`` accepts.
        entries: List of recordings, see ``read_entries``; or a table of them, whose
            column speaker counts for a model that is normalised by speaker, and which
            is kept in memory, as any list with speakers.
        out: Folder to write, new or of an earlier run of the same.
            ``predictions.jsonl`` has a line an entry: ``utt``, where the list has ids,
            ``path``, and ``label``, ``posteriors`` and so on; or ``error``, what is
            wrong with a recording.
        cluster: A file of ``conf/cluster``; None scores in this process.
        shard_size: Entries a worker scores at a time; a speaker with more stays whole,
            since he is heard in all before an answer.
        fold: Which fold of an experiment.
        transcript: Also the words and their weights.
        speakers: Who speaks where no column says it, see ``read_spoken``.
        columns: A table's, by our names, where they are others.
        sheet: Of a spreadsheet that has several.
        options: Further options of ``Speech2Sentiment``.

    Raises:
        DataError: The list, the model or the cluster file is wrong, the folder holds
            anything else, a shard ended its worker several times, or the disk does not
            keep what is written.
    """
    entries, out = Path(entries), Path(out)
    if shard_size < 1:
        raise DataError(f"shard_size is {shard_size}: give a number from 1")
    spoken = None
    if speakers is not None or is_table(entries):
        spoken, said = read_spoken(entries, speakers, columns, sheet)
        for line in said:
            tqdm.write(one_line(f"{entries}: {line}"), file=sys.stderr)
    total, names, recordings = survey(entries, spoken)
    files = find_model(model, fold)
    files, options = with_encoder(files, options)
    by_speaker = _by_speaker(files)
    if speakers is not None and not by_speaker:
        raise DataError(
            f"{model} is not normalised by speaker: leave --speakers out, or name a "
            "model that is (conf/sentiment/*_speaker.yaml)"
        )
    order, told = None, {}
    if spoken is not None:
        order = speakers_whole(spoken, shard_size, by_speaker)
        told = {"by_speaker": by_speaker}
    stage = Stage(
        "predict",
        out / DONE,
        {
            "entries": names,
            RECORDINGS: recordings,
            **model_inputs(files),
            "shard_size": shard_size,
            "transcript": transcript,
            "options": {name: str(value) for name, value in options.items()},
            **told,
        },
        ALGORITHM,
    )
    check_folder(out, stage)
    number = math.ceil(total / shard_size) if order is None else len(order)
    shards = Shards(out / SHARDS, stage.origin, number)
    with writing(out), can_continue(out):
        if not stage.is_done():
            stage.start(shards.folder)
            shards.folder.mkdir(exist_ok=True)
            asked = files, transcript, tuple(options.items())
            score: Callable = functools.partial(score_shard, *asked)
            read: Callable = functools.partial(read_entries, entries)
            if spoken is not None:
                score = functools.partial(score, by_speaker=by_speaker)
                read = functools.partial(list, spoken)
            errors = make_shards(
                *(read, str(entries), total, shard_size, shards),
                cluster=cluster,
                work=score,
                target=out / PREDICTIONS,
                order=order,
            )
            write_json(out / SUMMARY, {"entries": total, "errors": errors})
            stage.finish(
                f"{total} recordings, {errors} of them unusable",
                [out / PREDICTIONS, out / SUMMARY],
            )
        shutil.rmtree(shards.folder, ignore_errors=True)
    return Summary(**read_json(out / SUMMARY), predictions=out / PREDICTIONS)


def with_encoder(
    files: ModelFiles, options: dict[str, Any]
) -> tuple[ModelFiles, dict[str, Any]]:
    """Return a model's files with the encoder of the options, and the other options."""
    if options.get("encoder_model"):
        files = dataclasses.replace(files, encoder_model=Path(options["encoder_model"]))
    return files, {k: v for k, v in sorted(options.items()) if k != "encoder_model"}


def model_inputs(files: ModelFiles) -> dict[str, Any]:
    """Return what a ``Stage`` knows a model by."""
    folder = files.config_file.parent
    return {
        "model": hash_file(files.model_file),
        "config": hash_file(files.config_file),
        # Statistics that normalise, and tokens of a text branch.
        "beside": {
            str(path.relative_to(folder)): hash_file(path)
            for path in sorted([*folder.glob("*.npz"), *folder.glob("text/*")])
            if path.is_file()
        },
        "encoder": files.encoder_model and stat_hash([files.encoder_model]),
    }


def make_shards[Item: HasPath](
    read: Callable[[], Iterable[Item]],
    name: str,
    total: int,
    shard_size: int,
    shards: Shards,
    cluster: PathLike | None,
    work: Callable[..., int],
    target: Path,
    order: Sequence[Sequence[int]] | None = None,
) -> int:
    """Make the shards that are not there, and join all.

    Args:
        read: Gives the entries, anew.
        name: What messages call their list.
        total: How many they are.
        shard_size: Entries a shard.
        shards: Where shards are kept.
        cluster: As of ``score_archive``.
        work: Writes a shard, of its path, its origin and its entries; returns how many
            those are.
        target: JSON lines that all are joined in.
        order: The places in the list of every shard's entries; None takes them as they
            come, ``shard_size`` at a time.

    Returns:
        How many lines are errors.

    Raises:
        DataError: The disk does not keep what is written.
    """
    for _ in range(ROUNDS):
        with tqdm(total=total, desc="predict", unit="file") as bar:
            parts: Iterable[Sequence[Item]] = itertools.batched(read(), shard_size)
            if order is not None:
                items = list(read())
                parts = ([items[place] for place in places] for places in order)
            todo = (
                (
                    _name(name, index * shard_size, part, order is not None),
                    (shards.path(index), shards.origin(index), part),
                )
                for index, part in shards.todo(parts, bar.update)
            )
            for scored in run_on(cluster, work, todo):
                bar.update(scored)
        # One that was changed meanwhile is made again.
        with contextlib.suppress(BrokenShardError):
            return shards.join(target, order)
    raise DataError(
        f"{shards.folder} does not keep what is written there: look at the disk, and "
        "at what else writes to it, and run the same command again"
    )


@contextlib.contextmanager
def can_continue(out: Path) -> Iterator[None]:
    """Say of a disk that is full or closed that nothing finished is lost."""
    try:
        yield
    except OSError as error:
        here = error.filename is None or Path(str(error.filename)).is_relative_to(out)
        if error.errno not in FULL_OR_CLOSED or not here:
            raise
        raise DataError(
            f"{out} cannot be written ({error.strerror}): make room, or give yourself "
            "the right, and run the same command again, which continues"
        ) from None


def check_folder(out: Path, stage: Stage) -> None:
    """Refuse a folder that holds anything but an earlier run of the same."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        plan = stage.stamp.with_suffix(".plan.json")
        if not plan.exists() and any(out.iterdir()):
            raise DataError(f"{out} holds other files: name a new folder")
    except OSError as error:
        raise DataError(
            f"{out} cannot be written ({error.strerror}): name another folder"
        ) from None
    asked = {k: v for k, v in stage.inputs.items() if k != RECORDINGS}
    try:
        before = dict(read_json(plan)) if plan.exists() else asked
    except (DataError, TypeError, ValueError):
        raise DataError(
            f"{plan} was changed, so that nobody knows whose answers these are: name "
            f"a new folder, or delete {out}"
        ) from None
    if asked != {k: v for k, v in before.items() if k != RECORDINGS}:
        raise DataError(
            f"{out} holds answers to another list, model or options: name a new "
            "folder, or delete it"
        )


def _name(entries: str, before: int, part: Sequence[HasPath], by_speaker: bool) -> str:
    span = f"entries {before + 1} to {before + len(part)}"
    if by_speaker:  # which stand anywhere
        span = counted(len(part), "recording")
    return f"{entries}: {span}, from {part[0].path} to {part[-1].path}"


@functools.lru_cache(maxsize=1)
def load_once(config: Path, model: Path, encoder: Path | None, options: tuple):
    """Load a model once a process."""
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

    return Speech2Sentiment(config, model, encoder, **dict(options))


def score_shard(
    files: ModelFiles,
    transcript: bool,
    options: tuple,
    path: Path,
    origin: str,
    part: Sequence[Entry | SpokenEntry],
    by_speaker: bool = False,
) -> int:
    """Score the entries of a shard; return how many there are.

    Args:
        files: The model's files.
        transcript: Also the words.
        options: Names and values of further options of ``Speech2Sentiment``.
        path: JSON lines to write.
        origin: What its seal shall say of where they are from.
        part: The entries.
        by_speaker: Whether the model is normalised by their speakers, of whom the shard
            has all entries.
    """
    model = load_once(files.config_file, files.model_file, files.encoder_model, options)
    named = {"speakers": [entry.speaker for entry in part]} if by_speaker else {}
    speech = [entry.speech() for entry in part]
    answers = model.predict(speech, transcript, on_error="return", **named)
    pairs = zip(part, answers, strict=True)
    write_shard(path, origin, (_row(entry, answer) for entry, answer in pairs))
    return len(part)


def _by_speaker(files: ModelFiles) -> bool:
    """Tell whether a model is normalised by speaker; nothing is loaded."""
    return read_training_config(files.config_file).get("normalize") == BY_SPEAKER


def _row(entry: Entry | SpokenEntry, answer: "Sentiment | DataError") -> dict[str, Any]:
    if isinstance(answer, DataError):
        return entry.row() | {"error": str(answer)}
    return entry.row() | answer.as_dict()
