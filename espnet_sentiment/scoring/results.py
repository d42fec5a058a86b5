"""``results.json``: everything that an experiment says about itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.scoring.human import human_reference, majority_reference
from espnet_sentiment.scoring.metrics import (
    confusion,
    summarize,
    unweighted_accuracy,
    weighted_accuracy,
)
from espnet_sentiment.scoring.speaker_groups import speaker_groups


def score(
    folds: Mapping[str, Sequence[dict]],
    classes: Sequence[str],
    utt2votes: Mapping[str, str],
    utt2spk: Mapping[str, str],
) -> dict:
    """Score the predictions of all folds.

    Args:
        folds: Predictions by the fold's name.
        classes: Class names.
        utt2votes: The annotators' votes, where the corpus has them.
        utt2spk: Speakers; who is called as the utterance is not known.

    Returns:
        The measured part of ``results.json``.
    """
    rows = [row for predictions in folds.values() for row in predictions]
    labels = [row["label"] for row in rows]
    predicted = [row["prediction"] for row in rows]
    by_fold, measured = [], []
    for name, predictions in folds.items():
        truth = [row["label"] for row in predictions]
        guess = [row["prediction"] for row in predictions]
        shares = {
            "wa": weighted_accuracy(truth, guess),
            "ua": unweighted_accuracy(truth, guess),
        }
        measured.append(shares)
        by_fold.append({"fold": name, "n_test": len(truth), **shares})
    mean = {}
    for key in ("wa", "ua"):
        values = [shares[key] for shares in measured]
        mean[key] = float(np.mean(values))
        mean[f"{key}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    keys = [(name, row["utt"]) for name, found in folds.items() for row in found]
    groups, kind = speaker_groups(keys, utt2spk)
    utt2label = {row["utt"]: row["label"] for row in rows}
    return {
        "classes": list(classes),
        "n_utterances": len(rows),
        "pooled": summarize(labels, predicted, classes, groups),
        "ci95_over": kind,
        "folds": by_fold,
        "mean": mean,
        "confusion": confusion(labels, predicted, classes),
        "majority": majority_reference(labels),
        "human": human_reference(utt2label, utt2votes),
    }


def check_predictions(
    path: Path,
    rows: Sequence[Mapping],
    test: Sequence[str],
    utt2label: Mapping[str, str],
) -> None:
    """Check that predictions are of the fold's test utterances, and labels today's.

    Args:
        path: Their file, for messages.
        rows: What it holds.
        test: The fold's test utterances.
        utt2label: Labels of the set.

    Raises:
        DataError: An utterance is missing, or there twice, or none of the fold's, or
            has another label by now.
    """
    counts = Counter(row["utt"] for row in rows)
    wrong = {
        "missing": [utt for utt in test if utt not in counts],
        "there twice": [utt for utt, count in counts.items() if count > 1],
        "none of the fold": sorted(counts.keys() - set(test)),
        "labelled anew since": [
            row["utt"] for row in rows if row["label"] != utt2label.get(row["utt"])
        ],
    }
    for what, utts in wrong.items():
        if utts:
            more = f" (and {len(utts) - 1} more)" if len(utts) > 1 else ""
            raise DataError(
                f"{path}: utterance {utts[0]}{more} is {what}: delete "
                f"{path.parent} and run stage 5 (decoding) again"
            )


def common_versions(made: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return what trained all folds; versions that differ stand side by side.

    Args:
        made: Versions of the libraries by fold.
    """
    packages = dict.fromkeys(name for of_fold in made.values() for name in of_fold)
    return {
        name: ", ".join(dict.fromkeys(of[name] for of in made.values() if name in of))
        for name in packages
    }
