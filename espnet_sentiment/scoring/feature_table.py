"""The paper's Table 2: all models, by their input features."""

from collections.abc import Mapping, Sequence

from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.data.overlap_text import NOTE as OVERLAP_NOTE
from espnet_sentiment.data.overlap_text import TITLE
from espnet_sentiment.scoring.cells import (
    KEYS,
    NOTE,
    OVERLAP,
    SCORE_COLUMNS,
    TEST_COLUMNS,
    Record,
    correct,
    model_cells,
    p_text,
    score_and_interval,
    test_cells,
)
from espnet_sentiment.scoring.models import Model
from espnet_sentiment.scoring.paper import (
    BASE,
    FEATURES,
    HUMAN,
    MAJORITY,
    TABLE2,
    UNTRAINED,
)
from espnet_sentiment.scoring.tables import (
    markdown,
    overlap_cell,
    percent,
    probe_of,
    regressions,
)

COLUMNS = ["source", "features", "architecture", "encoder", "seeds"]
COLUMNS += [*SCORE_COLUMNS, OVERLAP, *TEST_COLUMNS]
HEADER = ["input features", "architecture", "encoder", "seeds"]
HEADER += ["WA (%)", "WA 95 %", "p", "UA (%)", "UA 95 %", "p", "F1 (%)", TITLE]
FEATURES_NOTE = (
    "Input features: acoustic is fbank; acoustic + text has transcripts too; e2e ASR "
    "is any frozen pre-trained encoder, HuBERT and the like included; random weights is "
    "one that was never trained. Human: how far "
    "single annotators agree with the label on average; majority class: always the "
    "largest.\n"
)
NO_BASE = (
    f"There is no base model: run conf/sentiment/{BASE}.yaml on a pre-trained encoder, "
    "or name another model by --base <encoder>/<sentiment>.\n"
)


def feature_records(
    models: Sequence[Model], base: Model | None, speakers: Mapping[str, str]
) -> tuple[list[Record], list[str]]:
    """Return the table, the paper's rows in it, and why some rows have no p.

    Args:
        models: All models of a corpus.
        base: The model that they are tested against.
        speakers: Speaker of every utterance.
    """
    records: list[Record] = []
    notes: list[str] = []
    for features in (*FEATURES, UNTRAINED):
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
        records += _regression_records(features, group)
        records += _paper_records(features)
    # How people and chance do depends on the utterances: the base model's.
    results = (base or models[0]).runs[0].results
    for name, scores in ((HUMAN, results["human"]), (MAJORITY, results["majority"])):
        if scores is not None:
            cells = {key: percent(scores[key]) for key in KEYS}
            records.append({"source": "ours", "architecture": name, **cells})
        records += _paper_records(name)
    return correct(records), notes


def _regression_records(features: str, group: Sequence[Model]) -> list[Record]:
    """Return a row for every encoder and logistic regression on what it says."""
    records: dict[tuple[str, str], Record] = {}
    runs = [(model, run.results) for model in group for run in model.runs]
    # The newest last, which replaces what an earlier release found.
    for model, results in sorted(runs, key=lambda item: probe_of(item[1])):
        for name, scores in regressions(results):
            records[model.encoder, name] = {
                "source": "ours",
                "features": features,
                "architecture": name,
                "encoder": model.encoder,
                **{key: percent(scores[key]) for key in KEYS},
                OVERLAP: overlap_cell([results]),
            }
    return [records[key] for key in sorted(records)]


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


def feature_markdown(
    records: Sequence[Mapping[str, str]], base: Model | None, notes: Sequence[str]
) -> str:
    """Write the table, and below it what its columns mean."""
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
                record.get(OVERLAP, ""),
            ]
        )
    against = (
        f"the base model, {markdown_text(base.name)}" if base else "the base model"
    )
    missing = [] if base else [NO_BASE]
    notes = [FEATURES_NOTE, NOTE.format(base=against), OVERLAP_NOTE, *missing, *notes]
    return "\n".join([markdown(HEADER, rows), *notes])
