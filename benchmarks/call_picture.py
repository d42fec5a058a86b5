"""A call of EmoDB's utterances, its page, and the picture of it in docs/.

    cd egs/emodb
    python ../../benchmarks/call_picture.py exp/emodb_NAME EMODB data/emodb/text \\
        ../../docs/call.png

EMODB is the folder that has wav/ in it; data/emodb/text is stage 0's. Two speakers
talk, each on a channel of his own, whom other folds test: one says neutral utterances
and then angry ones, the other neutral ones. Labels and posteriors are those of stage 5,
in which each speaker is tested by a model that never heard him. Chromium takes the
picture by Playwright.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser_fixture import start_chromium

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import atomic_path, read_table
from espnet_sentiment.data.audio import read_audio
from espnet_sentiment.report.call_page import write_call_page
from espnet_sentiment.scoring.predictions import read_predictions

RATE = 16_000
PAUSE = 0.3  # seconds between turns
OVERLAPS = {7: 0.6, 18: 0.8}  # turns that begin so many seconds before their time
COLOURS = 128  # of the picture


def main(argv=None) -> None:
    """Write page and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", type=Path, help="a decoded experiment of EmoDB")
    parser.add_argument("wav", type=Path, help="EmoDB's folder, with wav/ in it")
    parser.add_argument("texts", type=Path, help="what is said: text of stage 0")
    parser.add_argument("png", type=Path, help="picture to write")
    parser.add_argument("--page", type=Path, help="keep the page, too")
    parser.add_argument("--speakers", nargs=2, default=["11", "08"])
    args = parser.parse_args(argv)
    texts = read_table(args.texts)
    conversation, samples = make_call(args.experiment, args.wav, args.speakers, texts)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "call.wav"
        soundfile.write(wav, samples, RATE)
        page = args.page or Path(folder) / "call.html"
        write_call_page(page, conversation, wav)
        take_picture(page, args.png)
    print(f"{args.png}: {args.png.stat().st_size / 1000:.0f} kB")


def make_call(
    experiment: Path, corpus: Path, speakers: list[str], texts: dict[str, str]
) -> tuple[dict, np.ndarray]:
    """Return what ``Conversation.as_dict`` gives of it, and samples (N, 2)."""
    rows = {
        row["utt"]: row
        for path in sorted(experiment.glob("fold*/decode/predictions.jsonl"))
        for row in read_predictions(path)
    }

    def said(speaker: str, label: str) -> list[str]:
        return [u for u in rows if u[:2] == speaker and rows[u]["label"] == label]

    first, second = speakers
    one = [*said(first, "neutral"), *said(first, "anger")]
    other = said(second, "neutral")
    order = [u for pair in zip(one, other, strict=False) for u in pair]
    order += one[len(other) :]
    turns, pieces, time = [], [], 1.0
    for number, utt in enumerate(order):
        heard = read_audio(corpus / "wav" / f"{utt}.wav", RATE)
        start = time - OVERLAPS.get(number, 0)
        time = start + len(heard) / RATE + PAUSE
        channel = speakers.index(utt[:2])
        pieces.append((channel, round(start * RATE), heard))
        turns.append(
            {
                "start": round(start, 3),
                "end": round(start + len(heard) / RATE, 3),
                "speaker": f"speaker {utt[:2]}",
                "channel": str(channel),
                "label": rows[utt]["prediction"],
                "posteriors": rows[utt]["posteriors"],
                "overlap": 0.0,
                "text": texts[utt],
            }
        )
    for before, turn in zip(turns, turns[1:], strict=False):
        shared = round(max(0.0, before["end"] - turn["start"]), 3)
        before["overlap"] = max(before["overlap"], shared)
        turn["overlap"] = shared
    samples = np.zeros((round((time + 1) * RATE), 2), np.float32)
    for channel, begin, heard in pieces:
        samples[begin : begin + len(heard), channel] += heard
    conversation = {
        "name": "call",
        "duration": len(samples) / RATE,
        "channels": 2,
        "classes": sorted(rows[order[0]]["posteriors"]),
        "turns": turns,
        "turns_from": "EmoDB's utterances",
        "notes": [],
        "dtype": "float32",
    }
    return conversation, samples


def take_picture(page: Path, png: Path) -> None:
    """Show the page 1200 px wide, as a person sees it who has pressed a turn."""
    with start_chromium() as browser, atomic_path(png) as temporary:
        tab = browser.new_page(viewport={"width": 1200, "height": 1430})
        tab.goto(page.resolve().as_uri())
        for _ in range(15):
            tab.locator(".timeline").press("PageDown")
        tab.evaluate("document.activeElement.blur()")
        tab.evaluate("window.scrollTo(0, 0)")
        tab.screenshot(path=str(temporary.with_suffix(".png")))
        with Image.open(temporary.with_suffix(".png")) as picture:
            picture.convert("RGB").quantize(COLOURS).save(
                temporary, format="PNG", optimize=True
            )
        temporary.with_suffix(".png").unlink()


if __name__ == "__main__":
    run(main)
