"""Score a long list of recordings, in shards, on this machine or on a cluster."""

import dataclasses
import functools
import itertools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from espnet_sentiment.cluster.client import run_on
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import (
    PathLike,
    atomic_path,
    hash_file,
    read_json,
    write_json,
)
from espnet_sentiment.inference.entries import Entry, read_entries, survey
from espnet_sentiment.pack.find import ModelFiles, find_model
from espnet_sentiment.recipe.stage import DONE, Stage, stat_hash

SHARD_SIZE = 64
PREDICTIONS = "predictions.jsonl"
SHARDS = ".shards"
# Of what was asked for: the recordings may be fixed, and are scored again then.
RECORDINGS = "recordings"
SUMMARY = "summary.json"


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
    **options: Any,
) -> Summary:
    """Score a list of any length; memory does not grow with it.

    Finished shards are kept in ``out/.shards`` until all are there, so a run that was
    cut off continues; if a recording has changed since, all are scored again. The
    numbers depend on ``shard_size``, by the rounding of batches, not on the cluster.

    Args:
        model: What ``find_model`` accepts.
        entries: List of recordings, see ``read_entries``.
        out: Folder to write, new or of an earlier run of the same.
            ``predictions.jsonl`` has a line an entry: ``utt``, where the list has ids,
            ``path``, and ``label``, ``posteriors`` and so on; or ``error``, what is
            wrong with a recording.
        cluster: A file of ``conf/cluster``; None scores in this process.
        shard_size: Entries a worker scores at a time.
        fold: Which fold of an experiment.
        transcript: Also the words and their weights.
        options: Further options of ``Speech2Sentiment``.

    Raises:
        DataError: The list, the model or the cluster file is wrong, the folder holds
            anything else, or a shard ended its worker several times.
    """
    entries, out = Path(entries), Path(out)
    if shard_size < 1:
        raise DataError(f"shard_size is {shard_size}: give a number from 1")
    total, names, recordings = survey(entries)
    files = find_model(model, fold)
    if options.get("encoder_model"):
        files = dataclasses.replace(files, encoder_model=Path(options["encoder_model"]))
    options = {k: v for k, v in sorted(options.items()) if k != "encoder_model"}
    shards = out / SHARDS
    stage = Stage(
        "predict",
        out / DONE,
        {
            "entries": names,
            RECORDINGS: recordings,
            "model": hash_file(files.model_file),
            "config": hash_file(files.config_file),
            "encoder": files.encoder_model and stat_hash([files.encoder_model]),
            "shard_size": shard_size,
            "transcript": transcript,
            "options": {name: str(value) for name, value in options.items()},
        },
    )
    _check_folder(out, stage)
    if not stage.is_done():
        stage.start(shards)
        shards.mkdir(exist_ok=True)
        work = functools.partial(score_shard, files, transcript, tuple(options.items()))
        parts = itertools.batched(read_entries(entries), shard_size)
        todo = (
            (_name(entries, number * shard_size, part), (_shard(out, number), part))
            for number, part in enumerate(parts)
            if not _shard(out, number).exists()
        )
        kept = sum(1 for _ in shards.glob("[0-9]*.jsonl")) * shard_size
        with tqdm(
            total=total, initial=min(kept, total), desc="predict", unit="file"
        ) as bar:
            for scored in run_on(cluster, work, todo):
                bar.update(scored)
        errors = _merge(out, total, shard_size)
        write_json(out / SUMMARY, {"entries": total, "errors": errors})
        stage.finish(
            f"{total} recordings, {errors} of them unusable",
            [out / PREDICTIONS, out / SUMMARY],
        )
    shutil.rmtree(shards, ignore_errors=True)
    return Summary(**read_json(out / SUMMARY), predictions=out / PREDICTIONS)


def _check_folder(out: Path, stage: Stage) -> None:
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
    if plan.exists() and asked != {
        k: v for k, v in read_json(plan).items() if k != RECORDINGS
    }:
        raise DataError(
            f"{out} holds answers to another list, model or options: name a new "
            "folder, or delete it"
        )


def _shard(out: Path, number: int) -> Path:
    return out / SHARDS / f"{number:08d}.jsonl"


def _name(entries: Path, before: int, part: Sequence[Entry]) -> str:
    span = f"entries {before + 1} to {before + len(part)}"
    return f"{entries}: {span}, from {part[0].path} to {part[-1].path}"


@functools.lru_cache(maxsize=1)
def _load(config: Path, model: Path, encoder: Path | None, options: tuple):
    """Load a model once a process."""
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

    return Speech2Sentiment(config, model, encoder, **dict(options))


def score_shard(
    files: ModelFiles,
    transcript: bool,
    options: tuple,
    path: Path,
    part: Sequence[Entry],
) -> int:
    """Score the entries of a shard; return how many there are.

    Args:
        files: The model's files.
        transcript: Also the words.
        options: Names and values of further options of ``Speech2Sentiment``.
        path: JSON lines to write.
        part: The entries.
    """
    model = _load(files.config_file, files.model_file, files.encoder_model, options)
    answers = model.predict(
        [entry.path for entry in part], transcript=transcript, on_error="return"
    )
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for entry, answer in zip(part, answers, strict=True):
            failed = isinstance(answer, DataError)
            row = {"error": str(answer)} if failed else answer.as_dict()
            line = json.dumps(entry.row() | row, ensure_ascii=False, allow_nan=False)
            out.write(line + "\n")
    return len(part)


def _merge(out: Path, total: int, shard_size: int) -> int:
    """Join the shards in order, line by line; return how many lines are errors."""
    errors = 0
    with atomic_path(out / PREDICTIONS) as temporary, temporary.open("wb") as merged:
        for number, first in enumerate(range(0, total, shard_size)):
            path, count = _shard(out, number), 0
            with path.open("rb") as lines:
                for line in lines:
                    count += 1
                    errors += "error" in json.loads(line)
                    merged.write(line)
            if count != min(shard_size, total - first):
                path.unlink()
                raise DataError(
                    f"{path} has {count} lines and not one an entry, so it is removed: "
                    "run the same command again"
                )
    return errors
