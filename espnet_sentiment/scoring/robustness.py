"""How much worse a model is on degraded recordings, beside the clean ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from espnet_sentiment.data.conditions import TITLES
from espnet_sentiment.scoring.metrics import summarize
from espnet_sentiment.scoring.sample import sample_text
from espnet_sentiment.scoring.significance import (
    holm,
    p_shown,
    permutation_p,
    said_least,
)
from espnet_sentiment.scoring.tables import interval, markdown, percent

CLEAN = "clean"
KEYS = ("wa", "ua")
NAMES = {CLEAN: "clean", **TITLES}


def summarize_conditions(
    labels: Sequence[str],
    predictions: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    groups: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Score every condition, and test its WA and UA against the clean recordings'.

    Args:
        labels: True classes.
        predictions: Predicted classes by condition, ``clean`` among them.
        classes: Class names.
        groups: Speaker of every utterance, see ``speaker_groups``.

    Returns:
        By condition what ``scoring.metrics.summarize`` does, and of all but ``clean``
        ``wa_p`` and ``ua_p``, paired and two-sided, and the two corrected for the
        number of conditions (Holm), WA's and UA's apart: ``wa_p_holm``, ``ua_p_holm``.
    """
    rows = {
        name: summarize(labels, of_one, classes, groups)
        for name, of_one in predictions.items()
    }
    right = {
        name: np.array([x == y for x, y in zip(labels, of_one, strict=True)], float)
        for name, of_one in predictions.items()
    }
    degraded = [name for name in rows if name != CLEAN]
    for name in degraded:
        p = permutation_p(right[name] - right[CLEAN], labels, groups)
        rows[name] |= {f"{key}_p": p[key] for key in KEYS}
    for key in KEYS:
        corrected = holm([rows[name][f"{key}_p"] for name in degraded])
        for name, value in zip(degraded, corrected, strict=True):
            rows[name][f"{key}_p_holm"] = value
    return rows


def robustness_text(found: Mapping[str, Any]) -> str:
    """Write what ``robustness.json`` holds as Markdown: a table, and what it means."""
    header = ["recordings", "WA (%)", "95 %", "p", "UA (%)", "95 %", "p"]
    lines = []
    for name, row in found["summary"].items():
        line = [NAMES[name]]
        for key in KEYS:
            p = row.get(f"{key}_p_holm")
            line += [percent(row[key]), interval(row[f"{key}_ci95"])]
            line.append("" if p is None else p_shown(p))
        lines.append([*line, percent(row["macro_f1"])])
    least = said_least(found["n_groups"], found["groups"], len(found["summary"]) - 1)
    return (
        f"{markdown([*header, 'macro F1 (%)'], lines)}\n"
        f"{sample_text(found)}. 95 %: jackknife over "
        f"{found['n_groups']} {found['groups']}. p: two-sided paired permutation test "
        "against the clean recordings over these, corrected for the rows (Holm).\n"
        f"{''.join(least)}"
    )
