"""How long after the end of a turn its answer comes, and whether it is offline's.

    python benchmarks/stream.py egs/emodb/exp/emodb_whisper_base_rnn_attention_seed0 \\
        /path/to/emodb/wav --speaker 03 --turns 20

Utterances of one speaker, with pauses between them, are given chunk by chunk, as fast
as they are answered. A turn's true end is that of its utterance's last 20 ms window
within 40 dB of the loudest; its answer comes when the stream has heard what settles
the turn, and the posteriors are computed.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from espnet_sentiment.core.entry import prepare_imports, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
from espnet_sentiment.inference.long_recordings import speech_spans
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.inference.waveform import Excerpt, open_recording

RATE = 16000
WINDOW = RATE // 50


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="as of predict")
    parser.add_argument("folder", type=Path, help="WAVs whose names begin by a speaker")
    parser.add_argument("--speaker", default="03")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--pause", type=float, default=1.5, help="seconds")
    parser.add_argument("--chunk", type=float, default=0.02, help="seconds")
    parser.add_argument("--threads", type=int, help="default: PyTorch's")
    parser.add_argument("--encoder_model", help="where the encoder is now")
    return parser


def conversation(paths: list[Path], pause: float) -> tuple[np.ndarray, list[float]]:
    """Return utterances with pauses of faint noise, and where each ends, in seconds."""
    rng, parts, ends, n = np.random.default_rng(0), [], [], 0
    for path in paths:
        speech, rate = soundfile.read(path, dtype="float32")
        if rate != RATE or speech.ndim > 1:
            raise DataError(f"{path} is not mono at {RATE} Hz: give such files")
        whole = len(speech) // WINDOW * WINDOW
        power = np.square(speech[:whole]).reshape(-1, WINDOW).mean(axis=1)
        loud = np.flatnonzero(power > 1e-4 * power.max())
        ends.append((n + (loud[-1] + 1) * WINDOW) / RATE)
        silence = rng.normal(0, 1e-4, round(pause * RATE)).astype(np.float32)
        parts += [speech, silence]
        n += len(speech) + len(silence)
    return np.concatenate(parts), ends


def main(argv=None) -> None:
    """Print delays, the share of real time, and differences from offline."""
    args = get_parser().parse_args(argv)
    prepare_imports()
    if args.threads:
        torch.set_num_threads(args.threads)
    paths = sorted(args.folder.glob(f"{args.speaker}*.wav"))[: args.turns]
    if not paths:
        raise DataError(f"{args.folder} has no {args.speaker}*.wav: name others")
    samples, ends = conversation(paths, args.pause)
    model = Speech2Sentiment.from_pretrained(
        args.model, encoder_model=args.encoder_model
    )
    speaker = args.speaker if model.by_speaker else None
    stream = model.stream(rate=RATE, speaker=speaker)
    next(iter(model.predict([samples[: 2 * RATE]])))  # what the first one waits for
    turns, computing, hearing = [], [], []
    step = round(args.chunk * RATE)
    for first in range(0, len(samples), step):
        began, cpu = time.perf_counter(), time.process_time()
        found = list(stream.push(samples[first : first + step]))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        (computing if found else hearing).append((wall, cpu))
        turns += found
    turns += stream.close()
    seconds = len(samples) / RATE
    inside = [[end for end in ends if t.start < end < t.heard] for t in turns]
    waiting = [t.heard - max(e) for t, e in zip(turns, inside, strict=True) if e]
    walls, cpus = zip(*computing, strict=True)
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads: {len(paths)} "
        f"utterances, {seconds:.0f} s, {len(turns)} turns"
    )
    print(f"  from the end of speech to the turn's end being known: {_told(waiting)}")
    print(f"  computing its answer, by the clock: {_told(walls)}")
    print(f"  computing its answer, of processors: {_told(cpus)}")
    for what, rows in (("hearing", hearing), ("answering", computing)):
        clock, of_one = (100 * sum(row) / seconds for row in zip(*rows, strict=True))
        print(
            f"  {what}: {clock:.1f} % of real time by the clock, {of_one:.1f} % of "
            "one processor"
        )
    _compare(model, samples, turns, speaker)


def _compare(model, samples, turns, speaker) -> None:
    """Print how far turns and posteriors are from offline's."""
    offline = speech_spans(open_recording(samples, RATE, RATE), model.max_seconds)
    excerpts = [Excerpt(samples, turn.start, turn.end) for turn in turns]
    if speaker is None:
        answers = list(model.predict(excerpts))
    else:
        known = SpeakerStatistics()
        answers = [
            model(excerpt, speaker=speaker, speaker_statistics=known)
            for excerpt in excerpts
        ]
    largest = max(
        abs(turn.posteriors[name] - answer.posteriors[name])
        for turn, answer in zip(turns, answers, strict=True)
        for name in model.classes
    )
    print(f"  posteriors differ from the excerpts' by {largest:.1e} at most")
    if len(offline) != len(turns):
        print(f"  offline finds {len(offline)} turns")
        return
    edges = np.abs([(t.start, t.end) for t in turns] - np.array(offline)).ravel()
    print(
        f"  edges differ from offline's by {1000 * edges.mean():.0f} ms in the mean, "
        f"{1000 * edges.max():.0f} ms at most; {np.mean(edges == 0):.0%} are the same"
    )


def _told(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    return (
        f"median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to "
        f"{max(seconds):.2f} s ({len(seconds)} turns)"
    )


if __name__ == "__main__":
    run(main)
