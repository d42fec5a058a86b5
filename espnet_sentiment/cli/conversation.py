"""``predict`` of conversations: options, one call, many calls."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from espnet_sentiment.cli.call_files import (
    SUFFIXES,
    check_suffix,
    write_conversation,
    write_index_of,
)
from espnet_sentiment.cli.call_table import CallCSV, CallFormat, CallLines, CallTable
from espnet_sentiment.cli.inputs import STDIN
from espnet_sentiment.cli.lists import SUFFIXES as LIST_SUFFIXES
from espnet_sentiment.cli.speakers import read_known
from espnet_sentiment.cli.terminal import RED, has_colours, paint
from espnet_sentiment.cli.timing import Timing
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.core.extras import check_extra
from espnet_sentiment.core.files import check_writable
from espnet_sentiment.data.pairs import read_pairs
from espnet_sentiment.data.records import is_table

if TYPE_CHECKING:
    from espnet_sentiment.inference.conversation import Conversation
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

EACH = "each"
EPILOG = """\
Conversations: --turns FILE says who speaks when (.rttm, .TextGrid, .eaf, .vtt, .srt,
.ctm, Kaldi's segments, Whisper's .json, or a table), --channel each makes every channel
a speaker, and --conversation finds turns by voice activity. One call prints a table of
its turns; a folder or a list of calls needs --out DIR, and writes NAME.jsonl of each,
calls.jsonl and index.html; the same command again continues.

  espnet-sentiment predict call.wav --turns call.rttm --out call.html --out call.csv
  espnet-sentiment predict call.wav --channel each
  espnet-sentiment predict calls/ --turns rttm/ --out answers/ --formats html,vtt
"""


def add_conversation_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of conversations."""
    group = parser.add_argument_group("conversations")
    group.add_argument(
        "--turns",
        metavar="FILE|DIR",
        help="who speaks when; of many calls a folder with a file of each, by name",
    )
    group.add_argument(
        "--conversation",
        action="store_true",
        help="answer turns that voice activity finds, without --turns",
    )
    group.add_argument(
        "--min_turn",
        type=float,
        metavar="SECONDS",
        help="a shorter turn is joined with the same speaker's nearer one, or marked "
        "as short (default: 0.5)",
    )
    group.add_argument(
        "--max_pause",
        type=float,
        metavar="SECONDS",
        help="most between those two, in which nobody else speaks (default: 0.5)",
    )
    group.add_argument(
        "--formats",
        metavar="html,csv,...",
        help="of many calls: what is written of each beside .jsonl; of "
        + ", ".join(suffix[1:] for suffix in SUFFIXES if suffix != ".jsonl"),
    )


def is_conversation(args: argparse.Namespace) -> bool:
    """Tell whether conversations are asked for, and refuse their options without."""
    if args.turns is not None or args.conversation or args.channel == EACH:
        return True
    for option in ("min_turn", "max_pause", "formats"):
        if getattr(args, option) is not None:
            args.parser.error(
                f"--{option} is for conversations: add --turns FILE, --channel each or "
                "--conversation"
            )
    if args.out is not None and len(args.out) > 1:
        args.parser.error("--out is given several times: name one file")
    return False


def run_conversation(
    args: argparse.Namespace,
    name: str,
    load: Callable[..., Any],
    options: Mapping[str, Any],
) -> int:
    """Answer conversations; return the exit status.

    Args:
        args: Options of predict.
        name: The model.
        load: Loads the model of its files, as ``predict`` does.
        options: Of ``Speech2Sentiment``.

    Raises:
        DataError: The call, its turns or the model cannot be used.
    """
    _check(args)
    from espnet_sentiment.inference.short_turns import check_seconds

    given = {"min_seconds": args.min_turn, "max_pause": args.max_pause}
    check_seconds(**{name: value for name, value in given.items() if value is not None})
    if is_many(args):
        return _run_many(args, name, options)
    outs = [Path(out) for out in args.out or ()]
    for out in outs:
        check_suffix(out)
    known = read_known(args.speaker_statistics)
    turns = args.turns
    if turns is not None and Path(turns).is_dir():
        from espnet_sentiment.inference.call_list import list_calls

        (entry,) = list_calls(args.inputs, turns)
        if entry.error is not None:
            raise DataError(entry.error)
        turns = entry.turns
    for out in outs:
        read = filter(None, (args.inputs[0], turns))
        check_writable(out, "--out", read=read)
    from espnet_sentiment.pack.find import find_model

    model: Speech2Sentiment = load(args, find_model(name, args.fold), Timing(0.0))
    found = model.conversation(
        args.inputs[0],
        turns,
        speaker_statistics=known,
        progress=sys.stderr.isatty(),
        **_asked(args),
    )
    _say_notes(found)
    faults = []  # of one file; the others have their answers
    for out in outs:
        try:
            said = write_conversation(out, found)
        except OSError as error:
            faults.append(f"--out {out} cannot be written ({error}): name another")
            continue
        except DataError as error:
            faults.append(str(error))
            continue
        for line in said:
            print(one_line(f"{out}: {line}"), file=sys.stderr)
    if not outs:
        form = _format(args, found, sys.stdout)
        sys.stdout.write(form.head())
        sys.stdout.writelines(form.rows())
        sys.stdout.write(form.tail())
    if known is not None:
        known.save(args.speaker_statistics)
    if faults:
        raise DataError("\n".join(faults))
    return 0


def is_many(args: argparse.Namespace) -> bool:
    """Tell whether inputs are many calls, or one."""
    if len(args.inputs) > 1 or args.cluster is not None:
        return True
    path = Path(args.inputs[0])
    return path.is_dir() or path.suffix.lower() in LIST_SUFFIXES


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    error: Callable[[str], NoReturn] = args.parser.error
    if args.conversation and args.turns is not None:
        error("--conversation finds the turns itself: leave out it, or --turns")
    if args.speakers is not None:
        error("the turns say who speaks: leave out --speakers, or use --channel each")
    if args.timing:
        error("--timing measures recordings: leave it out of conversations")
    if STDIN in args.inputs:
        error(
            "a conversation is read more than once: write it to a file, and name that"
        )
    if tables := [name for name in args.inputs if is_table(name)]:
        error(
            f"{tables[0]} is a table: name the recording, and the table by --turns; or "
            "answer its rows without --turns, --conversation and --channel each"
        )
    if (args.map or args.sheet) and args.turns is None:
        error("--map and --sheet are of a table of turns: add --turns FILE")
    if args.out is not None and (args.json or args.csv):
        error("--out goes by its suffix: leave out --json and --csv")
    if not is_many(args):
        if args.formats is not None:
            error("--formats is for many calls: give --out FILE, several if need be")
        return
    if args.out is None or len(args.out) > 1:
        error("many calls take one --out DIR, and --formats html,csv,...")
    if args.json or args.csv:
        error("many calls write JSON lines: leave out --json, and take --formats csv")
    if args.speaker_statistics is not None:
        error(
            "--speaker_statistics are kept call by call: answer calls one at a time, "
            "in the order of time"
        )


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of ``Speech2Sentiment.conversation``."""
    asked = {
        "channel": args.channel,
        "transcript": args.transcript,
        "min_seconds": args.min_turn,
        "max_pause": args.max_pause,
        "columns": read_pairs("--map", args.map) or None,
        "sheet": args.sheet,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _say_notes(found: "Conversation") -> None:
    colours = has_colours(sys.stderr)
    for note in found.notes:
        line = f"{paint('warning:', RED, colours)} {one_line(f'{found.name}: {note}')}"
        print(line, file=sys.stderr)


def _format(
    args: argparse.Namespace, found: "Conversation", stream: TextIO
) -> CallFormat:
    if args.json:
        return CallLines(found)
    if args.csv:
        return CallCSV(found)
    return CallTable(found, has_colours(stream))


def _run_many(args: argparse.Namespace, name: str, options: Mapping[str, Any]) -> int:
    if args.cluster is not None:
        check_extra("cluster", f"--cluster {args.cluster}")
    from espnet_sentiment.inference.call_archive import answer_calls, read_rows

    suffixes = _suffixes(args.formats)
    calls = args.inputs[0] if len(args.inputs) == 1 else args.inputs
    is_list = Path(args.inputs[0]).is_dir() or (
        Path(args.inputs[0]).suffix.lower() in LIST_SUFFIXES
    )
    summary = answer_calls(
        name,
        calls if is_list or len(args.inputs) > 1 else [calls],
        args.out[0],
        args.turns,
        suffixes,
        write_conversation,
        args.cluster,
        args.fold,
        _asked(args),
        encoder_model=args.encoder_model,
        **options,
    )
    rows = read_rows(summary.predictions)
    colours = has_colours(sys.stderr)
    for row in rows:
        for kind, text in (
            *(("error", text) for text in [row.get("error")] if text),
            *(("warning", f"{row['path']}: {note}") for note in row.get("notes", ())),
        ):
            line = f"{paint(f'{kind}:', RED, colours)} {one_line(text)}"
            print(line, file=sys.stderr)
    write_index_of(Path(args.out[0]), rows)
    print(
        f"{one_line(summary.predictions)}: {summary.entries} calls, {summary.errors} "
        "of them without an answer"
    )
    return int(summary.errors > 0)


def _suffixes(formats: str | None) -> tuple[str, ...]:
    """Return suffixes of what else is asked for.

    Raises:
        UserError: There is no such format.
    """
    given = [name.strip().lstrip(".").lower() for name in (formats or "").split(",")]
    found = tuple(dict.fromkeys(f".{name}" for name in given if name))
    for suffix in found:
        if suffix not in SUFFIXES:
            known = ", ".join(name[1:] for name in SUFFIXES)
            raise UserError(f"--formats {suffix[1:]} is no format: choose of {known}")
    return tuple(suffix for suffix in found if suffix != ".jsonl")
