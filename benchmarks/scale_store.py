"""Stage 3 without an encoder: what it would write, out of random numbers, in seconds.

Takes the options of ``espnet_sentiment.bin.encode``. The features are of Whisper base's
size, one layer: 512 channels a frame, 80 ms a frame. They say the class of three of
four utterances, so that a decoder has something to learn and to mistake.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from espnet_sentiment.bin import encode as stage
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.feature_store import StoreWriter
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE
from espnet_sentiment.encoder import encode

CHANNELS, SHIFT = 512, 0.08  # of a frame; seconds
KNOWN = 0.75  # share of the utterances whose features tell their class
STRENGTH = 0.15


def main(argv=None) -> None:
    """Run the stage."""
    data_dir = Path(stage.get_parser().parse_args(argv).data_dir)
    labels = read_table(data_dir / "utt2label")

    def write(
        source: encode.Source,
        num_samples: Mapping[str, int],
        views: Mapping[Path, Mapping],
        meta: Mapping,
        *_: object,
    ) -> tuple[list[Path], list[Path]]:
        shards = encode.plan_shards(num_samples)
        indices, paths = [], []
        for root, view in views.items():
            writer = StoreWriter(root, shards, {**meta, "n_layers": 1, **view})
            features = Features(labels, view.get("view", 0))
            for number, utts in enumerate(tqdm(shards, desc=str(root), unit="shard")):
                made = {
                    utt: features(utt, num_samples[utt] / SAMPLE_RATE) for utt in utts
                }
                writer.write(number, made)
            index, written = writer.finish()
            indices.append(index)
            paths += written
        return indices, paths

    encode.encode = write
    stage.main(argv)


class Features:
    """Random features (T, 512) float16 of an utterance, its class in most of them."""

    def __init__(self, labels: Mapping[str, str], seed: int):
        self.labels, self.rng = labels, np.random.default_rng(seed)
        noise = self.rng.standard_normal((4096, CHANNELS), np.float32)
        self.noise = noise.astype(np.float16)
        self.classes = sorted(set(labels.values()))
        directions = np.random.default_rng(0).standard_normal(
            (len(self.classes), CHANNELS)
        )
        self.directions = (STRENGTH * directions).astype(np.float16)

    def __call__(self, utt: str, seconds: float) -> np.ndarray:
        """Return the features of so many seconds."""
        n = max(1, int(seconds / SHIFT))
        place = self.rng.integers(len(self.noise) - n)
        number = self.classes.index(self.labels[utt])
        if self.rng.random() > KNOWN:
            number = self.rng.integers(len(self.classes))
        return self.noise[place : place + n] + self.directions[number]


if __name__ == "__main__":
    run(main)
