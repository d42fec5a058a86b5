"""What is known of the utterances that an experiment scored."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from espnet_sentiment.asr.word_attention import WordWeight, word_attention
from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.core.ark import ScpMatrices
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.audio import audio_info
from espnet_sentiment.data.kaldi_dir import KaldiDir, UtteranceAudio, utterance_audio
from espnet_sentiment.report.frames import frame_shift
from espnet_sentiment.scoring.predictions import read_predictions


@dataclasses.dataclass(frozen=True)
class ScoredUtterance:
    """A test utterance.

    Args:
        utt: Utterance id.
        label: True class.
        prediction: Predicted class.
        posteriors: Posterior of every class.
        fold: Name of the fold that tested it.
        speaker: Speaker id.
        recording: Where its samples are.
        duration: Seconds; None where the recording is missing.
        text: Transcript, may be empty.
        weights: Reads its attention; None for models without.
        frame_shift: Seconds a frame of the attention; None without.
        words: Its words with times; None without alignment.
    """

    utt: str
    label: str
    prediction: str
    posteriors: dict[str, float]
    fold: str
    speaker: str
    recording: UtteranceAudio
    duration: float | None
    text: str
    weights: Callable[[], np.ndarray] | None
    frame_shift: float | None
    words: list[AlignedWord] | None

    @property
    def attention(self) -> np.ndarray | None:
        """Attention (n_heads, T), read anew: of all utterances it may be gigabytes."""
        return None if self.weights is None else self.weights()

    @property
    def is_aligned(self) -> bool:
        """Whether its words have attention."""
        known = (self.weights, self.frame_shift, self.words)
        return all(part is not None for part in known)

    @property
    def segments(self) -> list[WordWeight] | None:
        """Words with attention, computed anew; None without alignment or attention."""
        if self.weights is None or self.frame_shift is None or self.words is None:
            return None
        return word_attention(self.weights(), self.frame_shift, self.words)

    @property
    def right(self) -> bool:
        """Whether the prediction is the true class."""
        return self.prediction == self.label

    @property
    def confidence(self) -> float:
        """Posterior of the predicted class."""
        return self.posteriors[self.prediction]


def read_scored(
    folders: Mapping[str, Path],
    data: KaldiDir,
    text: Mapping[str, str],
    words: Mapping[str, list[AlignedWord]] | None,
    channel: str = "mix",
) -> list[ScoredUtterance]:
    """Read what the folds decoded, sorted by utterance.

    Args:
        folders: Folders of decoded folds by name.
        data: Kaldi data directory.
        text: Transcripts by utterance; one may lack.
        words: Words with times by utterance, one may lack; None without alignment.
        channel: Channel of recordings that have several.

    Raises:
        DataError: Predictions are missing, or do not fit the data directory.
    """
    rows = []
    attention: dict[str, ScpMatrices] = {}
    for fold, folder in folders.items():
        path = folder / "decode" / "predictions.jsonl"
        for row in read_predictions(path):
            if row["utt"] not in data.utt2spk:
                raise DataError(
                    f"{path}: utterance {row['utt']} is not in {data.path}: "
                    "run stage 5 (decoding) again"
                )
            rows.append((fold, row))
        if (scp := folder / "decode" / "attention.scp").exists():
            # Where the folder is now; the scp was written last.
            matrices = ScpMatrices(scp, "run stage 5 (decoding) again", beside=True)
            attention |= dict.fromkeys(matrices, matrices)
    recordings = {
        row["utt"]: utterance_audio(data, row["utt"], channel) for _, row in rows
    }
    durations = {utt: _duration(place) for utt, place in recordings.items()}
    known = [
        (seconds, matrices.shape(utt)[1])
        for utt, matrices in attention.items()
        if (seconds := durations[utt]) is not None
    ]
    shift = None
    if known:
        shift = frame_shift([s for s, _ in known], [frames for _, frames in known])

    def scored(fold: str, row: dict) -> ScoredUtterance:
        utt = row["utt"]
        matrices, weights = attention.get(utt), None
        if matrices is not None:
            weights = functools.partial(matrices.__getitem__, utt)
        return ScoredUtterance(
            **{k: row[k] for k in ("utt", "label", "prediction", "posteriors")},
            fold=fold,
            speaker=data.utt2spk[utt],
            recording=recordings[utt],
            duration=durations[utt],
            text=text.get(utt, ""),
            weights=weights,
            frame_shift=shift,
            words=None if words is None else words.get(utt),
        )

    return sorted((scored(*item) for item in rows), key=lambda u: u.utt)


def _duration(place: UtteranceAudio) -> float | None:
    start = place.start or 0.0
    if place.end is not None:
        return place.end - start
    try:
        info = audio_info(place.path, place.channel)
    except DataError:
        return None
    return info.frames / info.sample_rate - start
