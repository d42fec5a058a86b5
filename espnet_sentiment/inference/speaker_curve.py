"""What utterances of a tested speaker are worth to a model that goes by speaker."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.feature_store import (
    FeatureStatistics,
    FeatureStore,
    add_up,
    frame_sums,
)
from espnet_sentiment.data.speaker_statistics import spoken_by
from espnet_sentiment.inference.classifier import BATCH_VALUES, Classifier
from espnet_sentiment.model.layout import CHECKPOINT

ALL = "all"  # a speaker's utterances
BATCH = 64


def decode_by_few(
    folder: Path,
    store: FeatureStore,
    test: Sequence[str],
    utt2spk: Mapping[str, str],
    numbers: Sequence[int],
    draws: int,
    seed: Sequence[int],
    texts: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> Iterator[tuple[int | str, int, str, str]]:
    """Decode a fold's test utterances by few of their speakers' utterances.

    The tested utterance is one of the n: with n = 1 a speaker is known by it alone. The
    others are drawn from all other utterances of the speaker, one order of them a draw,
    so that n utterances are among n + 1; a speaker who has fewer gives all. 0 is the
    training speakers' statistics, and ``all`` what stage 5 does.

    Args:
        folder: Folder of a trained fold.
        store: Clean features, each of which is read once.
        test: The utterances.
        utt2spk: The speaker of every utterance of the set.
        numbers: The numbers n.
        draws: Draws of each.
        seed: Of the draws.
        texts: Transcripts, for a model with a text branch.
        device: ``cpu`` or ``cuda``.

    Returns:
        n, the draw's number, the utterance and the class that is predicted; those of 0
        and ``all`` once, as draw 0.

    Raises:
        DataError: The model is not normalised by speaker, or is of another encoder.
    """
    classifier = Classifier.of_features(
        folder / CHECKPOINT,
        store.meta["encoder"],
        f"what {store.root} holds: rerun stages 3 and 4",
        device=device,
    )
    if (of_speaker := classifier.of_speaker) is None:
        raise DataError(
            f"{folder} is not normalised by speaker: name a model that is "
            "(conf/sentiment/*_speaker.yaml)"
        )
    spoken = spoken_by(
        {utt: speaker for utt, speaker in utt2spk.items() if utt in store}
    )
    tested: dict[str | None, list[str]] = {}
    for utt in test:
        speaker = utt2spk[utt]
        tested.setdefault(speaker if speaker in spoken else None, []).append(utt)
    rng = np.random.default_rng(seed)
    for name, utts in tested.items():
        features = {utt: store[utt] for utt in utts}
        pool = spoken[name] if name is not None else []
        moments = {}
        for utt in pool:
            array = features[utt] if utt in features else store[utt]
            read = classifier.read(array)
            moments[utt] = frame_sums([read], read.shape[1])
        for n, draw, few in _draws(utts, pool, numbers, draws, rng):
            if n in (0, ALL):  # the same for all, and for all the longest sum
                of_all = of_speaker(_sum_up(moments, few[utts[0]]))
                affines = dict.fromkeys(utts, of_all)
            else:
                affines = {u: of_speaker(_sum_up(moments, few[u])) for u in utts}
            for pair in _decode(classifier, features, texts, affines):
                yield n, draw, *pair


def _sum_up(
    moments: Mapping[str, FeatureStatistics], utts: Sequence[str]
) -> FeatureStatistics | None:
    """Add up what is known of utterances; None of none."""
    return add_up([moments[utt] for utt in utts]) if len(utts) else None


def _draws(
    utts: Sequence[str],
    pool: Sequence[str],
    numbers: Sequence[int],
    draws: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int | str, int, dict[str, Sequence[str]]]]:
    """Give n, a draw's number, and the utterances that every utterance is known by."""
    yield 0, 0, dict.fromkeys(utts, ())
    yield ALL, 0, dict.fromkeys(utts, pool)
    for draw in range(draws):
        order = {u: [u, *rng.permutation([x for x in pool if x != u])] for u in utts}
        for n in numbers:
            yield n, draw, {u: order[u][:n] if pool else () for u in utts}


def _decode(
    classifier: Classifier,
    features: Mapping[str, np.ndarray],
    texts: Mapping[str, str] | None,
    affines: Mapping[str, torch.Tensor],
) -> Iterator[tuple[str, str]]:
    """Give every utterance and the class that is predicted."""
    lengths = {utt: len(array) for utt, array in features.items()}
    dim = next(iter(features.values())).shape[1]
    for batch in length_batches(lengths, BATCH_VALUES // dim, most=BATCH):
        scores = classifier.from_store(
            [features[utt] for utt in batch],
            [texts[utt] for utt in batch] if texts else None,
            [affines[utt].cpu().numpy() for utt in batch],
        )
        for utt, row in zip(batch, scores, strict=True):
            yield utt, classifier.classes[int(row.posteriors.argmax())]
