"""The references of a set, kept beside its tables: once for all models."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import find_json, sha256_of, write_json
from espnet_sentiment.core.lock import writing
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir, utterance_audio
from espnet_sentiment.data.metadata import Metadata, read_metadata
from espnet_sentiment.recipe.features import cut_inputs
from espnet_sentiment.recipe.stage import stat_hash
from espnet_sentiment.scoring.reference_rows import LOUDNESS, TEXT

ALGORITHM = 2  # of all that scoring/references.py computes
# Of training utterances, all folds together: more take regressions many minutes.
MAX_TRAINED = 100_000


@dataclasses.dataclass(frozen=True)
class References:
    """What the references of a set are made from, and where they are kept.

    Args:
        path: ``references_<set>.json``.
        data: The set.
        folds: Its folds.
        channel: Channel of recordings with several that the set does not tell of.
        metadata: What is known beside sound and text; without ``utt2dur``, durations
            are those of the audio.
    """

    path: Path
    data: KaldiDir
    folds: Sequence[Fold]
    channel: str | None
    metadata: Metadata

    @property
    def inputs(self) -> dict[str, Any]:
        """Return a hash of all that they are made from."""
        data, kept = self.data, find_json(self.path)
        heard: str | None
        recordings = list(data.wav_scp.values())
        if all(map(os.path.exists, recordings)):
            heard = stat_hash(recordings)
        else:  # which were heard once, perhaps on another machine
            heard = kept.get("recordings") if isinstance(kept, dict) else None
        return {
            "algorithm": ALGORITHM,
            "folds": sha256_of([dataclasses.asdict(fold) for fold in self.folds]),
            "labels": sha256_of([data.utt2label, data.utt2spk, data.classes]),
            "texts": sha256_of(data.text),
            "votes": sha256_of(data.utt2votes),
            "metadata": sha256_of(dataclasses.asdict(self.metadata)),
            "cuts": sha256_of([cut_inputs(data), self.channel]),
            "recordings": heard,
        }

    def read(self) -> dict[str, Any]:
        """Return what ``results`` holds; make it, unless that is done."""
        inputs = self.inputs
        kept = find_json(self.path)
        if isinstance(kept, dict):
            found = kept.get("results")
            if found and kept.get("sha256") == sha256_of([inputs, found]):
                return found
        found = self._make()
        facts = {"sha256": sha256_of([inputs, found])}
        write_json(
            self.path,
            {**facts, "recordings": inputs["recordings"], "results": found},
        )
        return found

    def _make(self) -> dict[str, Any]:
        from espnet_sentiment.scoring import references as scoring

        data, folds, notes = self.data, self.folds, []
        tested = scoring.Scored(folds, data.utt2label, data.utt2spk, data.classes)
        for fold in folds:
            for part in ("train", "test"):
                if not tested.labelled(getattr(fold, part)):
                    raise DataError(
                        f"{data.path}: no utterance of {part} in fold {fold.name} has "
                        "a label: write them to utt2label, or run stage 0 again"
                    )
        human, alpha = scoring.annotators(tested, data.utt2votes)
        rows: dict[str, dict[str, Any]] = {}
        trained = sum(len(fold.train) for fold in folds)
        if trained > MAX_TRAINED:
            notes.append(
                f"metadata, text and loudness alone are left out: folds train on "
                f"{trained} utterances in all, and these take at most {MAX_TRAINED}"
            )
        else:
            heard, metadata = self._hear(notes), self.metadata
            if heard and not metadata.seconds:
                seconds = {utt: float(x[-1]) for utt, x in heard.items()}
                metadata = dataclasses.replace(metadata, seconds=seconds)
            parts = 1 + bool(data.text) + bool(heard)
            with tqdm(total=parts * len(folds), desc="references", unit="fold") as bar:
                if found := scoring.from_metadata(tested, metadata, bar.update):
                    rows[found[0]] = found[1]
                if told := scoring.from_text(tested, data.text, bar.update):
                    rows[TEXT] = told
                if heard:
                    of_sound = scoring.from_loudness(tested, heard, bar.update)
                    rows[LOUDNESS] = of_sound
        for note in notes:
            print(f"[references] {note}", file=sys.stderr)
        return {
            "c": scoring.C,
            "rows": rows,
            "majority": scoring.majority(tested),
            "human_left_out": human,
            "alpha": alpha,
            "notes": notes,
        }

    def _hear(self, notes: list[str]) -> dict[str, np.ndarray] | None:
        """Measure all utterances that train or are tested; None where one cannot be.

        Returns:
            Loudness, see :func:`espnet_sentiment.data.loudness.loudness`, and seconds.
        """
        from espnet_sentiment.data.loudness import loudness

        needed = {u for f in self.folds for u in (*f.train, *f.test)}
        utts = sorted(needed & self.data.utt2label.keys())
        heard = {}
        for utt in tqdm(utts, desc="loudness", unit="utt"):
            try:
                samples = utterance_audio(self.data, utt, self.channel).read()
            except DataError as error:
                notes.append(f"loudness and duration are left out: {error}")
                return None
            seconds = max(len(samples), 1) / SAMPLE_RATE
            heard[utt] = np.append(loudness(samples), seconds)
        return heard


def read_references(
    exp: Path, data: KaldiDir, folds: Sequence[Fold], channel: str | None = None
) -> dict[str, Any]:
    """Return the references of a set; make them, unless that is done.

    The arguments are those of ``find_references``, and so are its errors.
    """
    with writing(exp / f"TABLES_{data.path.name}.md", wait=True):
        return find_references(exp, data, folds, channel).read()


def find_references(
    exp: Path, data: KaldiDir, folds: Sequence[Fold], channel: str | None = None
) -> References:
    """Gather what the references of a set are made from.

    Args:
        exp: Folder of experiments.
        data: The set.
        folds: Its folds.
        channel: Channel of recordings with several that ``data.channels`` lacks.

    Raises:
        DataError: A table of metadata cannot be used.
    """
    path = exp / f"references_{data.path.name}.json"
    return References(path, data, folds, channel, read_metadata(data))
