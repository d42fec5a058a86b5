"""What logistic regressions find in a store: once for all decoders and seeds."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import find_json, sha256_of, write_json
from espnet_sentiment.core.lock import reading
from espnet_sentiment.data.feature_store import INDEX, FeatureStore
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.speed import people
from espnet_sentiment.recipe.experiment import CLEAN, Experiment, open_store
from espnet_sentiment.scoring import layer_probe, regression
from espnet_sentiment.scoring.layer_probe import MAX_UTTS, MAX_VALUES
from espnet_sentiment.scoring.pooled import pool
from espnet_sentiment.scoring.references import Scored

ALGORITHMS = (layer_probe.ALGORITHM, regression.ALGORITHM)


def probed(
    experiment: Experiment,
    data: KaldiDir,
    folds: Sequence[Fold],
    say: Callable[[str], None],
) -> dict[str, Any] | None:
    """Probe the store of an experiment, unless that is done.

    Args:
        experiment: Encoded.
        data: Labels and speakers.
        folds: The set's folds.
        say: Takes a line, where there is nothing to probe.

    Returns:
        ``layers``, what ``probe_layers`` does, None of a single one; ``regression``
        and ``answers``, the two of ``regress``. None where no store is there, or it is
        too large.
    """
    root = experiment.store / CLEAN
    if not (root / INDEX).is_file():
        say(f"layers are not probed: {root} is gone; run stages 3 and 6 for it")
        return None
    with reading(experiment.store, root):
        store = open_store(experiment, root)
        if len(store) > MAX_UTTS or 2 * len(store) * store.dim > MAX_VALUES:
            say(
                f"no logistic regression on {len(store)} utterances of {store.dim} "
                f"channels: that takes at most {MAX_UTTS} and {MAX_VALUES // 2} values"
            )
            return None
        of = [store.meta, [dataclasses.asdict(fold) for fold in folds]]
        path = experiment.store / "probed.json"
        tables = [data.utt2label, data.utt2spk, people(data)]
        key = sha256_of([*of, *tables, *ALGORITHMS])
        found = _kept(path, key)
        if found is None:
            found = _probe(store, data, folds, say)
            write_json(path, {"sha256": sha256_of([key, found]), "probed": found})
    return found


def _probe(
    store: FeatureStore,
    data: KaldiDir,
    folds: Sequence[Fold],
    say: Callable[[str], None],
) -> dict[str, Any]:
    pooled = pool(store, say)
    needed = {utt for fold in folds for utt in (*fold.train, *fold.valid, *fold.test)}
    if missing := sorted(needed - set(pooled.utts)):
        raise DataError(
            f"{store.root} lacks {len(missing)} utterances of the folds, first "
            f"{missing[0]}: run stage 3 again"
        )
    pooled = pooled.of([utt for utt in pooled.utts if utt in data.utt2spk])
    n_layers = store.n_layers if store.n_layers > 1 else 0  # one needs no probe
    total = (n_layers + 2) * len(folds)
    with tqdm(total=total, desc="probe", unit="regression") as bar:
        layers = None
        if n_layers:
            layers = layer_probe.probe_layers(pooled, folds, data.utt2label, bar.update)
        tested = tested_by(data, folds)
        found = regression.regress(pooled, tested, people(data), bar.update)
    return {"layers": layers, "regression": found.rows, "answers": found.answers}


def tested_by(data: KaldiDir, folds: Sequence[Fold]) -> Scored:
    """Return what the regression on all layers is scored on."""
    return Scored(folds, data.utt2label, data.utt2spk, data.classes)


def _kept(path: Path, key: str) -> dict[str, Any] | None:
    """Return what was found before, if it is as it was written, from the same data."""
    kept = find_json(path)
    found = kept.get("probed") if isinstance(kept, dict) else None
    if found and kept.get("sha256") == sha256_of([key, found]):
        return found
    return None
