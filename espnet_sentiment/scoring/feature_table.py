"""The paper's Table 2: all models, by their input features."""

from collections.abc import Mapping, Sequence
from typing import Any

from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.data.overlap_text import NOTE as OVERLAP_NOTE
from espnet_sentiment.data.overlap_text import TITLE
from espnet_sentiment.scoring.askers import NO_BASE, RUN_SH
from espnet_sentiment.scoring.cells import (
    KEYS,
    NOTE,
    OVERLAP,
    SCORE_COLUMNS,
    TEST_COLUMNS,
    VOTES_NOTE,
    Record,
    correct,
    have_votes,
    least_notes,
    model_cells,
    p_text,
    regression_test_cells,
    score_and_interval,
    test_cells,
    votes_columns,
    votes_row,
)
from espnet_sentiment.scoring.intervals import said_over
from espnet_sentiment.scoring.latex import Table
from espnet_sentiment.scoring.models import Model
from espnet_sentiment.scoring.paper import (
    FEATURES,
    GROUPS,
    HUMAN,
    MAJORITY,
    TABLE2,
)
from espnet_sentiment.scoring.reference_rows import LEFT_OUT, reference_notes
from espnet_sentiment.scoring.tables import (
    REGRESSIONS,
    VOTES_HEADER,
    markdown,
    overlap_cell,
    percent,
    probe_of,
    regression_notes,
    regressions,
)

COLUMNS = ["source", "features", "architecture", "encoder", "seeds"]
COLUMNS += [*SCORE_COLUMNS, OVERLAP, *TEST_COLUMNS]  # and those of votes
HEADER = ["input features", "architecture", "encoder", "seeds"]
HEADER += ["WA (%)", "WA 95 %", "p", "UA (%)", "UA 95 %", "p", "F1 (%)"]
FEATURES_NOTE = (
    "Input features: acoustic is fbank; acoustic + text has transcripts too; e2e ASR "
    "is the frozen encoder of an ASR model; self-supervised one that learned from "
    "audio alone (HuBERT, wav2vec 2.0, WavLM ...); other labels one that a classifier "
    "was trained with; random weights one that was never trained. Human: how far "
    "single annotators agree with the label on average, for which their own votes "
    "count; left out of the vote: with the majority of the others. Majority class: "
    "always the largest; its UA is one over the number of classes, whoever is tested, "
    "and has no interval.\n"
)


def feature_records(
    models: Sequence[Model],
    base: Model | None,
    speakers: Mapping[str, str],
    references: Mapping[str, Any] | None = None,
) -> tuple[list[Record], list[str]]:
    """Return the table, the paper's rows in it, and why some rows have no p.

    Args:
        models: All models of a corpus.
        base: The model that they are tested against.
        speakers: Speaker of every utterance.
        references: What :class:`espnet_sentiment.report.references.References` reads.
    """
    records: list[Record] = []
    notes: list[str] = []
    for features in GROUPS:
        group = [model for model in models if model.features == features]
        for model in sorted(group, key=lambda m: (m.encoder, -m.mean("ua"))):
            records.append(
                {
                    "source": "ours",
                    "features": features,
                    "architecture": model.title,
                    "encoder": model.encoder,
                    **model_cells(model),
                    **test_cells(model, base, speakers, notes),
                }
            )
        heard = [model for model in models if model.heard == features]
        records += _regression_records(features, heard, base, speakers, notes)
        records += _paper_records(features)
    notes += regression_notes([run.results for m in models for run in m.runs])
    # How people and chance do depends on the utterances: the base model's.
    results = (base or models[0]).runs[0].results
    named = {HUMAN: results["human"], MAJORITY: results["majority"]}
    if references:
        notes += reference_notes(references)
        for name, scores in references["rows"].items():
            records.append(_reference(name, scores, overlap_cell([results])))
        named = {
            HUMAN: results["human"],
            LEFT_OUT: references["human_left_out"],
            MAJORITY: references["majority"],
        }
    for name, scores in named.items():
        if scores is not None:
            records.append(_reference(name, scores))
        records += _paper_records(name)
    return correct(records), [*least_notes(records), *notes]


def references_markdown(references: Mapping[str, Any]) -> str:
    """Write a table of the references alone, and below it what they are.

    Args:
        references: What :class:`espnet_sentiment.report.references.References` reads.
    """
    named = {
        **references["rows"],
        LEFT_OUT: references["human_left_out"],
        MAJORITY: references["majority"],
    }
    rows = []
    for name, scores in named.items():
        if scores is not None:
            record = _reference(name, scores)
            cells = [cell for key in KEYS for cell in score_and_interval(record, key)]
            rows.append([name, *cells, record["macro_f1"]])
    header = ["", "WA (%)", "WA 95 %", "UA (%)", "UA 95 %", "F1 (%)"]
    over = said_over(references["majority"]["ci95_over"])
    return "\n".join([markdown(header, rows), over, *reference_notes(references)])


def _reference(name: str, scores: Mapping[str, Any], overlap: str = "") -> Record:
    """Return the row of what is no model: its scores, and intervals if it has any."""
    record = {"source": "ours", "architecture": name}
    for key in KEYS:
        record[key] = percent(scores[key])
        for end, bound in zip(
            ("low", "high"), scores.get(f"{key}_ci95", ()), strict=False
        ):
            record[f"{key}_ci95_{end}"] = percent(bound)
    if "macro_f1" in scores:
        record["macro_f1"] = percent(scores["macro_f1"])
    return {**record, OVERLAP: overlap} if overlap else record


def _regression_records(
    features: str,
    group: Sequence[Model],
    base: Model | None,
    speakers: Mapping[str, str],
    notes: list[str],
) -> list[Record]:
    """Return a row for every encoder and logistic regression on what it says."""
    runs = [r for model in group for r in model.runs if regressions(r.results)]
    # The newest last, which replaces what an earlier release found.
    runs.sort(key=lambda run: probe_of(run.results))
    newest = {run.results["encoder"]: run for run in runs}
    records: list[Record] = []
    for encoder, run in sorted(newest.items()):
        tests = regression_test_cells(run, base, speakers, notes)
        for key, name in REGRESSIONS.items():
            if scores := run.results["regression"].get(key):
                records.append(
                    {
                        **_reference(name, scores, overlap_cell([run.results])),
                        "features": features,
                        "encoder": encoder,
                        **tests[key],
                    }
                )
    return records


def _paper_records(features: str) -> list[Record]:
    return [
        {
            "source": f"paper {row.dataset}",
            "features": features if features in FEATURES else "",
            "architecture": row.architecture,
            "wa": "" if row.wa is None else percent(row.wa),
            "ua": percent(row.ua),
        }
        for row in TABLE2
        if row.features == features
    ]


def columns(records: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the columns of the CSV file; those of votes where any row has them."""
    return [*COLUMNS, *votes_columns(records)]


def feature_table(records: Sequence[Mapping[str, str]]) -> Table:
    """Return the table as Markdown and LaTeX show it."""
    has_votes = have_votes(records)
    rows = []
    for record in records:
        source = record["source"]
        origin = "" if source == "ours" else f" ({source})"
        rows.append(
            [
                record.get("features") or "-",
                record["architecture"] + origin,
                record.get("encoder", ""),
                record.get("seeds", ""),
                *score_and_interval(record, "wa"),
                record.get(p_text("wa"), ""),
                *score_and_interval(record, "ua"),
                record.get(p_text("ua"), ""),
                record.get("macro_f1", ""),
                *(votes_row(record) if has_votes else ()),
                record.get(OVERLAP, ""),
            ]
        )
    header = [*HEADER, *(VOTES_HEADER if has_votes else ()), TITLE]
    return Table("input features", header, rows)


def feature_markdown(
    records: Sequence[Mapping[str, str]],
    base: Model | None,
    notes: Sequence[str],
    asker: str = RUN_SH,
) -> str:
    """Write the table, and below it what its columns mean.

    Args:
        records: What ``feature_records`` returned.
        base: The model that others are tested against.
        notes: Why some rows have no p.
        asker: One of ``ASKERS``, whose commands are named.
    """
    _, header, rows = feature_table(records)
    against = (
        f"the base model, {markdown_text(base.name)}" if base else "the base model"
    )
    missing = [] if base else [NO_BASE[asker]]
    votes = [VOTES_NOTE] if have_votes(records) else []
    shown = [FEATURES_NOTE, NOTE.format(base=against), *votes, OVERLAP_NOTE]
    return "\n".join([markdown(header, rows), *shown, *missing, *notes])
