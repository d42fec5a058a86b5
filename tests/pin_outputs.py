"""What every stage makes of a tiny corpus, in a few numbers; and the file of them.

    python tests/pin_outputs.py     writes tests/pinned_outputs.json anew

To be run after a stage's ALGORITHM was raised, because the stage computes something
else than before from the same inputs: recipes that have run make that stage's outputs
again then.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

import kaldiio
import numpy as np
import soundfile
from stage_world import World, finished_world

from espnet_sentiment.bin import (
    encode,
    fetch_encoder,
    make_features,
    report,
    score,
    sentiment_inference,
    sentiment_train,
)
from espnet_sentiment.core.files import read_json, read_table, write_json
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import PARTS, read_folds
from espnet_sentiment.recipe import prepare

PINNED = Path(__file__).with_name("pinned_outputs.json")
# Of another run or machine, or hashed by the stage.
UNLIKE = ("seconds", "config", "versions", "texts")
STAGES = {
    "0": prepare,
    "1": make_features,
    "2": fetch_encoder,
    "3": encode,
    "4": sentiment_train,
    "5": sentiment_inference,
    "6": score,
    "report": report,
}


def measure(world: World) -> dict[str, dict]:
    """Return numbers of what every stage of a finished world has made, and of which."""
    root = world.root
    experiment = next(root.glob("exp/an4_*"))
    made = {
        "0": _data(root / "data" / "an4"),
        "1": _features(root / "dump"),
        "2": read_json(root / "dump" / "small" / "encoder.json")["parameters"],
        "3": {
            path.parent.name: _spread(FeatureStore(path.parent).values())
            for path in sorted((root / "dump" / "small" / "an4").rglob("index.json"))
        },
        "4": {
            fold: read_json(experiment / fold / "history.json")
            for fold in ("fold1", "fold2")
        },
        "5": _posteriors(experiment),
        "6": _scores(read_json(experiment / "results.json")),
        "report": _page((experiment / "report.html").read_text(encoding="utf-8")),
    }
    return {
        name: {"algorithm": STAGES[name].ALGORITHM, "made": numbers}
        for name, numbers in made.items()
    }


def _spread(arrays) -> list[float]:
    """Return mean and standard deviation of all values, and how many there are."""
    values = np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])
    return [float(values.mean()), float(values.std()), len(values)]


def _data(folder: Path) -> dict:
    tables = ("text", "utt2spk", "spk2utt", "utt2label", "utt2votes", "classes")
    folds = {f.name: {p: getattr(f, p) for p in PARTS} for f in read_folds(folder)}
    found = {name: read_table(folder / name) for name in tables} | {"folds": folds}
    return found | {"overlap": read_json(folder / "overlap.json")}


def _features(dump: Path) -> dict:
    audio = read_table(dump / "audio" / "an4" / "wav.scp")
    matrices = kaldiio.load_scp(str(dump / "fbank" / "an4" / "feats.scp"))
    return {
        "audio": _spread(soundfile.read(path)[0] for path in audio.values()),
        "fbank": _spread(matrices.values()),
    }


def _posteriors(experiment: Path) -> dict:
    lines = "".join(
        path.read_text() for path in sorted(experiment.glob("fold*/decode/*.jsonl"))
    )
    rows = [json.loads(line) for line in lines.splitlines()]
    return {row["utt"]: row["posteriors"] for row in rows}


def _scores(results: dict) -> dict:
    kept = ("n_utterances", "pooled", "folds", "mean", "confusion", "majority", "human")
    return {key: results[key] for key in (*kept, "overlap")}


def _page(html: str) -> dict:
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)
    page = json.loads(text[1].replace("<\\/", "</"))
    return {key: page[key] for key in sorted(page) if key not in UNLIKE}


def main() -> None:
    """Write the file."""
    from conftest import unpack_an4

    with tempfile.TemporaryDirectory() as folder:
        root, wavs = Path(folder) / "pin", unpack_an4(Path(folder))
        world, _ = finished_world(root, wavs, fbank=True)
        write_json(PINNED, measure(world))
    print(PINNED, file=sys.stderr)


if __name__ == "__main__":
    main()
