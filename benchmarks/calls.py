"""Calls with known truth: what conversation answers of them, and what it costs.

    python benchmarks/calls.py EXPERIMENT EMODB NEMO --encoder_model MODEL
    python benchmarks/calls.py ... --long 7200          # memory and seconds, alone

EXPERIMENT was trained on EmoDB (egs/emodb) and each of its folds leaves a speaker out;
its model answers calls in which he is channel 0, so he is new to it. Channel 1 is a
speaker of nEMO, who is there to interrupt him, and is never counted. Two speakers take
turns of an utterance each, with pauses of up to 1.5 s and overlaps of up to 0.5 s.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from memory import measure

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser_fixture import start_chromium

from espnet_sentiment.core.entry import run
from espnet_sentiment.data.audio import read_audio, resample
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.inference.waveform import Excerpt
from espnet_sentiment.scoring.predictions import read_predictions
from espnet_sentiment.turns.turn import Turn

RATE, FRAME = 16000, 0.01
NOISE = 3e-4  # -70 dB, so that no line is digitally silent
PAUSES = (-0.5, 1.5)
LENGTHS = (0.25, 0.5, 0.75, 1.0, 2.0)
FORMS = {
    "16 kHz, two channels": (RATE, "PCM_16", "each"),
    "8 kHz mu-law, two channels": (8000, "ULAW", "each"),
    "16 kHz, mixed": (RATE, "PCM_16", "mix"),
}


class Utterance(NamedTuple):
    """A recording and its label; None is not counted."""

    path: Path
    label: str | None


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", type=Path, help="exp/SET_NAME, after stage 5")
    parser.add_argument("emodb", type=Path, help="folder with wav/")
    parser.add_argument("nemo", type=Path, help="folder with samples/")
    parser.add_argument("--encoder_model", help="where the encoder is now")
    parser.add_argument("--folds", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--long", type=float, metavar="SECONDS", help="measure one call of so long"
    )
    return parser


def tested(experiment: Path, emodb: Path, fold: str) -> list[Utterance]:
    """Return what a fold's model has never heard."""
    rows = read_predictions(experiment / fold / "decode" / "predictions.jsonl")
    return [Utterance(emodb / "wav" / f"{r['utt']}.wav", r["label"]) for r in rows]


def one_speaker(nemo: Path, rng: random.Random) -> list[Utterance]:
    """Return utterances of a speaker of nEMO."""
    paths = sorted((nemo / "samples").glob("*.opus"))
    chosen = rng.choice(sorted({path.name.split("_")[0] for path in paths}))
    return [Utterance(p, None) for p in paths if p.name.startswith(f"{chosen}_")]


def turns_of_two(
    sides: Sequence[Sequence[Utterance]], rng: random.Random, seconds: float | None
) -> Iterator[tuple[float, int, Utterance, np.ndarray]]:
    """Give start, channel, utterance and samples, until the first side has said all.

    Args:
        sides: Of both channels; the second begins anew where it ends.
        rng: Chooses order and pauses.
        seconds: Until when; then the first begins anew, too.
    """
    at, ends = 0.5, [0.0, 0.0]
    order = [rng.sample(list(side), len(side)) for side in sides]
    number = 0
    while (number // 2 < len(order[0])) if seconds is None else (at < seconds):
        side = number % 2
        utterance = order[side][number // 2 % len(order[side])]
        samples = read_audio(utterance.path, RATE)
        start = max(at, ends[side] + 0.1)
        yield start, side, utterance, samples
        ends[side] = start + len(samples) / RATE
        at = max(start, ends[side] + rng.uniform(*PAUSES))
        number += 1


def write_call(
    path: Path,
    sides: Sequence[Sequence[Utterance]],
    seed: int,
    form: str,
    seconds: float | None = None,
) -> list[Turn]:
    """Write a call, whatever its length, and return its true turns, labelled."""
    rate, subtype, channel = FORMS[form]
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    turns: list[Turn] = []
    shape = 1 if channel == "mix" else 2
    with soundfile.SoundFile(path, "w", rate, shape, subtype) as file:
        waiting, first = np.zeros((0, 2), np.float32), 0

        def write(rows: np.ndarray) -> None:
            rows = rows + NOISE * noise.standard_normal(rows.shape).astype(np.float32)
            rows = rows.mean(axis=1, keepdims=True) if channel == "mix" else rows
            columns = [resample(np.ascontiguousarray(c), RATE, rate) for c in rows.T]
            file.write(np.stack(columns, axis=1))

        for start, side, utterance, samples in turns_of_two(sides, rng, seconds):
            begin = round(start * RATE)
            # Nobody starts earlier than this less a pause; whole seconds are resampled.
            done = max(0, int(start - 1) - first // RATE) * RATE
            if len(waiting) < (end := begin + len(samples) - first):
                waiting = np.pad(waiting, ((0, end - len(waiting)), (0, 0)))
            waiting[begin - first : end, side] += samples
            turns.append(
                Turn(
                    begin / RATE,
                    begin / RATE + len(samples) / RATE,
                    f"side {side}",
                    None if channel == "mix" else str(side),
                    label=utterance.label,
                )
            )
            if done:
                write(waiting[:done])
                waiting, first = waiting[done:], first + done
        rest = -len(waiting) % RATE
        write(np.pad(waiting, ((0, rest), (0, 0))))
    return turns


class Counts(NamedTuple):
    """Of one form over all folds."""

    difference: float = 0.0
    right: int = 0
    turns: int = 0
    frames: int = 0
    heard: int = 0
    right_frames: int = 0
    found: float = 0.0
    outside: float = 0.0


def count(model: Speech2Sentiment, path: Path, turns: list[Turn], form: str) -> Counts:
    """Answer a call by its true turns, and by voice activity."""
    channel = FORMS[form][2]
    by_truth = model.conversation(path, turns, channel, min_seconds=0)
    excerpts = [Excerpt(path, t.start, t.end, t.channel or channel) for t in turns]
    difference, right = 0.0, 0
    for turn, one, other in zip(
        turns, by_truth.turns, model.predict(excerpts), strict=True
    ):
        pairs = zip(one.posteriors.values(), other.posteriors.values(), strict=True)
        difference = max(difference, *(abs(x - y) for x, y in pairs))
        right += turn.label is not None and one.label == turn.label
    truth = [turn for turn in turns if turn.label is not None]
    by_voice = model.conversation(path, None, channel)
    size = round(by_voice.duration / FRAME) + 1
    said = np.full(size, "", object)
    anybody = np.zeros(size, bool)
    own = None if channel == "mix" else "0"
    spoken = np.zeros(size)
    for turn in turns:
        if channel == "mix" or turn.label is not None:
            anybody[_frames(turn)] = True
    for turn in by_voice.turns:
        if turn.channel == own:
            said[_frames(turn)] = turn.label
            spoken[_frames(turn)] = 1
    frames = [(said[_frames(turn)], turn.label) for turn in truth]
    return Counts(
        difference,
        right,
        len(truth),
        sum(len(found) for found, _ in frames),
        sum(int((found != "").sum()) for found, _ in frames),
        sum(int((found == label).sum()) for found, label in frames),
        float(spoken.sum()),
        float(spoken[~anybody].sum()),
    )


def _frames(turn) -> slice:
    return slice(round(turn.start / FRAME), round(turn.end / FRAME))


def by_length(model: Speech2Sentiment, utterances: list[Utterance]) -> list[int]:
    """Return how many are right of which so many seconds are heard, and all of it."""
    found = []
    for seconds in (*LENGTHS, None):
        inputs = []
        for path, _ in utterances:
            samples = read_audio(path, RATE)
            middle = len(samples) // 2
            half = len(samples) if seconds is None else round(seconds * RATE / 2)
            inputs.append((samples[max(0, middle - half) : middle + half], RATE))
        answers = model.predict(inputs)
        pairs = zip(answers, utterances, strict=True)
        found.append(sum(a.label == u.label for a, u in pairs))
    return found


def print_accuracy(args: argparse.Namespace, folder: Path) -> None:
    """Print the tables of all forms, and of lengths."""
    folds = sorted(p.parent.name for p in args.experiment.glob("fold*/decode"))
    folds = folds[: args.folds]
    rows: dict[str, list[Counts]] = {form: [] for form in FORMS}
    lengths, total = np.zeros(len(LENGTHS) + 1, int), 0
    for number, fold in enumerate(folds):
        model = Speech2Sentiment.from_pretrained(
            args.experiment / fold, encoder_model=args.encoder_model
        )
        own = tested(args.experiment, args.emodb, fold)
        lengths += by_length(model, own)
        total += len(own)
        seed = args.seed + number
        other = one_speaker(args.nemo, random.Random(seed))
        for form in FORMS:
            path = folder / "call.wav"
            turns = write_call(path, (own, other), seed, form)
            rows[form].append(count(model, path, turns, form))
        print(f"{fold}: {len(own)} utterances", file=sys.stderr)
    print(
        f"{total} utterances of {len(folds)} speakers who are new to their model\n\n"
        "| call | difference to predict | WA, true turns | WA, 10 ms frames, voice "
        "activity | speech lost | WA of what is found | found, but nobody speaks |\n"
        "|---|---|---|---|---|---|---|"
    )
    for form, found in rows.items():
        largest = max(one.difference for one in found)
        one = Counts(largest, *map(sum, list(zip(*found, strict=True))[1:]))
        print(
            f"| {form} | {largest:.1e} | {100 * one.right / one.turns:.1f} % | "
            f"{100 * one.right_frames / one.frames:.1f} % | "
            f"{100 * (1 - one.heard / one.frames):.1f} % | "
            f"{100 * one.right_frames / one.heard:.1f} % | "
            f"{100 * one.outside / one.found:.1f} % |"
        )
    print("\n| seconds heard, of the middle | WA |\n|---|---|")
    for seconds, right in zip((*LENGTHS, "all"), lengths, strict=True):
        print(f"| {seconds} | {100 * right / total:.1f} % |")


def print_cost(args: argparse.Namespace, folder: Path) -> None:
    """Print what a sixth of a long call, and all of it, and their pages cost."""
    (fold, *_) = sorted(p.parent.name for p in args.experiment.glob("fold*/decode"))
    sides = (
        tested(args.experiment, args.emodb, fold),
        one_speaker(args.nemo, random.Random(args.seed)),
    )
    options = ["--encoder_model", args.encoder_model] if args.encoder_model else []
    print(
        "| call, two channels | turns found | seconds | of CPU | real-time factor | "
        "peak memory, MB | call.html, MB | opens in, s |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    path, answers = folder / "call.wav", folder / "answers.jsonl"
    page = folder / "call.html"
    for seconds in (args.long / 6, args.long):
        write_call(path, sides, args.seed, "16 kHz, two channels", seconds)
        program = Path(sys.executable).with_name("espnet-sentiment")
        command = [program, "predict", path, "--channel", "each", "--out", answers]
        command += ["--out", page, "-m", args.experiment / fold, *options]
        used = measure(command, folder / "log")
        duration = soundfile.info(path).duration
        n_turns = len(answers.read_text().splitlines())
        print(
            f"| {duration / 60:.1f} min | {n_turns} | {used.seconds:.0f} | "
            f"{used.cpu:.0f} | {used.seconds / duration:.3f} | "
            f"{used.private / 2**20:.0f} | {page.stat().st_size / 1e6:.1f} | "
            f"{seconds_to_open(page):.1f} |",
            flush=True,
        )


def seconds_to_open(page: Path) -> float:
    """Return seconds until Chromium shows the turns of a page."""
    with start_chromium() as browser:
        tab = browser.new_page()
        begin = time.perf_counter()
        tab.goto(page.resolve().as_uri())
        tab.locator("table.turns tbody tr").first.wait_for(timeout=120_000)
        return time.perf_counter() - begin


def main(argv=None) -> None:
    """Make calls, and print tables."""
    args = get_parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        if args.long:
            print_cost(args, Path(folder))
        else:
            print_accuracy(args, Path(folder))


if __name__ == "__main__":
    run(main)
