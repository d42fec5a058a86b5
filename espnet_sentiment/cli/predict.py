"""espnet-sentiment predict: classify recordings."""

import argparse
import contextlib
import functools
import io
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from espnet_sentiment.cli.conversation import (
    EACH,
    add_conversation_options,
    is_conversation,
    run_conversation,
)
from espnet_sentiment.cli.conversation import EPILOG as CONVERSATIONS
from espnet_sentiment.cli.inputs import STDIN, Input, list_inputs
from espnet_sentiment.cli.model_option import (
    MODEL_HELP,
    MODEL_VARIABLE,
    add_computing_options,
    add_fold_option,
    model_name,
)
from espnet_sentiment.cli.output import CSV, Format, JSONLines, Table
from espnet_sentiment.cli.speakers import (
    add_speaker_options,
    each_channel,
    read_known,
    speaker_teller,
    wants_speakers,
)
from espnet_sentiment.cli.startup import ReadAhead, import_toolkit, quick_start
from espnet_sentiment.cli.terminal import RED, has_colours, paint
from espnet_sentiment.cli.timing import Timing
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.core.extras import check_extra
from espnet_sentiment.core.files import atomic_path, check_writable
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.listing import is_recording
from espnet_sentiment.data.pairs import read_pairs

if TYPE_CHECKING:
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.pack.find import ModelFiles

# Options may stand among the recordings.
INTERMIXED = True
HELP = "classify recordings: label and posteriors of every file"
EPILOG = f"""\
Folders are searched, with their subfolders, for recordings by their names: .wav,
.flac, .mp3, .m4a, .mp4 and many more, but nothing hidden. A file that is named itself
may be anything that libsndfile or FFmpeg's libraries read; of a video, the sound is.
A .txt, .lst or .list has a path a line, a .scp an id and a path; in lists, on standard
input as well, a line that begins with # is a comment, and a file whose name begins so
is ./#name. A table (.csv, .tsv, .xlsx, .parquet ...) has a column path, and may have
speaker, start, end and channel: a row is a recording, or a turn of a conversation.

  export {MODEL_VARIABLE}=exp/emodb_whisper_base_rnn_attention_seed0
  espnet-sentiment predict a.wav recordings/
  find . -name '*.flac' | espnet-sentiment predict --json - > answers.jsonl
  ffmpeg -i film.mkv -f wav - | espnet-sentiment predict --transcript -
  espnet-sentiment predict --cluster conf/cluster/local.yaml --out scored list.txt

{CONVERSATIONS}
A recording that cannot be answered is named on standard error, with the reason, and
(in JSON and CSV) in its place among the answers; the exit status is 1 then.
"""
STARTED = time.perf_counter()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE|DIR|-",
        help="recordings, folders of them, lists of both, or -: a list or a recording "
        "on standard input",
    )
    parser.add_argument("--model", "-m", help=MODEL_HELP)
    add_fold_option(parser)
    add_computing_options(parser, channels=(*CHANNELS, EACH))
    parser.add_argument(
        "--max_seconds",
        type=float,
        default=30.0,
        help="longer recordings are cut in pauses and answered by segment as well "
        "(default: 30)",
    )
    parser.add_argument(
        "--cut",
        choices=("vad", "windows"),
        default="vad",
        help="how: by voice activity, which leaves out what is not speech, or into "
        "equal windows (default: vad)",
    )
    parser.add_argument(
        "--transcript",
        action="store_true",
        help="also the words; those with most attention are marked (*so*)",
    )
    parser.add_argument(
        "--asr_model",
        help="what recognises the words, where the encoder does not belong to an ASR "
        "model: a Whisper or an RNN-T",
    )
    add_speaker_options(parser)
    parser.add_argument(
        "--map",
        default="",
        metavar="OURS=THEIRS,...",
        help="columns of tables by our names, such as path=file,speaker=caller",
    )
    parser.add_argument("--sheet", help="of a spreadsheet that has several")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a JSON object a line")
    form.add_argument(
        "--csv",
        action="store_true",
        help="comma-separated values; what a spreadsheet would take for a formula "
        "(text that begins with =, +, - or @) has an apostrophe before it",
    )
    parser.add_argument(
        "--out",
        action="append",
        help="write there, when all is done, instead of to standard output; of a "
        "conversation by its suffix, and several times if need be",
    )
    add_conversation_options(parser)
    parser.add_argument("--timing", action="store_true", help="seconds by phase")
    parser.add_argument(
        "--cluster",
        metavar="FILE",
        help="score a long list by Dask (conf/cluster/*.yaml): the one input is a file "
        "with a path, or an id and a path, a line, or a table, and --out the folder of "
        "the answers; with speakers, all of one go to one worker",
    )


def run(args: argparse.Namespace) -> int:
    """Classify; return the exit status, 1 if an input could not be answered.

    Raises:
        DataError: The model cannot be used, or the answers not be written.
    """
    name = model_name(args.model)
    if is_conversation(args):
        return run_conversation(args, name, _load, _model_options(args))
    args.out = None if args.out is None else args.out[0]
    if args.cluster is not None:
        return _run_on_cluster(args, name)
    timing = Timing(STARTED)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(_open_output(args.out, args.inputs))
        from espnet_sentiment.pack.find import find_model

        files = find_model(name, args.fold)
        timing.lap("start")
        model = _load(args, files, timing)
        spool = stack.enter_context(tempfile.TemporaryDirectory())
        n_broken = _answer(args, model, Path(spool), stream, timing)
    if args.timing:
        print(f"timing: {timing}", file=sys.stderr)
    return int(n_broken > 0)


def _load(args: argparse.Namespace, files: "ModelFiles", timing: Timing):
    """Load the model; what it imports is counted apart."""
    encoder = ReadAhead(files, args.encoder_model)
    with quick_start():
        from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

        import_toolkit(files.description["encoder"]["name"])
        timing.lap("imports")
        encoder.wait()
        model = Speech2Sentiment(
            files.config_file,
            files.model_file,
            args.encoder_model or files.encoder_model,
            progress=sys.stderr.isatty(),
            **_model_options(args),
        )
    if args.dtype == "auto":
        print(f"dtype auto: {model.dtype}, {model.why_dtype}", file=sys.stderr)
    timing.lap("model")
    return model


def _model_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of ``Speech2Sentiment``, those about places aside."""
    names = ("device", "dtype", "channel", "max_seconds", "cut", "asr_model")
    options = {name: getattr(args, name) for name in names}
    return options | ({"channel": None} if args.channel == EACH else {})


def _answer(args, model, spool: Path, stream: TextIO, timing: Timing) -> int:
    """Write all answers; return the number of inputs without one."""
    from tqdm import tqdm

    from espnet_sentiment.cli.scoring import answer_inputs
    from espnet_sentiment.data.recording_table import read_recording_table
    from espnet_sentiment.data.speaker_statistics import BY_ALL, SPEAKER_NORMALISED

    def say(line: str) -> None:
        tqdm.write(one_line(line), file=sys.stderr)

    read = functools.partial(
        read_recording_table, columns=read_pairs("--map", args.map), sheet=args.sheet
    )
    named = list_inputs(args.inputs, _binary_stdin(args.inputs), spool, say, read)
    # Others than standard input name at least one.
    if (first := next(named, None)) is None:
        raise DataError(
            "nothing is named on standard input: pipe a recording, or paths, one a line"
        )
    inputs: Iterable[Input] = itertools.chain([first], named)
    if args.speakers == "channel":
        inputs = each_channel(inputs)
    known = read_known(args.speaker_statistics)
    by_speaker = wants_speakers(args, model.by_speaker)
    speaker_of = speaker_teller(args.speakers) if by_speaker else None
    normalised: Counter[bool] = Counter()
    form = _format(args, model, stream)
    # A table on the terminal shows what is odd about a recording below it.
    is_shown = isinstance(form, Table) and stream.isatty()
    colours, n_broken = has_colours(sys.stderr), 0
    # Answers on the terminal are progress enough.
    has_bar, total = sys.stderr.isatty() and not stream.isatty(), None
    if has_bar and STDIN not in args.inputs:
        listed = list(inputs)
        inputs, total = listed, len(listed)
    with tqdm(total=total, unit="file", disable=not has_bar, leave=False) as bar:
        stream.write(form.head())
        answers = answer_inputs(model, inputs, args.transcript, speaker_of, known)
        for name, answer in answers:
            if "first answer" not in timing.phases:
                timing.lap("first answer")
            if isinstance(answer, DataError):
                n_broken += 1
                line = f"{paint('error:', RED, colours)} {one_line(answer)}"
                bar.write(line, file=sys.stderr)
                stream.write(form.broken(name, answer))
            else:
                for note in () if is_shown else answer.notes:
                    line = f"{paint('warning:', RED, colours)} {one_line(name)}: {note}"
                    bar.write(line, file=sys.stderr)
                stream.write(form.row(name, answer))
                normalised[answer.normalisation == BY_ALL] += 1
            stream.flush()
            bar.update()
    if model.by_speaker:
        say(
            f"{normalised[False]} answers are {SPEAKER_NORMALISED}, "
            f"{normalised[True]} {BY_ALL}"
        )
    if known is not None:
        known.save(args.speaker_statistics)
    timing.lap("other answers")
    return n_broken


def _format(args, model: "Speech2Sentiment", stream: TextIO) -> Format:
    if args.json:
        return JSONLines()
    if args.csv:
        return CSV(model.classes, args.transcript, model.by_speaker)
    return Table(model.classes, has_colours(stream))


def _binary_stdin(inputs: list[str]) -> BinaryIO:
    """Return standard input, or nothing where it is not asked for."""
    return sys.stdin.buffer if STDIN in inputs else io.BytesIO()


@contextlib.contextmanager
def _open_output(out: str | None, inputs: list[str]) -> Iterator[TextIO]:
    """Open what the answers are written to; a file appears when all is written.

    Raises:
        DataError: The file cannot be written, or is one of ``inputs``.
    """
    # Names of files may hold bytes that are no UTF-8.
    errors = "backslashreplace"
    if out is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors=errors)
        yield sys.stdout
        return
    check_writable(out, "--out", read=inputs)
    if Path(out).exists() and is_recording(Path(out).name):  # of a folder or a list
        raise DataError(f"--out {out} would replace a recording: name another")
    # Other errors of the system meanwhile are not the file's.
    with contextlib.ExitStack() as stack:
        with _blaming(out):
            path = stack.enter_context(atomic_path(out))
            file = io.BufferedWriter(_File(path, out))
        with io.TextIOWrapper(file, "utf-8", errors) as stream:
            yield stream
        with _blaming(out):
            stack.close()


class _File(io.FileIO):
    """A file to write, whose errors name the option."""

    def __init__(self, path: Path, out: str):
        super().__init__(path, "w")
        self._out = out

    def write(self, content) -> int:
        with _blaming(self._out):
            return super().write(content)


@contextlib.contextmanager
def _blaming(out: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"--out {out} cannot be written ({error}): name another"
        ) from None


def _run_on_cluster(args: argparse.Namespace, name: str) -> int:
    if len(args.inputs) != 1 or args.out is None or args.csv:
        args.parser.error(
            "--cluster takes one list of recordings and --out DIR, and writes JSON"
        )
    if args.speakers == "channel":
        args.parser.error(
            "--cluster opens no recording beforehand: name channels in a table with "
            "the columns path, channel and speaker, without --speakers channel"
        )
    if args.speaker_statistics:
        args.parser.error(
            "--speaker_statistics is one file, which workers cannot share: leave it "
            "out with --cluster"
        )
    if args.timing:
        args.parser.error("--timing measures this process: leave it out with --cluster")
    check_extra("cluster", f"--cluster {args.cluster}")
    from espnet_sentiment.inference.archive import score_archive

    given = {
        "speakers": args.speakers,
        "columns": read_pairs("--map", args.map),
        "sheet": args.sheet,
    }
    summary = score_archive(
        name,
        args.inputs[0],
        args.out,
        args.cluster,
        fold=args.fold,
        transcript=args.transcript,
        encoder_model=args.encoder_model,
        **{name: value for name, value in given.items() if value},
        **_model_options(args),
    )
    print(
        f"{one_line(summary.predictions)}: {summary.entries} recordings, "
        f"{summary.errors} of them without an answer"
    )
    return int(summary.errors > 0)
