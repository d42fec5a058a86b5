"""espnet-sentiment stream: answer turns while somebody speaks."""

import argparse
import contextlib
import io
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from espnet_sentiment.cli.model_option import (
    MODEL_HELP,
    MODEL_VARIABLE,
    add_computing_options,
    add_fold_option,
    model_name,
)
from espnet_sentiment.cli.output import Table
from espnet_sentiment.cli.pcm import chunks, open_pcm
from espnet_sentiment.cli.speakers import read_known
from espnet_sentiment.cli.terminal import DIM, RED, has_colours, paint
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import json_text, one_line

if TYPE_CHECKING:
    import numpy as np

    from espnet_sentiment.inference.stream import LiveTurn, SentimentStream

HELP = "answer turns while somebody speaks, from a microphone on standard input"
EPILOG = f"""\
Standard input is WAV, of unknown length as arecord and ffmpeg pipe it, or raw 16-bit
PCM (mono, little-endian) with --rate. A line is written when a turn has ended; Ctrl-C
ends the last one.

  export {MODEL_VARIABLE}=exp/emodb_whisper_base_rnn_attention_seed0
  arecord -q -f S16_LE -r 16000 | espnet-sentiment stream
  arecord -q -t raw -f S16_LE -r 16000 | espnet-sentiment stream --rate 16000
  ffmpeg -v error -i rtmp://... -ac 1 -f wav - | espnet-sentiment stream --json

A turn that cannot be answered is told on standard error; the exit status is 1 then.
"""
AHEAD = 512  # chunks that wait while a turn is answered; then the pipe waits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "input", nargs="?", default="-", metavar="-", help="standard input, the default"
    )
    parser.add_argument("--model", "-m", help=MODEL_HELP)
    add_fold_option(parser)
    add_computing_options(parser)
    parser.add_argument("--rate", type=int, help="samples a second of raw PCM")
    parser.add_argument(
        "--partial",
        type=float,
        metavar="SECONDS",
        help="also answer the turn that goes on, so often",
    )
    parser.add_argument(
        "--min_pause",
        type=float,
        default=0.5,
        help="seconds of silence that end a turn (default: 0.5, as in recordings)",
    )
    parser.add_argument(
        "--max_seconds",
        type=float,
        default=30.0,
        help="longer turns are cut at their longest pause (default: 30)",
    )
    parser.add_argument(
        "--transcript",
        action="store_true",
        help="also the words of whole turns; those with most attention are marked "
        "(*so*)",
    )
    parser.add_argument(
        "--asr_model",
        help="what recognises the words, where the encoder does not belong to an ASR "
        "model: a Whisper or an RNN-T",
    )
    parser.add_argument(
        "--speaker",
        metavar="NAME",
        help="who speaks: a model by speaker normalises each turn by all he has said",
    )
    parser.add_argument(
        "--speaker_statistics",
        metavar="FILE",
        help="what is known of speakers, by their names: read, if it is there, and "
        "written with what is heard now, at the end (.npz)",
    )
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Answer to the end of standard input, or Ctrl-C; return the exit status.

    Raises:
        DataError: The model cannot be used, or what is piped not be read.
        UserError: An option is wrong.
    """
    if args.input != "-":
        raise DataError(
            f"{args.input}: this command reads standard input alone: pipe the sound, "
            "as by < FILE.wav, or use 'espnet-sentiment predict' for files"
        )
    name = model_name(args.model)
    from espnet_sentiment.inference.samples import check_rate
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.inference.stream import VAD_RATE, check_times

    check_times(args.partial, args.min_pause)
    known = read_known(args.speaker_statistics)
    with contextlib.closing(_pipe(sys.stdin)) as pipe:
        # Before the seconds that loading takes: the microphone may be a typing error.
        pcm, first = open_pcm(pipe, args.rate)
        check_rate(pcm.rate, VAD_RATE, "standard input")
        options = ("encoder_model", "device", "dtype", "max_seconds", "asr_model")
        model = Speech2Sentiment.from_pretrained(
            name, args.fold, **{key: getattr(args, key) for key in options}
        )
        stream = model.stream(
            rate=pcm.rate,
            channel=args.channel,
            speaker=args.speaker,
            partial=args.partial,
            min_pause=args.min_pause,
            speaker_statistics=known,
            transcript=args.transcript,
        )
        with _until_interrupted(_ReadAhead(pipe, pcm, first)) as heard:
            n_broken = _answer(args, model.classes, stream, heard, sys.stdout)
    if known is not None:
        known.save(args.speaker_statistics)
    return int(n_broken > 0)


def _answer(
    args: argparse.Namespace,
    classes: list[str],
    stream: "SentimentStream",
    heard: "_ReadAhead",
    out: TextIO,
) -> int:
    """Write answers; return the number of turns without one."""
    table = TurnTable(classes, has_colours(out))
    n_broken = 0
    if not args.json:
        out.write(table.head())
        out.flush()
    for chunk in heard:
        turns = stream.close() if chunk is None else stream.push(chunk)
        while True:
            try:
                turn = next(turns, None)
            except DataError as error:
                n_broken += 1
                _say(f"error: {one_line(error)}")
                turns = stream.close() if chunk is None else stream.push(chunk[:0])
                continue
            if turn is None:
                break
            row = json_text(turn.as_dict()) + "\n" if args.json else table.turn(turn)
            out.write(row)
            out.flush()
    for note in stream.notes:
        _warn(note)
    return n_broken


def _say(line: str) -> None:
    kind, _, rest = line.partition(" ")
    print(paint(kind, RED, has_colours(sys.stderr)), rest, file=sys.stderr)


def _warn(line: str) -> None:
    _say(f"warning: {line}")


class TurnTable(Table):
    """A line a turn; of partial answers, it ends in dots."""

    def head(self) -> str:
        """Return the names of the columns."""
        return super().head().replace("file", "turn")

    def turn(self, turn: "LiveTurn") -> str:
        """Return an answer; notes and words follow it."""
        when = f"{turn.start:.1f} to {turn.end:.1f} s"
        seconds = turn.end - turn.start
        if not turn.final:
            line = self._line(turn, seconds, f"{when} ...")
            return paint(line, DIM, self.colours) + "\n"
        lines = [self._line(turn, seconds, when)]
        lines += [f"  ({note})" for note in turn.notes]
        if turn.text is not None:
            lines.append(f"  {self._words(turn)}")
        return "".join(f"{line}\n" for line in lines)


class _ReadAhead:
    """Chunks that a thread reads while turns are answered, and None at the end.

    A microphone's program loses sound when its pipe is full.
    """

    def __init__(self, pipe: BinaryIO, pcm: Any, first: bytes):
        self._chunks: queue.Queue[np.ndarray] = queue.Queue(AHEAD)
        self._ended = threading.Event()
        # It may wait for the microphone when the program ends.
        self._thread = threading.Thread(
            target=self._read, args=(pipe, pcm, first), daemon=True
        )
        self._thread.start()

    def _read(self, pipe: BinaryIO, pcm: Any, first: bytes) -> None:
        try:
            for chunk in chunks(pipe, pcm, first, _warn):
                if self._ended.is_set():
                    return
                self._chunks.put(chunk)
        except OSError as error:
            _say(f"error: standard input cannot be read ({error}): it ends here")
        finally:
            self.end()

    def end(self) -> None:
        """Take no more; what has been read is still given."""
        self._ended.set()

    def __iter__(self) -> "Iterator[np.ndarray | None]":
        import numpy as np

        while True:
            has_ended = self._ended.is_set()
            try:
                # Ctrl-C ends the waiting within this time.
                waiting = [self._chunks.get(timeout=0.1)]
            except queue.Empty:
                if has_ended:
                    yield None
                    return
                continue
            # Together: of partial answers that are due by now, only the last counts.
            with contextlib.suppress(queue.Empty):
                while True:
                    waiting.append(self._chunks.get_nowait())
            yield np.concatenate(waiting)


@contextlib.contextmanager
def _until_interrupted(heard: _ReadAhead) -> Iterator[_ReadAhead]:
    """Let the first Ctrl-C end the sound, and a second one the program."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before)
        heard.end()

    if threading.current_thread() is not threading.main_thread():
        yield heard  # Python lets no other thread set handlers.
        return
    before = signal.signal(signal.SIGINT, end)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


def _pipe(stdin: TextIO) -> BinaryIO:
    """Return standard input unbuffered: a buffer would wait until it is full."""
    try:
        return io.FileIO(stdin.fileno(), closefd=False)
    except (OSError, ValueError):
        raise DataError("standard input is closed: pipe the sound") from None
