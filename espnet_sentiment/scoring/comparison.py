"""Several models on the same recordings: a row each, tested against the first."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.scoring.evaluation import group_table
from espnet_sentiment.scoring.intervals import said_over
from espnet_sentiment.scoring.significance import (
    holm,
    p_shown,
    permutation_p,
    said_least,
)
from espnet_sentiment.scoring.speaker_groups import speaker_groups
from espnet_sentiment.scoring.tables import interval, markdown, percent

KEYS = ("wa", "ua")
HEADER = ["model", "utterances", "WA (%)", "WA 95 %", "p", "UA (%)", "UA 95 %", "p"]
HEADER += ["F1 (%)", "ECE (%)"]
NOTE = (
    "p: two-sided paired permutation test against the first row, which exchanges the "
    "two models for all utterances of a speaker (of one alone: for each utterance); "
    "corrected for the rows of the table (Holm), WA's and UA's apart. F1: macro F1. "
    "ECE: expected calibration error.\n"
)


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """A model that has answered.

    Args:
        name: Its own among the models.
        folder: Where its own files are, or would be.
        results: Its ``results.json``.
        answers: Label and prediction by utterance.
    """

    name: str
    folder: str
    results: Mapping[str, Any]
    answers: Mapping[str, tuple[str, str]]


def compare_evaluated(
    models: Sequence[Evaluated], utt2spk: Mapping[str, str]
) -> dict[str, Any]:
    """Test models against the first, on the utterances that both have answered.

    Args:
        models: At least two, on the same data.
        utt2spk: Speaker of every utterance, see :func:`speaker_groups`.

    Returns:
        ``comparison.json``: the data, and in ``models`` scores, the groups of
        ``--by``, and ``test``: p-values with and without Holm's correction, over how
        many utterances and speakers; None of the first, and of one that shares no
        utterance with it.
    """
    first, *others = models
    tests = [_test(model, first, utt2spk) for model in others]
    tested = [test for test in tests if test is not None]
    for key in KEYS:
        corrected = holm([test[f"{key}_p"] for test in tested])
        for test, p in zip(tested, corrected, strict=True):
            test[f"{key}_p_holm"] = p
    rows = [
        {
            "name": model.name,
            "folder": model.folder,
            "n_utterances": model.results["n_utterances"],
            "not_answered": len(model.results["not_answered"]),
            "classes": model.results["classes"],
            **model.results["pooled"],
            "ci95_over": model.results["ci95_over"],
            "ece": model.results["calibration"]["ece"],
            "said": _said(model.results),
            "groups": model.results["groups"],
            "test": test,
        }
        for model, test in zip(models, [None, *tests], strict=True)
    ]
    shared = {key: first.results[key] for key in ("corpus", "data", "versions")}
    return {**shared, "models": rows}


def _said(results: Mapping[str, Any]) -> list[str]:
    """Return what is said of a model, with counts in place of a line a speaker."""
    if (normalised := results.get("normalised")) is None:
        return list(results["said"])
    lines = [
        line for line in results["said"] if not any(how in line for how in normalised)
    ]
    how = ", ".join(f"{n} {how}" for how, n in normalised.items() if n)
    return [*lines, f"Utterances: {how}."]


def _test(
    model: Evaluated, first: Evaluated, utt2spk: Mapping[str, str]
) -> dict[str, Any] | None:
    utts = sorted(model.answers.keys() & first.answers.keys())
    if not utts:
        return None
    ours, theirs = (
        np.array([label == guess for label, guess in (of[utt] for utt in utts)], float)
        for of in (model.answers, first.answers)
    )
    groups, kind = speaker_groups([("", utt) for utt in utts], utt2spk)
    labels = [first.answers[utt][0] for utt in utts]
    p = permutation_p(ours - theirs, labels, groups)
    return {
        "n_utterances": len(utts),
        "n_groups": len(set(groups)),
        "groups": kind,
        **{f"{key}_p": p[key] for key in KEYS},
    }


def comparison_report(compared: Mapping[str, Any]) -> str:
    """Write ``COMPARISON.md``.

    Args:
        compared: What :func:`compare_evaluated` returned.
    """
    models = compared["models"]
    rows = []
    for number, model in enumerate(models):
        row = [model["name"], model["n_utterances"]]
        for key in KEYS:
            row += [percent(model[key]), interval(model[f"{key}_ci95"])]
            row.append(_p_cell(number, model["test"], key))
        rows.append([*row, percent(model["macro_f1"]), percent(model["ece"])])
    over = " or ".join(dict.fromkeys(model["ci95_over"] for model in models))
    parts = [
        f"# {len(models)} models on {markdown_text(compared['corpus'])}\n",
        markdown(HEADER, rows),
        said_over(over),
        NOTE,
        *_odds(models),
        "".join(
            f"- {markdown_text(model['name'])}: {markdown_text(line)}\n"
            for model in models
            for line in model["said"]
        ),
    ]
    for column in models[0]["groups"]:
        found = [(g, m["name"]) for m in models for g in m["groups"][column]]
        found.sort(key=lambda pair: pair[0]["name"])  # models stay in their order
        groups = [{**group, "name": f"{group['name']}, {m}"} for group, m in found]
        parts += [f"## By {markdown_text(column)}\n", group_table(groups)]
    return "\n".join(parts)


def _p_cell(number: int, test: Mapping[str, Any] | None, key: str) -> str:
    if test is None:
        return "-" if number else "base"
    return p_shown(test[f"{key}_p_holm"])


def _odds(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what keeps rows from being of one kind."""
    said = []
    if len({frozenset(model["classes"]) for model in models}) > 1:
        each = "; ".join(f"{m['name']}: {', '.join(m['classes'])}" for m in models)
        said.append(
            "The models choose among different classes (--among labels leaves those "
            f"of the data alone): {each}."
        )
    for model in models:
        if model["not_answered"]:
            said.append(
                f"{model['name']}: {model['not_answered']} could not be answered, and "
                "count in no score; the test is on what both have answered."
            )
    tests = [model["test"] for model in models if model["test"]]
    least = []
    if tests:
        most = max(tests, key=lambda test: test["n_groups"])
        least = said_least(most["n_groups"], most["groups"], len(tests))
    return [*(f"{markdown_text(line)}\n" for line in said), *least]
