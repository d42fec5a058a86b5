"""The classifiers of an experiment's folds, on recordings, by one encoder."""

import functools
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from espnet_sentiment.core.ark import Spool
from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.threads import ordered, worker_pool
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
from espnet_sentiment.data.store_dtype import compute_dtype
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.freezing import FrozenEncoder
from espnet_sentiment.encoder.reference import describe_encoder
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder
from espnet_sentiment.inference.batching import score_in_batches, seconds_for
from espnet_sentiment.inference.by_speaker import Affines
from espnet_sentiment.inference.classifier import BATCH_VALUES, Classifier
from espnet_sentiment.model.layout import CHECKPOINT


def load_classifiers(
    config: Mapping, folders: Mapping[str, Path], device: str
) -> dict[str, Classifier]:
    """Load the folds' decoders on one encoder, which computes as stage 3's does.

    Args:
        config: What ``load_encoder_config`` returned.
        folders: Folders of trained folds by name.
        device: Where to compute.
    """
    built = build_encoder(config["encoder"], config["encoder_conf"])
    frozen = FrozenEncoder(built).encoder
    encoder = SpeechEncoder(frozen, device, compute_dtype(config))
    found = describe_encoder(config)
    return {
        name: Classifier.of_features(
            folder / CHECKPOINT,
            found,
            "point --encoder_model to the original",
            encoder,
            device,
        )
        for name, folder in folders.items()
    }


def predict_folds(
    classifiers: Mapping[str, Classifier],
    tested: Mapping[str, Collection[str]],
    read: Callable[[str], np.ndarray],
    speaker: str | None = None,
    others: Iterable[str] = (),
) -> dict[str, dict[str, str]]:
    """Predict utterances by the folds that test them; each is encoded once.

    Args:
        classifiers: Of the folds, see ``load_classifiers``.
        tested: Names of the folds that test each utterance.
        read: Gives an utterance's samples (N,) at the encoder's rate; threads call it.
        speaker: Who says all of them, for models that are normalised by speaker; None
            is nobody who is known.
        others: What else the speaker says, which counts in his or her statistics.

    Returns:
        By utterance, the predicted class by fold.

    Raises:
        DataError: What the encoder makes of a recording is not finite.
    """
    features = Spool(tempfile.gettempdir())
    known = SpeakerStatistics()
    encoder = next(iter(classifiers.values())).encoder
    utts = [*tested, *others]
    with worker_pool(encoder.device.type) as pool:
        encoded = score_in_batches(
            pool,
            functools.partial(_encode, encoder),
            ([samples] for samples in ordered(pool, read, utts)),
            len,
            int(seconds_for(encoder.device) * encoder.sample_rate),
        )
        for utt, (array,) in zip(utts, encoded, strict=True):
            if not np.isfinite(array).all():
                raise DataError(
                    f"utterance {utt}: the encoder's output is not finite: look at its "
                    "recording"
                )
            features[utt] = array
            if speaker is not None:
                known.add(speaker, array)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for fold, classifier in classifiers.items():
        affine = None
        if classifier.of_speaker is not None:
            affine = Affines(known, classifier.of_speaker)[speaker]
        sizes = {utt: len(features[utt]) for utt in tested if fold in tested[utt]}
        for batch in length_batches(sizes, BATCH_VALUES // classifier.channels):
            scores = classifier.from_store(
                [features[utt] for utt in batch],
                speakers=None if affine is None else [affine] * len(batch),
            )
            for utt, row in zip(batch, scores, strict=True):
                found[utt][fold] = classifier.classes[int(row.posteriors.argmax())]
    return dict(found)


def _encode(encoder: SpeechEncoder, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return features (T, L * D) as the feature store keeps them."""
    features, lengths = encoder(waves)
    arrays = features.half().cpu().numpy()
    return [array[:n] for array, n in zip(arrays, lengths.tolist(), strict=True)]
