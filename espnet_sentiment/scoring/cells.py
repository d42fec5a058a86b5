"""What the rows of Tables 2 and 3 share: a model's scores, and its test.

A record is a row of a table's CSV file by column: plain numbers, scores in percent, and
nothing where there is none. The Markdown tables are made of the same records.
"""

from collections.abc import Iterable, Mapping, Sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.scoring.models import Model, Run
from espnet_sentiment.scoring.significance import (
    Comparison,
    compare,
    compare_answers,
    holm,
    p_shown,
    said_least,
)
from espnet_sentiment.scoring.tables import (
    VOTES_COLUMNS,
    mean_measure,
    overlap_cell,
    percent,
)
from espnet_sentiment.scoring.tables import VOTES_NOTE as TABLE_VOTES_NOTE

Record = dict[str, str]

KEYS = ("wa", "ua")
SCORE_COLUMNS = [
    f"{key}{suffix}"
    for key in KEYS
    for suffix in ("", "_std_over_seeds", "_ci95_low", "_ci95_high")
]
SCORE_COLUMNS += ["macro_f1"]
OVERLAP = "speakers_in_train"  # column of the CSV files
TEST_COLUMNS = [f"{key}{suffix}" for key in KEYS for suffix in ("_p", "_p_holm")]
TEST_COLUMNS += ["p_seeds", "p_over"]
NOTE = (
    "WA and UA: all folds' utterances pooled, mean over seeds. ±: standard deviation "
    "over seeds, of several. 95 %: interval over speakers (over folds, where speakers "
    "are not known; over utterances, where there is one of them alone), by a jackknife "
    "with Student's t on the logit, its ends' mean over seeds; where no score changes, "
    "whoever is left out, Wilson's over utterances. p: two-sided paired "
    "permutation test against {base}, which exchanges the two models for all "
    "utterances of a speaker, on the mean over the seeds that both have (of what has "
    "no seed, over all of the base model's); corrected for the rows of the table "
    "(Holm). F1: macro F1.\n"
)
VOTES_NOTE = (
    f"{TABLE_VOTES_NOTE.rstrip()} Mean over seeds. Empty where the sentiment config "
    "does not say `target: votes` or `target: label`, or the set has no votes.\n"
)


def p_text(key: str) -> str:
    """Return the key of a p-value as Markdown shows it; CSV files have it not."""
    return f"{key}: p as Markdown shows it"


def model_cells(model: Model) -> Record:
    """Return a model's seeds, WA and UA with their spread over seeds and intervals."""
    cells = {"seeds": " ".join(str(run.seed) for run in model.runs)}
    for key in KEYS:
        std, (low, high) = model.std(key), model.ci95(key)
        cells[key] = percent(model.mean(key))
        cells[f"{key}_std_over_seeds"] = "" if std is None else percent(std)
        cells[f"{key}_ci95_low"], cells[f"{key}_ci95_high"] = (
            percent(low),
            percent(high),
        )
    cells["macro_f1"] = percent(model.mean("macro_f1"))
    cells[OVERLAP] = overlap_cell([run.results for run in model.runs])
    return cells | _measures(model)


def _measures(model: Model) -> Record:
    """Return how far a model is from votes; keys without a value: nothing to measure.

    There are no such keys where it was not compared with votes.
    """
    cells: Record = {}
    for key in VOTES_COLUMNS:
        found = mean_measure((run.results for run in model.runs), key)
        if found is not None:
            value, bounds = found
            numbers = [value, *(bounds or (None, None))]
            texts = ["" if number is None else f"{number:.3f}" for number in numbers]
            names = (key, *(f"{key}_ci95_{end}" for end in ("low", "high")))
            cells |= dict(zip(names, texts, strict=True))
    return cells


def have_votes(records: Iterable[Mapping[str, str]]) -> bool:
    """Tell whether any row was compared with votes."""
    return any(key in record for record in records for key in VOTES_COLUMNS)


def votes_columns(records: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the columns of votes in a CSV file: none, where no row has them."""
    suffixes = ("", "_ci95_low", "_ci95_high")
    names = [f"{key}{suffix}" for key in VOTES_COLUMNS for suffix in suffixes]
    return names if have_votes(records) else []


def votes_row(record: Mapping[str, str]) -> list[str]:
    """Return a Markdown row's cells below ``VOTES_HEADER``."""
    cells = []
    for key in VOTES_COLUMNS:
        if key not in record:
            cells += ["", ""]
            continue
        low, high = (record[f"{key}_ci95_{end}"] for end in ("low", "high"))
        cells += [record[key] or "-", f"{low} - {high}" if low else "-"]
    return cells


def test_cells(
    model: Model, base: Model | None, speakers: Mapping[str, str], notes: list[str]
) -> Record:
    """Test a model against the base model; say in ``notes`` why that cannot be.

    The p-values are not corrected yet: see :func:`correct`.
    """
    if base is None or model is base:
        return {} if base is None else dict.fromkeys(map(p_text, KEYS), "base")
    try:
        return _tested(compare(model, base, speakers))
    except DataError as error:
        notes.append(markdown_text(f"{model.name} has no p: {error}.") + "\n")
        return dict.fromkeys(map(p_text, KEYS), "-")


def regression_test_cells(
    run: Run, base: Model | None, speakers: Mapping[str, str], notes: list[str]
) -> dict[str, Record]:
    """Test the regressions on a store against the base model, as :func:`test_cells`.

    Args:
        run: The experiment that they were scored with.
        base: Of it, all seeds count.
        speakers: Speaker of every utterance.
        notes: Takes why they cannot be tested.

    Returns:
        The cells by the regression's name in ``results.json``.
    """
    names = [key for key, scores in run.results["regression"].items() if scores]
    if base is None:
        return {name: {} for name in names}
    try:
        answers = run.regression
        return {
            name: _tested(compare_answers(answers[name], run.folder, base, speakers))
            for name in names
        }
    except DataError as error:
        said = f"{run.results['encoder']}'s regressions have no p: {error}."
        notes.append(markdown_text(said) + "\n")
        return {name: dict.fromkeys(map(p_text, KEYS), "-") for name in names}


def _tested(result: Comparison) -> Record:
    cells = {f"{key}_p": f"{result.p[key]:.4g}" for key in KEYS}
    seeds = " ".join(map(str, result.seeds))
    return {**cells, "p_seeds": seeds, "p_over": f"{result.n_groups} {result.groups}"}


def correct(records: list[Record]) -> list[Record]:
    """Correct the p-values of a table's rows for their number, WA's and UA's apart."""
    for key in KEYS:
        tested = [record for record in records if f"{key}_p" in record]
        corrected = holm([float(record[f"{key}_p"]) for record in tested])
        for record, p in zip(tested, corrected, strict=True):
            record[f"{key}_p_holm"] = f"{p:.4g}"
            record[p_text(key)] = p_shown(p)
    return records


def least_notes(records: Sequence[Record]) -> list[str]:
    """Say that corrected rows can show nothing, where their speakers are too few."""
    tested = [record["p_over"] for record in records if "p_over" in record]
    if not tested:
        return []
    most, groups = max((over.split() for over in tested), key=lambda over: int(over[0]))
    return said_least(int(most), groups, len(tested))


def score_and_interval(record: Mapping[str, str], key: str) -> list[str]:
    """Return two cells of a Markdown row: WA or UA ± its spread, and its interval."""
    score, std = record.get(key) or "-", record.get(f"{key}_std_over_seeds")
    low, high = (record.get(f"{key}_ci95_{end}") for end in ("low", "high"))
    return [f"{score} ± {std}" if std else score, f"{low} - {high}" if low else ""]
