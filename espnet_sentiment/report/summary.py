"""What a report says of an experiment as a whole."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from espnet_sentiment.asr.word_attention import bin_edges, top_words
from espnet_sentiment.report.calibration import reliability
from espnet_sentiment.report.groups import accuracy_by, accuracy_by_duration
from espnet_sentiment.report.scored import ScoredUtterance

CURVES = ("train_loss", "valid_loss", "train_acc", "valid_wa", "valid_ua")


def summarize_experiment(
    results: Mapping,
    histories: Mapping[str, Mapping[str, list]],
    utterances: Sequence[ScoredUtterance],
    min_count: int,
) -> dict:
    """Collect the tables and curves of a report, ready for JSON.

    Args:
        results: ``results.json``.
        histories: Learning curves by fold.
        utterances: The test utterances.
        min_count: See :func:`~espnet_sentiment.asr.word_attention.top_words`.
    """
    right = [u.right for u in utterances]
    bins, error = reliability([u.confidence for u in utterances], right)
    timed = [(u.duration, u.right) for u in utterances if u.duration is not None]
    by_speaker = sorted(utterances, key=lambda u: u.speaker)
    kept = ("corpus", "tag", "encoder", "sentiment", "n_utterances", "seed", "classes")
    measured = ("pooled", "folds", "mean", "majority", "human", "confusion")
    return {
        **{key: results[key] for key in (*kept, *measured, "seconds", "versions")},
        "overlap": (results.get("overlap") or {}).get("all"),
        "per_class": per_class(utterances, results["classes"]),
        "curves": {name: _curves(history) for name, history in histories.items()},
        "frame_shift": next((u.frame_shift for u in utterances), None),
        "calibration": {"bins": bins, "ece": error},
        "speakers": accuracy_by(
            [u.speaker for u in by_speaker], [u.right for u in by_speaker]
        ),
        "durations": accuracy_by_duration(
            [seconds for seconds, _ in timed], [hit for _, hit in timed]
        ),
        "attention": attention_summary(utterances, min_count),
    }


def _curves(history: Mapping[str, Sequence]) -> dict[str, list]:
    """Keep what is plotted; JSON has no NaN, which a diverged training may give."""
    return {
        key: [float(x) if np.isfinite(float(x)) else None for x in history[key]]
        for key in CURVES
        if key in history
    }


def per_class(
    utterances: Sequence[ScoredUtterance], classes: Sequence[str]
) -> list[dict]:
    """Return precision, recall, F1 and number of every class."""
    scores = precision_recall_fscore_support(
        [u.label for u in utterances],
        [u.prediction for u in utterances],
        labels=list(classes),
        zero_division=0,
    )
    names = ("precision", "recall", "f1", "count")
    return [
        {"name": name, **dict(zip(names, map(float, row), strict=True))}
        for name, row in zip(classes, np.transpose(scores), strict=True)
    ]


def attention_summary(
    utterances: Sequence[ScoredUtterance], min_count: int
) -> dict | None:
    """Return the bins' edges and the words by class; None without aligned words.

    ``edges`` are those of the heads' mean, ``head_edges`` those of each head.
    """
    aligned = [(u.prediction, u.segments) for u in utterances if u.segments is not None]
    if not aligned:
        return None
    segments = [of_utterance for _, of_utterance in aligned]
    # Segments cover all frames, so that there is at least one.
    n_heads = len(segments[0][0].weights)
    gaps = [s.share for u in segments for s in u if s.word is None]
    means = top_words(aligned, min_count)
    return {
        "n_aligned": len(aligned),
        "n_words": sum(s.word is not None for u in segments for s in u),
        "outside_words": float(sum(gaps) / len(aligned)),
        "edges": bin_edges(segments),
        "head_edges": [bin_edges(segments, head) for head in range(n_heads)],
        "min_count": min_count,
        "words": {
            name: [[m.word, m.weight, m.count] for m in rows]
            for name, rows in means.items()
        },
    }
