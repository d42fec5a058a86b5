"""Answer many calls, each into files of its own, on this machine or on a cluster."""

import contextlib
import functools
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.escape import json_text
from espnet_sentiment.core.files import (
    PathLike,
    read_json,
    write_json,
    write_text,
)
from espnet_sentiment.core.lock import writing
from espnet_sentiment.core.seal import break_seal
from espnet_sentiment.inference.archive import (
    RECORDINGS,
    SHARDS,
    SUMMARY,
    Summary,
    can_continue,
    check_folder,
    load_once,
    make_shards,
    model_inputs,
    with_encoder,
)
from espnet_sentiment.inference.archive_shards import Shards, write_shard
from espnet_sentiment.inference.call_list import CallEntry, list_calls
from espnet_sentiment.inference.conversation import Conversation
from espnet_sentiment.inference.entries import survey_of
from espnet_sentiment.pack.find import ModelFiles, find_model
from espnet_sentiment.recipe.stage import DONE, Stage, stat_hash

ALGORITHM = 1
CALLS = "calls.jsonl"
# Names in the folder that are no call's.
TAKEN = ("calls", "summary", "index", "done")

type Write = Callable[[Path, Conversation], Any]


def answer_calls(
    model: PathLike,
    calls: PathLike | Sequence[PathLike],
    out: PathLike,
    turns: PathLike | None = None,
    suffixes: Sequence[str] = (),
    write: Write | None = None,
    cluster: PathLike | None = None,
    fold: str | None = None,
    asked: Mapping[str, Any] | None = None,
    **options: Any,
) -> Summary:
    """Answer the turns of many calls; memory does not grow with them.

    Calls that are finished stay, sealed, so a run that was cut off continues with the
    next; all are answered again where recordings or turns have changed.

    Args:
        model: What ``find_model`` accepts.
        calls: A folder, a list or recordings, see ``list_calls``.
        out: Folder to write, new or of an earlier run of the same. ``NAME.jsonl`` has a
            line a turn; ``calls.jsonl`` a line a call, in order: what is known of it,
            without its turns, and the ``files`` written; or ``error``.
        turns: A folder or a file, see ``list_calls``.
        suffixes: What else is written of every call, such as ``.html``.
        write: Writes a conversation to a file by such a suffix; a function of a module.
        cluster: A file of ``conf/cluster``; None answers in this process.
        fold: Which fold of an experiment.
        asked: Options of ``Speech2Sentiment.conversation``.
        options: Options of ``Speech2Sentiment``.

    Returns:
        ``predictions`` is ``calls.jsonl``.

    Raises:
        DataError: As ``score_archive``, or as ``list_calls``; or turns lie in ``out``.
    """
    if suffixes and write is None:
        raise UserError("suffixes need write, which writes files of them")
    out, entries = Path(out), list_calls(calls, turns)
    _check_apart(out, turns, entries)
    for entry in entries:
        if entry.name.casefold() in TAKEN:
            raise DataError(
                f"{entry.path}: a call cannot be called {entry.name}, as a file of the "
                "answers is: rename it, or list it in a .scp with another id"
            )
    total, names, recordings = survey_of((e.name, e.path) for e in entries)
    files = find_model(model, fold)
    files, options = with_encoder(files, options)
    asked = dict(sorted((asked or {}).items()))
    stage = Stage(
        "conversations",
        out / DONE,
        {
            "entries": names,
            RECORDINGS: [
                recordings,
                [(entry.turns, entry.error) for entry in entries],
                stat_hash(_turn_files(entries)),
            ],
            **model_inputs(files),
            "turns": turns and str(Path(turns).absolute()),
            "suffixes": sorted(suffixes),
            "asked": {name: str(value) for name, value in asked.items()},
            "options": {name: str(value) for name, value in options.items()},
        },
        ALGORITHM,
    )
    check_folder(out, stage)
    shards = Shards(out / SHARDS, stage.origin, total)
    with writing(out), can_continue(out):
        if not stage.is_done():
            stage.start(shards.folder)
            shards.folder.mkdir(exist_ok=True)
            _forget_lost(shards, out)
            # Workers' bars would write over this one.
            asked["progress"] = cluster is None and sys.stderr.isatty()
            work = functools.partial(
                answer_call,
                *(files, tuple(options.items()), asked, out.absolute()),
                *(tuple(suffixes), write),
            )
            errors = make_shards(
                *(lambda: entries, str(out), total, 1),
                *(shards, cluster, work, out / CALLS),
            )
            write_json(out / SUMMARY, {"entries": total, "errors": errors})
            stage.finish(
                f"{total} calls, {errors} of them unusable",
                [out / CALLS, out / SUMMARY],
                [out / name for row in read_rows(out / CALLS) for name in _files(row)],
            )
        shutil.rmtree(shards.folder, ignore_errors=True)
    return Summary(**read_json(out / SUMMARY), predictions=out / CALLS)


def _check_apart(
    out: Path, turns: PathLike | None, entries: Sequence[CallEntry]
) -> None:
    """Refuse turns in the folder of the answers, which would be replaced by them.

    And the answers of this run would be the turns of the next.
    """
    found: list[PathLike] = [entry.turns for entry in entries if entry.turns]
    for place in found if turns is None else [turns, *found]:
        if Path(place).resolve().is_relative_to(out.resolve()):
            raise DataError(
                f"{place} is read as turns, and answers are written to {out}, where "
                "they would replace turns: name another folder to write (--out)"
            )


def _turn_files(entries: Sequence[CallEntry]) -> list[Path]:
    """Return the files of turns, those of Kaldi's folders one by one."""
    paths = {Path(entry.turns) for entry in entries if entry.turns is not None}
    inside = [sorted(path.iterdir()) if path.is_dir() else [path] for path in paths]
    return sorted(file for files in inside for file in files)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines that ``answer_calls`` has written."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _files(row: Mapping[str, Any]) -> list[str]:
    return list(row.get("files", ()))


def _forget_lost(shards: Shards, out: Path) -> None:
    """Let calls be answered again whose files are gone."""
    for index in range(shards.number):
        path = shards.path(index)
        with contextlib.suppress(OSError, ValueError):
            if not all((out / f).exists() for r in read_rows(path) for f in _files(r)):
                break_seal(path)


def answer_call(
    files: ModelFiles,
    options: tuple,
    asked: Mapping[str, Any],
    out: Path,
    suffixes: Sequence[str],
    write: Write | None,
    path: Path,
    origin: str,
    part: Sequence[CallEntry],
) -> int:
    """Answer the call of a shard, and write its files; return 1.

    Args:
        files: The model's files.
        options: Names and values of options of ``Speech2Sentiment``.
        asked: Options of ``conversation``.
        out: Folder of the answers.
        suffixes: See ``answer_calls``.
        write: See ``answer_calls``.
        path: The shard.
        origin: What its seal says.
        part: The call.
    """
    (entry,) = part
    try:
        if entry.error is not None:
            raise DataError(entry.error)
        model = load_once(
            files.config_file, files.model_file, files.encoder_model, options
        )
        found = model.conversation(entry.path, entry.turns, **asked)
        row = {"call": entry.name, "path": entry.path, **facts(found)}
        row["files"] = _write_files(found, entry, out, suffixes, write)
    except DataError as error:
        row = {"call": entry.name, "path": entry.path, "error": str(error)}
    write_shard(path, origin, [row])
    return 1


def facts(found: Conversation) -> dict[str, Any]:
    """Return what is known of a conversation, without its turns."""
    known = found.as_dict()
    turns = known.pop("turns")
    known.pop("name")
    return known | {"turns": len(turns)}


def _write_files(
    found: Conversation,
    entry: CallEntry,
    out: Path,
    suffixes: Sequence[str],
    write: Write | None,
) -> list[str]:
    names = [f"{entry.name}{suffix}" for suffix in (".jsonl", *suffixes)]
    (out / names[0]).parent.mkdir(parents=True, exist_ok=True)
    write_lines(out / names[0], found)
    for name in names[1:]:
        if write is not None:
            write(out / name, found)
    return names


def write_lines(path: Path, found: Conversation) -> None:
    """Write the turns of a conversation as JSON, a line each."""
    write_text(path, "".join(map(turn_line, turn_rows(found))))


def turn_rows(found: Conversation) -> list[dict[str, Any]]:
    """Return turns as JSON can hold them, each with the name of the recording."""
    return [{"path": found.name, **turn.as_dict()} for turn in found.turns]


def turn_line(row: Mapping[str, Any]) -> str:
    """Return a line of JSON."""
    return json_text(row) + "\n"
