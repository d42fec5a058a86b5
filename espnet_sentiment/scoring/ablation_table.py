"""The paper's Table 3: the base model and what each of its parts is worth."""

from collections.abc import Mapping, Sequence

from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.data.overlap_text import TITLE
from espnet_sentiment.scoring.askers import NO_ABLATION, RUN_SH
from espnet_sentiment.scoring.cells import (
    KEYS,
    OVERLAP,
    SCORE_COLUMNS,
    TEST_COLUMNS,
    Record,
    correct,
    have_votes,
    least_notes,
    model_cells,
    p_text,
    score_and_interval,
    test_cells,
    votes_columns,
    votes_row,
)
from espnet_sentiment.scoring.latex import Table
from espnet_sentiment.scoring.models import Model, shared_seeds
from espnet_sentiment.scoring.paper import BASE, TABLE3
from espnet_sentiment.scoring.tables import VOTES_HEADER, honest_name, markdown, percent

COLUMNS = ["encoder", "tag", "description", "sentiment", "seeds", *SCORE_COLUMNS]
COLUMNS += [
    "wa_difference",
    "ua_difference",
    OVERLAP,
    *TEST_COLUMNS,
    "paper_wa",
    "paper_ua",
]
HEADER = ["description", "seeds", "WA (%)", "WA 95 %", "diff.", "p"]
HEADER += [
    "UA (%)",
    "UA 95 %",
    "diff.",
    "p",
    "F1 (%)",
]
LAST = [TITLE, "paper WA (diff.)", "paper UA (diff.)"]  # behind those of votes
NOTE = (
    f"diff.: points above the first row, {TABLE3[BASE].description}, of the same "
    "encoder, on the seeds that both have, as p is; the rest as in Table 2. The "
    "paper's numbers are on IEMOCAP.\n"
)


def ablation_records(
    models: Sequence[Model], speakers: Mapping[str, str]
) -> tuple[list[Record], list[str]]:
    """Return a table for each pre-trained encoder and tag, and why rows have no p.

    Args:
        models: All models of a corpus.
        speakers: Speaker of every utterance.

    Returns:
        Four records for each table of which two rows or more were run.
    """
    found: dict[tuple[str, str], dict[str, Model]] = {}
    for model in models:
        if model.is_pretrained and model.ablation:
            config, tag = model.ablation
            found.setdefault((model.encoder, tag), {})[config] = model
    notes: list[str] = []
    records = []
    for (encoder, tag), rows in found.items():
        if len(rows) < 2:
            continue
        table = {"encoder": encoder, "tag": tag}
        cells = [
            {
                **table,
                **_cells(config, rows.get(config), rows.get(BASE), speakers, notes),
            }
            for config in TABLE3
        ]
        records += correct(cells)
        notes += least_notes(cells)
    return records, list(dict.fromkeys(notes))


def _cells(
    config: str,
    model: Model | None,
    base: Model | None,
    speakers: Mapping[str, str],
    notes: list[str],
) -> Record:
    paper = TABLE3[config]
    cells = {
        "description": paper.description,
        "paper_wa": percent(paper.wa),
        "paper_ua": percent(paper.ua),
    }
    if model is None:
        return cells
    if base is not None and model is not base:
        # Of the seeds that are tested, else a seed's luck would stand beside p.
        both = shared_seeds(model, base)
        for key in KEYS if both else ():
            difference = model.mean(key, both) - base.mean(key, both)
            cells[f"{key}_difference"] = percent(difference)
    return {
        "sentiment": model.sentiment,
        **cells,
        "description": honest_name(paper.description, model.runs[0].results),
        **model_cells(model),
        **test_cells(model, base, speakers, notes),
    }


def columns(records: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the columns of the CSV file; those of votes where any row has them."""
    return [*COLUMNS, *votes_columns(records)]


def ablation_tables(records: Sequence[Mapping[str, str]]) -> list[Table]:
    """Return the tables as Markdown and LaTeX show them, each titled by its encoder."""
    tables = []
    for first in range(0, len(records), len(TABLE3)):
        table = records[first : first + len(TABLE3)]
        encoder, tag = table[0]["encoder"], table[0]["tag"]
        title = f"{encoder}, {tag}" if tag else encoder
        has_votes = have_votes(table)
        rows = [_row(record, table[0], has_votes) for record in table]
        header = [*HEADER, *(VOTES_HEADER if has_votes else ()), *LAST]
        tables.append(Table(title, header, rows))
    return tables


def ablation_markdown(
    records: Sequence[Mapping[str, str]], notes: Sequence[str], asker: str = RUN_SH
) -> str:
    """Write the tables, and below them what their columns mean.

    Args:
        records: What ``ablation_records`` returned.
        notes: Why some rows have no p.
        asker: One of ``ASKERS``, whose commands are named.
    """
    if not records:
        return NO_ABLATION[asker]
    parts = []
    for title, header, rows in ablation_tables(records):
        parts += [f"### {markdown_text(title)}\n", markdown(header, rows)]
    return "\n".join([*parts, NOTE, *notes])


def _row(
    record: Mapping[str, str], base: Mapping[str, str], has_votes: bool
) -> list[str]:
    cells = [record["description"], record.get("seeds", "not run")]
    for key in KEYS:
        difference = record.get(f"{key}_difference")
        cells += score_and_interval(record, key)
        cells += [f"{float(difference):+.2f}" if difference else ""]
        cells += [record.get(p_text(key), "")]
    cells += [record.get("macro_f1", "")]
    cells += votes_row(record) if has_votes else []
    cells += [record.get(OVERLAP, "")]
    for key in KEYS:
        paper = record[f"paper_{key}"]
        papers = float(paper) - float(base[f"paper_{key}"])
        cells += [f"{paper} ({papers:+.2f})" if papers else paper]
    return cells
