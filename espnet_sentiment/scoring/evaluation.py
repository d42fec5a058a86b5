"""How good a trained model is on labelled recordings that it has never seen."""

import json
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.scoring.intervals import said_over, wilson95
from espnet_sentiment.scoring.metrics import (
    unweighted_accuracy,
    weighted_accuracy,
)
from espnet_sentiment.scoring.tables import interval, markdown, percent

NOT_GIVEN = "(not given)"
NAMED = 10  # utterances without an answer


def check_labels(
    name: object, counts: Mapping[str, int], classes: Collection[str]
) -> None:
    """Refuse labels that a model does not know.

    Args:
        name: What the data is called in messages.
        counts: Utterances by label.
        classes: The model's classes.

    Raises:
        DataError: There are such labels, or no others; the message has the remedy.
    """
    strange = {label: n for label, n in counts.items() if label not in classes}
    if not strange:
        return
    # A table's, or NaN's, may hold what separates pairs.
    odd = [label for label in strange if set(label) & set(",=")]
    spelled = {known.casefold(): known for known in classes}
    named = {x: spelled.get(x.casefold(), "") for x in sorted(strange)}
    pairs = shlex.quote(",".join(f"{x}={y}" for x, y in named.items()))
    if odd:
        pairs = (
            f"labels.json, a file that holds {json.dumps(named, ensure_ascii=False)}"
        )
    shown = ", ".join(f"{label} {n}" for label, n in sorted(strange.items()))
    raise DataError(
        f"{name}: labels {shown} are no classes of the model, which are "
        f"{', '.join(classes)}: say which of them each is, or leave its utterances out "
        f"by nothing behind the =: --map_label {pairs}"
    )


def among(posteriors: Mapping[str, float], labels: Collection[str]) -> dict[str, float]:
    """Return posteriors of some of the classes, which sum to one again."""
    kept = {name: p for name, p in posteriors.items() if name in labels}
    total = sum(kept.values())
    if not total:  # nothing is left of it, in float64
        return {name: 1 / len(kept) for name in kept}
    return {name: p / total for name, p in kept.items()}


def by_group(
    rows: Iterable[Mapping], values: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return WA and UA of groups of utterances, by name.

    Args:
        rows: Predictions.
        values: Group of every utterance; one may lack.

    Returns:
        ``name``, ``count``, ``wa`` and its 95 % score interval ``wa_ci95``, ``ua`` over
        the classes that the group has, and their number ``n_classes``.
    """
    groups: dict[str, list[Mapping]] = defaultdict(list)
    for row in rows:
        groups[values.get(row["utt"]) or NOT_GIVEN].append(row)
    found = []
    for name in sorted(groups):
        labels = [row["label"] for row in groups[name]]
        predicted = [row["prediction"] for row in groups[name]]
        hits = sum(x == y for x, y in zip(labels, predicted, strict=True))
        found.append(
            {
                "name": name,
                "count": len(labels),
                "wa": weighted_accuracy(labels, predicted),
                "wa_ci95": list(wilson95(hits, len(labels))),
                "ua": unweighted_accuracy(labels, predicted),
                "n_classes": len(set(labels)),
            }
        )
    return found


def evaluation_report(results: Mapping[str, Any], picture: bool = True) -> str:
    """Write ``RESULTS.md`` of an evaluation.

    Args:
        results: Its ``results.json``.
        picture: Whether ``confusion.png`` lies beside it.
    """
    pooled, classes = results["pooled"], results["classes"]
    rows = [
        ("WA", percent(pooled["wa"]), interval(pooled["wa_ci95"])),
        ("UA", percent(pooled["ua"]), interval(pooled["ua_ci95"])),
        ("macro F1", percent(pooled["macro_f1"]), ""),
        ("WA of the largest class", percent(results["majority"]["wa"]), ""),
        ("UA of the largest class", percent(results["majority"]["ua"]), ""),
    ]
    matrix = [
        [name, *row, percent(row[i] / sum(row)) if sum(row) else "-"]
        for i, (name, row) in enumerate(zip(classes, results["confusion"], strict=True))
    ]
    parts = [
        f"# {markdown_text(results['model']['name'])} on "
        f"{markdown_text(results['corpus'])}\n",
        *(f"{markdown_text(line)}\n" for line in results["said"]),
        _answered(results),
        markdown(["", "%", "95 % interval"], rows),
        said_over(results["ci95_over"]),
        f"Expected calibration error: {percent(results['calibration']['ece'])} %.\n",
        "## Confusion matrix (rows: truth)\n",
        markdown(["", *classes, "recall (%)"], matrix),
        *(["![](confusion.png)\n"] if picture else []),
    ]
    for column, groups in results["groups"].items():
        parts += [f"## By {markdown_text(column)}\n", group_table(groups)]
    return "\n".join(parts)


def _answered(results: Mapping[str, Any]) -> str:
    n, failed = results["n_utterances"], results["not_answered"]
    if not failed:
        return f"{n} utterances.\n"
    names = markdown_text(", ".join(sorted(failed)[:NAMED]))
    more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return (
        f"{n} of {n + len(failed)} utterances; {len(failed)} could not be answered, "
        f"and count in no score: {names}{more}.\n"
    )


def group_table(groups: Sequence[Mapping[str, Any]]) -> str:
    """Write a Markdown table of groups."""
    return markdown(
        ["", "utterances", "WA (%)", "95 % interval", "UA (%)", "classes"],
        [
            (
                *(row["name"], row["count"], percent(row["wa"])),
                *(interval(row["wa_ci95"]), percent(row["ua"]), row["n_classes"]),
            )
            for row in groups
        ],
    )
