"""What a report says of an experiment as a whole."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from espnet_sentiment.asr.word_attention import WordWeight, edges_of, top_words
from espnet_sentiment.recipe.still_learning import StillLearning, still_learning
from espnet_sentiment.report.groups import accuracy_by, accuracy_by_duration
from espnet_sentiment.report.scored import ScoredUtterance
from espnet_sentiment.scoring.calibration import reliability
from espnet_sentiment.scoring.reference_rows import LOUDNESS, TEXT

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
        **{key: results[key] for key in ("normalisation", "votes") if key in results},
        "references": _references(results),
        "tuning": results.get("tuning"),
        "layers": results.get("layers"),
        "regression": results.get("regression"),
        "overlap": (results.get("overlap") or {}).get("all"),
        "per_class": per_class(utterances, results["classes"]),
        "curves": {name: _curves(history) for name, history in histories.items()},
        "learning": _learning(results, histories),
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


def _references(results: Mapping) -> dict:
    """Return the references that were computed: what they are, and their scores."""
    found = results.get("references")
    if not found:
        return {"rows": [], "alpha": None}
    kinds = {TEXT: "text", LOUDNESS: "loudness"}
    rows = [
        {"kind": kinds.get(name, "metadata"), "of": name.partition(": ")[2], **scores}
        for name, scores in found["rows"].items()
    ]
    if left_out := found["human_left_out"]:
        rows.insert(0, {"kind": "left_out", "of": "", **left_out})
    rows.insert(0, {"kind": "majority", "of": "", **found["majority"]})
    return {"rows": rows, "alpha": found["alpha"] and found["alpha"]["alpha"]}


def _learning(results: Mapping, histories: Mapping) -> StillLearning | None:
    """Say whether trainings ended too early, where the options of all are known."""
    options = results.get("config", {}).get("resolved") or {}
    known = "best_model_criterion" in options and all(histories.values())
    return still_learning(histories, options) if known else None


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
    weights: list[np.ndarray] = []  # (words, 1 + n_heads): the heads' mean, and each
    gaps: list[float] = []  # shares of what lies between

    def aligned() -> Iterator[tuple[str, list[WordWeight]]]:
        """Give segments once: to keep those of all would take 16 kB an utterance."""
        for u in utterances:
            if (segments := u.segments) is not None:
                # They cover all frames, so that there is at least one.
                rows = [[s.weight(), *s.weights] for s in segments]
                is_word = [s.word is not None for s in segments]
                weights.append(np.array(rows)[is_word])
                gaps.extend(s.share for s in segments if s.word is None)
                yield u.prediction, segments

    means = top_words(aligned(), min_count)
    if not weights:
        return None
    by_word = np.concatenate(weights)
    edges, *head_edges = map(edges_of, by_word.T)
    return {
        "n_aligned": len(weights),
        "n_words": len(by_word),
        "outside_words": float(sum(gaps) / len(weights)),
        "edges": edges,
        "head_edges": head_edges,
        "min_count": min_count,
        "words": {
            name: [[m.word, m.weight, m.count] for m in rows]
            for name, rows in means.items()
        },
    }
