"""What stage 1 wrote of a set, for the stages that read it."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from espnet_sentiment.core.files import PathLike, sha256_of
from espnet_sentiment.core.stamp import DONE, Stamp, need_stamp
from espnet_sentiment.data.dump import SIZES, features_dir, read_sizes
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir
from espnet_sentiment.recipe.stage import stat_hash

HOPS = {"audio": SAMPLE_RATE // 100, "fbank": 1}  # units in 10 ms


@dataclasses.dataclass(frozen=True)
class Features:
    """A complete dump.

    Args:
        dir: Its folder.
        kind: ``audio`` or ``fbank``.
        stamp: Stage 1's.
    """

    dir: Path
    kind: str
    stamp: Stamp

    @property
    def inputs(self) -> dict[str, Any]:
        """What it was made from."""
        return self.stamp.inputs

    def sizes(self, data: KaldiDir) -> dict[str, int]:
        """Return the samples or frames of every utterance.

        Raises:
            DataError: One of the set is missing, or the table was changed.
        """
        self.stamp.check(self.dir / SIZES[self.kind])
        return read_sizes(self.dir / SIZES[self.kind], data)

    def num_frames(self, data: KaldiDir) -> dict[str, int]:
        """Return the frames of 10 ms, begun ones included, of a set's utterances.

        Raises:
            DataError: One is missing.
        """
        sizes, hop = self.sizes(data), HOPS[self.kind]
        return {utt: -(-sizes[utt] // hop) for utt in data.utts}


def cut_inputs(data: KaldiDir) -> dict[str, str]:
    """Hash what a set's utterances are cut from, and where."""
    return {
        "wav.scp": sha256_of(data.wav_scp),
        "segments": sha256_of(data.segments),
        "channels": sha256_of(data.channels),
        "utterances": sha256_of(data.utts),
    }


def find_features(dump: PathLike, kind: str, data: KaldiDir) -> Features:
    """Find what stage 1 wrote of a set.

    Args:
        dump: Folder of features.
        kind: ``audio`` or ``fbank``.
        data: The set.

    Raises:
        DataError: It is not complete, or of other utterances or recordings.
    """
    folder = features_dir(dump, kind, data.path.name)
    stamp = need_stamp(folder / DONE, f"stage 1 (features) on {kind}")
    stamp.expect(cut_inputs(data))
    recordings = data.wav_scp.values()
    # Audio may be read from them; what is gone, who reads it will miss.
    if kind == "audio" and all(map(os.path.exists, recordings)):
        stamp.expect({"recordings": stat_hash(recordings)})
    return Features(folder, kind, stamp)
