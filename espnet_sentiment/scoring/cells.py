"""What the rows of Tables 2 and 3 share: a model's scores, and its test.

A record is a row of a table's CSV file by column: plain numbers, scores in percent, and
nothing where there is none. The Markdown tables are made of the same records.
"""

from collections.abc import Mapping

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.scoring.models import Model
from espnet_sentiment.scoring.significance import compare
from espnet_sentiment.scoring.tables import overlap_cell, percent

Record = dict[str, str]

KEYS = ("wa", "ua")
SCORE_COLUMNS = [
    f"{key}{suffix}"
    for key in KEYS
    for suffix in ("", "_std_over_folds", "_ci95_low", "_ci95_high")
]
OVERLAP = "speakers_in_train"  # column of the CSV files
TEST_COLUMNS = ["p", "p_seed", "only_base_right", "only_model_right"]
P_TEXT = "p as Markdown shows it"  # in the record, not in the CSV file
NOTE = (
    "WA and UA: all folds' utterances pooled, mean over seeds. ±: standard deviation "
    "over folds, mean over seeds. 95 %: bootstrap interval over utterances, its ends' "
    "mean over seeds. p: exact McNemar test of WA on the same utterances against "
    "{base}, with the lowest seed that both have; not corrected for the number of "
    "tests.\n"
)


def model_cells(model: Model) -> Record:
    """Return a model's seeds, WA and UA with their spread over folds and intervals."""
    cells = {"seeds": " ".join(str(run.seed) for run in model.runs)}
    for key in KEYS:
        std, (low, high) = model.std(key), model.ci95(key)
        cells[key] = percent(model.mean(key))
        cells[f"{key}_std_over_folds"] = "" if std is None else percent(std)
        cells[f"{key}_ci95_low"], cells[f"{key}_ci95_high"] = (
            percent(low),
            percent(high),
        )
    cells[OVERLAP] = overlap_cell([run.results for run in model.runs])
    return cells


def mcnemar_cells(model: Model, base: Model | None, notes: list[str]) -> Record:
    """Test a model against the base model; say in ``notes`` why that cannot be."""
    if base is None or model is base:
        return {P_TEXT: "" if base is None else "base"}
    try:
        result = compare(model, base)
    except DataError as error:
        notes.append(markdown_text(f"{model.name} has no p: {error}.") + "\n")
        return {P_TEXT: "-"}
    return {
        "p": f"{result.p:.4g}",
        "p_seed": str(result.seed),
        "only_base_right": str(result.only_base),
        "only_model_right": str(result.only_model),
        P_TEXT: "< 0.001" if result.p < 0.001 else f"{result.p:.3f}",
    }


def score_and_interval(record: Mapping[str, str], key: str) -> list[str]:
    """Return two cells of a Markdown row: WA or UA ± its spread, and its interval."""
    score, std = record.get(key) or "-", record.get(f"{key}_std_over_folds")
    low, high = (record.get(f"{key}_ci95_{end}") for end in ("low", "high"))
    return [f"{score} ± {std}" if std else score, f"{low} - {high}" if low else ""]
