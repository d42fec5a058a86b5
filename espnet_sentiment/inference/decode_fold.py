"""Decode the test utterances of a fold from stored features."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from espnet_sentiment.core.ark import Spool, write_ark
from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import write_table, write_text
from espnet_sentiment.core.memory import trim
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.speaker_statistics import SPEAKERS, SpeakerAffine
from espnet_sentiment.inference.classifier import BATCH_VALUES, Classifier, Scores
from espnet_sentiment.model.layout import CHECKPOINT


def decode_fold(
    folder: Path,
    store: FeatureStore,
    utts: Sequence[str],
    utt2label: Mapping[str, str],
    batch_size: int,
    device: str = "cpu",
    texts: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write ``decode/predictions.jsonl`` and ``decode/attention.{ark,scp}``.

    Args:
        folder: Folder of a trained fold.
        store: Clean features.
        utts: Utterances to decode.
        utt2label: True classes, to stand beside the predictions.
        batch_size: Utterances decoded together, at most; long ones are fewer, so
            that memory depends neither on their lengths nor on their number.
        device: ``cpu`` or ``cuda``.
        texts: Transcripts, for a model with a text branch.

    Returns:
        The files.

    Raises:
        DataError: The checkpoint learned on another encoder than the store holds.
    """
    classifier = open_fold(folder, store, device)
    lines: dict[str, str] = {}
    out = folder / "decode"
    out.mkdir(parents=True, exist_ok=True)
    # Of a large corpus it would fill the memory.
    attention = Spool(out)
    for utt, row in score_stored(classifier, folder, store, utts, batch_size, texts):
        lines[utt] = _line(utt, utt2label.get(utt), classifier.classes, row.posteriors)
        if row.attention is not None:
            attention[utt] = row.attention
    files = [out / "predictions.jsonl"]
    write_text(files[0], "".join(lines[utt] for utt in sorted(lines)))
    if attention:
        rows = write_ark(out / "attention.ark", attention)
        write_table(out / "attention.scp", rows)
        files += [out / "attention.ark", out / "attention.scp"]
    return files


def open_fold(folder: Path, store: FeatureStore, device: str = "cpu") -> Classifier:
    """Load the decoder of a trained fold, to read a store.

    Raises:
        DataError: As of ``decode_fold``.
    """
    return Classifier.of_features(
        folder / CHECKPOINT,
        store.meta["encoder"],
        f"what {store.root} holds: rerun stages 3 and 4",
        device=device,
    )


def score_stored(
    classifier: Classifier,
    folder: Path,
    store: FeatureStore,
    utts: Sequence[str],
    batch_size: int,
    texts: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, Scores]]:
    """Give posteriors and attention of stored utterances, by like lengths.

    Args:
        classifier: Of the fold.
        folder: See ``decode_fold``, and for the others.
        store: Clean features.
        utts: Utterances.
        batch_size: Utterances decoded together, at most.
        texts: Transcripts.

    Raises:
        DataError: Features are not finite.
    """
    by_speaker = folder / SPEAKERS
    speakers = SpeakerAffine(by_speaker) if by_speaker.exists() else None
    num_frames = {utt: store.n_frames(utt) for utt in utts}
    for batch in length_batches(num_frames, BATCH_VALUES // store.dim, most=batch_size):
        scores = classifier.from_store(
            [store[utt] for utt in batch],
            [texts[utt] for utt in batch] if texts else None,
            [speakers[utt] for utt in batch] if speakers else None,
        )
        for utt, row in zip(batch, scores, strict=True):
            if not np.isfinite(row.posteriors).all():
                raise DataError(
                    f"{store.root}: the features of utterance {utt} are not finite: "
                    "delete it and run stage 3 again"
                )
            yield utt, row
        trim()


def _line(
    utt: str, label: str | None, classes: Sequence[str], posteriors: np.ndarray
) -> str:
    row = {
        "utt": utt,
        "label": label,
        "prediction": classes[int(posteriors.argmax())],
        "posteriors": {c: float(p) for c, p in zip(classes, posteriors, strict=True)},
    }
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
