"""Markdown tables of results."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.escape import csv_line, markdown_text
from espnet_sentiment.core.files import update_text
from espnet_sentiment.data.overlap_text import NOTE, TITLE, cell, lines
from espnet_sentiment.scoring.intervals import said_over
from espnet_sentiment.scoring.reference_rows import reference_notes, reference_rows
from espnet_sentiment.scoring.self_training import SELF_TRAINED
from espnet_sentiment.scoring.speaker_groups import UTTERANCES

REGRESSION = "logistic regression on mean and standard deviation over time"
# It sees the tested speakers' other recordings, and no label of theirs.
SPEAKER = "speaker-normalised (unlabelled test speakers)"
# Rows of the regressions on the store, as results.json calls them.
REGRESSIONS = {
    "plain": REGRESSION,
    "plain_self_trained": f"{REGRESSION}, {SELF_TRAINED}",
    "speaker": f"{REGRESSION}, {SPEAKER}",
    "speaker_self_trained": f"{REGRESSION}, {SPEAKER}, {SELF_TRAINED}",
}
REGRESSION_PROBE = 5  # from which version on they are as the note says
REGRESSION_NOTE = (
    "Logistic regressions read mean and standard deviation over time of all layers, "
    "and learn from what a fold trains and validates on; C, from 0.0001 to 1, is "
    "chosen by UA on speakers held out of that (on utterances, where speakers are not "
    "known or there is one). Self-trained: class-balanced self-training (Zou et al., "
    "2018), which hears all tested utterances of a fold and sees no label of theirs; "
    "where a fold tests several speakers, the answers for one depend on the others.\n"
)
LAYERS_NOTE = (
    "Weight: by which the decoder's input mixes the layers, each normalised; mean and "
    "standard deviation over folds (of layer: best, the share of folds that chose it). "
    "Probe: a logistic regression on mean and standard deviation over time "
    "of one layer, folds as in training."
)


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table; every column but the first is right-aligned.

    Cells are texts, not Markdown: see ``markdown_text``.
    """
    rule = ["---"] + ["---:"] * (len(header) - 1)
    lines: list[Sequence[object]] = [header, rule, *rows]
    texts = (" | ".join(map(markdown_text, line)) for line in lines)
    return "".join(f"| {text} |\n" for text in texts)


def percent(value: float) -> str:
    """Format a share in percent with two decimals, as the paper's tables do."""
    return f"{100 * value:.2f}"


def interval(bounds: Sequence[float]) -> str:
    """Format a confidence interval in percent."""
    return f"{percent(bounds[0])} - {percent(bounds[1])}"


def honest_name(name: str, results: Mapping) -> str:
    """Add to a model's name that it is normalised by speaker, where it is."""
    said = results.get("normalisation")
    return f"{name}, {said}" if said else name


def experiment_report(results: dict) -> str:
    """Write one experiment's ``RESULTS.md``."""
    pooled, mean = results["pooled"], results["mean"]
    references = [*reference_rows(results).items(), *regressions(results)]
    summary = [
        [
            "pooled over folds",
            percent(pooled["wa"]),
            interval(pooled["wa_ci95"]),
            percent(pooled["ua"]),
            interval(pooled["ua_ci95"]),
        ],
        [
            "mean and std of folds",
            percent(mean["wa"]),
            f"± {percent(mean['wa_std'])}",
            percent(mean["ua"]),
            f"± {percent(mean['ua_std'])}",
        ],
    ]
    summary += [
        [name, *(text for key in ("wa", "ua") for text in _score_cells(r, key))]
        for name, r in references
    ]
    # Where each fold chose one.
    layer = ["layer"] if any("layer" in fold for fold in results["folds"]) else []
    folds = [
        [
            *(fold["fold"], fold["n_test"], percent(fold["wa"]), percent(fold["ua"])),
            *(fold.get(key, "") for key in layer),
        ]
        for fold in results["folds"]
    ]
    n_folds = counted(len(folds), "fold")
    classes = results["classes"]
    matrix = [
        [name, *row, percent(row[i] / max(sum(row), 1))]
        for i, (name, row) in enumerate(zip(classes, results["confusion"], strict=True))
    ]
    seconds = [
        [stage, f"{s:.1f}"] for stage, s in results["seconds"].items() if s is not None
    ]
    return "\n".join(
        [
            f"# {markdown_text(results['corpus'])}: {markdown_text(results['tag'])}\n",
            *_normalisation_note(results),
            f"{results['n_utterances']} utterances, {n_folds}, "
            f"seed {results['seed']}, macro F1 {percent(pooled['macro_f1'])} %.\n",
            markdown(
                ["", "WA (%)", "95 % interval", "UA (%)", "95 % interval"], summary
            ),
            # Results of earlier releases, which do not say it, are over utterances.
            said_over(results.get("ci95_over", UTTERANCES)),
            *reference_notes(results.get("references") or {}),
            *regression_notes([results]),
            overlap_report(results),
            *votes_report(results),
            "## Confusion matrix (rows: truth)\n",
            markdown(["", *classes, "recall (%)"], matrix),
            "![](confusion.png)\n\n![](learning_curves.png)\n",
            *layers_report(results.get("layers")),
            "## Folds\n",
            markdown(["fold", "test utterances", "WA (%)", "UA (%)", *layer], folds),
            *tuning_report(results),
            "## Seconds\n",
            markdown(["stage", "s"], seconds),
        ]
    )


def _score_cells(scores: Mapping, key: str) -> list[str]:
    bounds = scores.get(f"{key}_ci95")
    return [percent(scores[key]), interval(bounds) if bounds else ""]


def tuning_report(results: Mapping) -> list[str]:
    """Say what was tried and which folds chose it, where they chose."""
    if not (found := results.get("tuning")):
        return []
    phase, name, _ = found["criterion"]
    tuned = {
        (group, key)
        for row in found["settings"]
        for group, values in row["options"].items()
        for key in values
    }
    rows = []
    for row in found["settings"]:
        means = [row["valid_mean"], row.get("valid_loss_mean")]  # None in older ones
        values = [row["options"].get(g, {}).get(key, "") for g, key in sorted(tuned)]
        rows.append(
            [
                row["setting"]
                if row["options"]
                else f"{row['setting']} (the recipe's)",
                *values,
                *("" if mean is None else f"{mean:.4f}" for mean in means),
                ", ".join(row["chosen_by"]),
            ]
        )
    names = [f"{group}.{key}" for group, key in sorted(tuned)]
    measures = [f"{phase} {name}, mean", "valid loss, mean"]
    return [
        "## Tuning\n",
        "Each fold chose by its own validation utterances, among equal settings "
        f"by the loss; only what it chose was tested ({found['file']}).\n",
        markdown(["setting", *names, *measures, "chosen by fold"], rows),
    ]


def _normalisation_note(results: Mapping) -> list[str]:
    said = results.get("normalisation")
    return [f"Features are {said}.\n"] if said else []


def probe_of(results: Mapping) -> int:
    """Return by which algorithm an experiment's regressions were made."""
    return results.get("probe") or 0


def regressions(results: Mapping) -> list[tuple[str, Mapping]]:
    """Return the rows of the logistic regressions on the store, where there are any."""
    found = results.get("regression") or {}
    return [(name, found[key]) for key, name in REGRESSIONS.items() if found.get(key)]


def regression_notes(all_results: Iterable[Mapping]) -> list[str]:
    """Say what regressions are, of a table with any that are as the note says."""
    of_now = (r for r in all_results if probe_of(r) >= REGRESSION_PROBE)
    return [REGRESSION_NOTE] if any(map(regressions, of_now)) else []


def layers_report(layers: Sequence[Mapping] | None) -> list[str]:
    """Say what each layer is weighed by and what a probe finds in it, if there are."""
    if not layers:
        return []
    rows = [
        [
            layer["layer"],
            f"{percent(layer['weight'])} ± {percent(layer['weight_std'])}",
            *("" if x is None else percent(x) for x in (layer["wa"], layer["ua"])),
        ]
        for layer in layers
    ]
    return [
        "## Layers of the encoder\n",
        markdown(["layer", "weight (%)", "probe WA (%)", "probe UA (%)"], rows),
        f"{LAYERS_NOTE}\n\n![](layers.png)\n",
    ]


def overlap_report(results: Mapping) -> str:
    """Say, a line each, what the folds of an experiment share between their parts."""
    if "overlap" not in results:
        return f"{TITLE}: {cell(None)}\n"
    return "".join(f"- {markdown_text(line)}\n" for line in lines(results["overlap"]))


# What is measured of votes, by its key in results.json, as tables call it.
VOTES_COLUMNS = {
    "kl": "KL (nats)",
    "js": "JS (nats)",
    "entropy_correlation": "entropies",
}
VOTES_HEADER = [text for name in VOTES_COLUMNS.values() for text in (name, "95 %")]
VOTES_NOTE = (
    "KL: Kullback-Leibler divergence of the model's posteriors from the annotators' "
    "votes, KL(votes || model), in nats; JS: Jensen-Shannon divergence of the two, in "
    "nats, at most 0.69; means over utterances. Entropies: Spearman's correlation of "
    "the entropy of the posteriors and that of the votes. 95 %: bootstrap interval "
    "over utterances.\n"
)


def votes_report(results: Mapping) -> list[str]:
    """Say how far predictions are from the votes, where that was scored."""
    votes = results.get("votes")
    if votes is None:
        return []
    rows = [
        [name, *measure_cells(votes[key], votes[f"{key}_ci95"])]
        for key, name in VOTES_COLUMNS.items()
    ]
    said = f"Target: {votes['target']}. Scored: {votes['n_utterances']} utterances."
    if votes["no_majority"]:
        said += (
            f" Without a majority, and not scored: {votes['no_majority']} utterances, "
            f"of which {votes['no_majority_trained']} train."
        )
    return [
        "## Distribution of the votes\n",
        said + "\n",
        markdown(["", "", "95 % interval"], rows),
        VOTES_NOTE,
        "![](entropies.png)\n",
    ]


def measure_cells(value: float | None, bounds: Sequence[float] | None) -> list[str]:
    """Format a measure and its interval; a dash where nothing can be measured."""
    return [
        "-" if value is None else f"{value:.3f}",
        "-" if bounds is None else f"{bounds[0]:.3f} - {bounds[1]:.3f}",
    ]


def mean_measure(
    group: Iterable[Mapping], key: str
) -> tuple[float | None, list[float] | None] | None:
    """Return a measure of votes and its interval, means over seeds.

    Args:
        group: ``results.json`` of every seed.
        key: One of ``VOTES_COLUMNS``.

    Returns:
        None without votes; two times None where nothing can be measured.
    """
    found = [r["votes"] for r in group if r.get("votes")]
    values = [votes[key] for votes in found]
    bounds = [votes[f"{key}_ci95"] for votes in found]
    if not values:
        return None
    if None in values or None in bounds:
        return None, None
    return float(np.mean(values)), np.mean(bounds, axis=0).tolist()


def asr_note(all_results: Iterable[dict]) -> str:
    """Say how well the RNN-Ts recognise whose encoders a table's rows read."""
    notes = {
        f"{markdown_text(results['encoder'])}: an RNN-T with WER "
        f"{percent(rates['wer'])} %, CER {percent(rates['cer'])} % on {part}\n"
        for results in all_results
        for part, rates in (results.get("asr") or {}).items()
        if rates["wer"] is not None
    }
    return "".join(sorted(notes))


def corpus_table(all_results: Iterable[dict]) -> str:
    """Write one row for each encoder and decoder, over the seeds that were run.

    Rows are sorted by encoder and falling UA; ± is the standard deviation over seeds.
    The last row always answers with the largest class, by which UA is at chance.
    """
    all_results = list(all_results)
    has_votes = any(results.get("votes") for results in all_results)
    groups: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for results in all_results:
        groups[results["encoder"], results["sentiment"]].append(results)
    rows = []
    for (encoder, sentiment), group in groups.items():
        ua = np.mean([r["pooled"]["ua"] for r in group])
        name = honest_name(sentiment, group[0])
        cells = [name, encoder, ", ".join(str(r["seed"]) for r in group)]
        for key in ("wa", "ua"):
            values = [r["pooled"][key] for r in group]
            spread = f" ± {percent(np.std(values, ddof=1))}" if len(values) > 1 else ""
            cells.append(percent(np.mean(values)) + spread)
        bounds = np.mean([r["pooled"]["ua_ci95"] for r in group], axis=0)
        cells.append(interval(bounds.tolist()))
        cells.append(overlap_cell(group))
        if has_votes:
            for key in VOTES_COLUMNS:
                found = mean_measure(group, key)
                cells += ["", ""] if found is None else measure_cells(*found)
        rows.append((encoder, -ua, cells))
    for encoder in {encoder for encoder, _ in groups}:
        # Of decoders on other encoders, it says nothing.
        for name, scores in _regressions_of(encoder, groups):
            wa, ua = percent(scores["wa"]), percent(scores["ua"])
            _, over_speakers = _score_cells(scores, "ua")
            cells = [name, encoder, "", wa, ua, over_speakers]
            cells.append(overlap_cell(all_results[:1]))
            rows.append((encoder, -scores["ua"], cells))
    ordered = [cells for _, _, cells in sorted(rows)]
    if all_results:
        chance = all_results[0]["majority"]
        wa, ua = percent(chance["wa"]), percent(chance["ua"])
        empty = [""] * 2 * len(VOTES_COLUMNS) if has_votes else []
        chance_row = ["chance: the largest class", "", "", wa, ua, "", ""]
        ordered.append([*chance_row, *empty])
    header = ["sentiment model", "encoder", "seeds", "WA (%)", "UA (%)", "UA 95 %"]
    header.append(TITLE)
    if has_votes:
        header += VOTES_HEADER
    notes = [NOTE, VOTES_NOTE] if has_votes else [NOTE]
    notes += regression_notes(all_results)
    return "\n".join([markdown(header, ordered), *notes])


def _regressions_of(
    encoder: str, groups: Mapping[tuple[str, str], list[dict]]
) -> list[tuple[str, Mapping]]:
    of_it = [r for (name, _), group in groups.items() if name == encoder for r in group]
    # What was scored by an earlier release may stand beside the newest.
    for results in sorted(of_it, key=probe_of, reverse=True):
        if found := regressions(results):
            return found
    return []


def overlap_cell(group: Iterable[Mapping]) -> str:
    """Say how many tested speakers train; seeds that differ stand side by side."""
    return " / ".join(dict.fromkeys(cell(r.get("overlap")) for r in group))


def write_csv(
    path: Path, columns: Sequence[str], records: Iterable[Mapping[str, str]]
) -> None:
    """Write a CSV file, with nothing in the columns that a record lacks.

    See ``csv_line`` for what a spreadsheet would take for a formula.
    """
    rows = ([record.get(column, "") for column in columns] for record in records)
    update_text(path, "".join(map(csv_line, [columns, *rows])))
