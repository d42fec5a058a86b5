"""The paper's Table 1: how much data there is."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.dump import SIZES, features_dir
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir, speakers_known
from espnet_sentiment.data.speed import read_copies
from espnet_sentiment.scoring.latex import Table
from espnet_sentiment.scoring.paper import TABLE1
from espnet_sentiment.scoring.tables import markdown, percent

RATES = {"audio": SAMPLE_RATE, "fbank": 100}  # samples or frames in a second
COLUMNS = ["source", "dataset", "utterances", "hours", "speakers", "classes"]
NOTE = (
    "Labelled utterances. The paper counts all of IEMOCAP, and its classes among the "
    "5531 utterances that it uses.\n"
)


def hours(data: KaldiDir, dump: Path) -> float | None:
    """Return the hours of the labelled utterances, by stage 1's lengths.

    Args:
        data: The set.
        dump: Folder of features.

    Returns:
        None where stage 1 has not gone over all of them.
    """
    labels = labels_of(data)
    for kind, rate in RATES.items():
        path = features_dir(dump, kind, data.path.name) / SIZES[kind]
        lengths = read_table(path) if path.exists() else {}
        # The table may hold more: unlabelled utterances, and copies at other speeds.
        if labels.keys() <= lengths.keys():
            return sum(int(lengths[utt]) for utt in labels) / rate / 3600
    return None


def labels_of(data: KaldiDir) -> dict[str, str]:
    """Return the labels of a set without its copies at other speeds."""
    copies = read_copies(data.path)
    return {u: label for u, label in data.utt2label.items() if u not in copies}


def data_records(data: KaldiDir, dump: Path) -> list[dict[str, str]]:
    """Return the set's row and the paper's; shares of classes in percent."""
    labels = labels_of(data)
    counts = Counter(labels.values())
    shares = {label: counts[label] / counts.total() for label in data.classes}
    known = speakers_known(labels, data.utt2spk)
    speakers = len({data.utt2spk[utt] for utt in labels}) if known else ""
    length = hours(data, dump)
    ours = {
        "source": "ours",
        "dataset": data.path.name,
        "utterances": str(counts.total()),
        "hours": "" if length is None else f"{length:.2f}",
        "speakers": str(speakers),
        "classes": str(len(shares)),
        **_share_cells(shares),
    }
    paper = [
        {
            "source": "paper",
            "dataset": row.name,
            "utterances": str(row.utterances),
            "hours": f"{row.hours:.2f}",
            "speakers": "" if row.speakers is None else str(row.speakers),
            "classes": str(len(row.shares)),
            **_share_cells(row.shares),
        }
        for row in TABLE1
    ]
    return [ours, *paper]


def _share_cells(shares: Mapping[str, float]) -> dict[str, str]:
    return {f"{label}_percent": percent(share) for label, share in shares.items()}


def columns(records: list[dict[str, str]]) -> list[str]:
    """Return the columns of the CSV file; each class of any row has one."""
    return list(dict.fromkeys([*COLUMNS, *(key for row in records for key in row)]))


def data_table(records: list[dict[str, str]]) -> Table:
    """Return the table as Markdown and LaTeX show it."""
    header = ["dataset", *COLUMNS[2:], "shares of classes (%)"]
    rows = []
    for record in records:
        name = record["dataset"] + (" (paper)" if record["source"] == "paper" else "")
        shares = ", ".join(
            f"{key.removesuffix('_percent')} {value}"
            for key, value in record.items()
            if key not in COLUMNS
        )
        rows.append([name, *(record[key] or "-" for key in COLUMNS[2:]), shares])
    return Table("data", header, rows)


def data_markdown(records: list[dict[str, str]]) -> str:
    """Write the table, and below it what is counted."""
    table = data_table(records)
    missing = "Hours are known after stage 1.\n" if not records[0]["hours"] else ""
    return "\n".join([markdown(table.header, table.rows), NOTE + missing])
