"""What ``espnet-sentiment evaluate`` writes: results, predictions and a report."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.files import atomic_path, write_json, write_text
from espnet_sentiment.report.examples import choose_examples
from espnet_sentiment.report.languages import DEFAULT
from espnet_sentiment.report.page import write_page
from espnet_sentiment.report.plots import plot_confusion
from espnet_sentiment.report.rows import utterance_media, utterance_row
from espnet_sentiment.report.scored import ScoredUtterance
from espnet_sentiment.report.summary import summarize_experiment
from espnet_sentiment.scoring.calibration import reliability
from espnet_sentiment.scoring.comparison import comparison_report
from espnet_sentiment.scoring.evaluation import by_group, evaluation_report
from espnet_sentiment.scoring.results import score

COMPARISON = "comparison.json"
FOLD = "all"  # there is one part, which is tested


def prediction(u: ScoredUtterance) -> dict[str, Any]:
    """Return an utterance as ``predictions.jsonl`` has it."""
    return {
        "utt": u.utt,
        "label": u.label,
        "prediction": u.prediction,
        "posteriors": u.posteriors,
    }


def evaluation_results(
    utterances: Sequence[ScoredUtterance],
    classes: Sequence[str],
    groups: Mapping[str, Mapping[str, str]],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Score answers.

    Args:
        utterances: All that were answered.
        classes: The classes that were chosen among.
        groups: The groups of utterances, by what they are called.
        facts: What else ``results.json`` says: ``corpus``, ``model``, ``said`` and so
            on.

    Returns:
        ``results.json``: an experiment's, with ``calibration`` and ``groups``.
    """
    rows = [prediction(u) for u in utterances]
    confidence = [u.confidence for u in utterances]
    bins, error = reliability(confidence, [u.right for u in utterances])
    return {
        **facts,
        **score({FOLD: rows}, classes, {}, {u.utt: u.speaker for u in utterances}),
        "calibration": {"bins": bins, "ece": error},
        "groups": {name: by_group(rows, values) for name, values in groups.items()},
    }


def write_evaluation(
    out: Path,
    results: Mapping[str, Any],
    utterances: Sequence[ScoredUtterance],
    embed: int,
    language: str = DEFAULT,
) -> list[Path]:
    """Write ``results.json``, ``RESULTS.md``, predictions, a plot and a report.

    Args:
        out: Folder, which is made.
        results: What :func:`evaluation_results` returned.
        utterances: What it was given.
        embed: Utterances in the report with audio and pictures.
        language: That of the report.

    Returns:
        The files.
    """
    out.mkdir(parents=True, exist_ok=True)
    # The last to be written: with it, all is of one evaluation.
    (out / "results.json").unlink(missing_ok=True)
    names = ("results.json", "RESULTS.md", "predictions.jsonl")
    files = [out / name for name in (*names, "confusion.png", "report.html")]
    _write_lines(files[2], map(prediction, utterances))
    plot_confusion(results["confusion"], results["classes"], files[3])
    heard = [u for u in utterances if u.duration is not None]
    chosen = choose_examples(heard, embed)
    page = {
        # Words have no times, so that none are ranked.
        **summarize_experiment(results, {}, utterances, min_count=1),
        "alignment": None,
        "deletion": None,
    }
    classes = results["classes"]
    rows = (utterance_row(u, classes, out, u.utt in chosen) for u in utterances)
    media = ((u.utt, utterance_media(u)) for u in utterances if u.utt in chosen)
    title = f"{results['corpus']}: {results['tag']}"
    write_page(files[4], title, page, rows, media, language)
    write_text(files[1], evaluation_report(results))
    write_json(files[0], dict(results))
    return files


def write_comparison(out: Path, compared: Mapping[str, Any]) -> list[Path]:
    """Write ``comparison.json`` and ``COMPARISON.md`` of several models.

    Args:
        out: Folder of all; each model's own is in it.
        compared: What ``compare_evaluated`` returned.

    Returns:
        The files.
    """
    files = [out / COMPARISON, out / "COMPARISON.md"]
    write_text(files[1], comparison_report(compared))
    write_json(files[0], dict(compared))
    return files


def _write_lines(path: Path, rows: Iterable[Mapping]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
