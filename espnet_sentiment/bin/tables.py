"""The paper's Tables 1 to 3 from the experiments of a corpus that were scored."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import sha256_of, write_text
from espnet_sentiment.core.lock import writing
from espnet_sentiment.core.stamp import read_stamp
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.dump import SIZES, features_dir
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir, read_kaldi_dir
from espnet_sentiment.recipe.fold_inputs import tested_set
from espnet_sentiment.recipe.stage import Stage, content_hash
from espnet_sentiment.scoring.askers import ASKERS, RUN_SH
from espnet_sentiment.scoring.options import add_table_arguments
from espnet_sentiment.scoring.paper import SOURCE
from espnet_sentiment.scoring.tables import write_csv

if TYPE_CHECKING:
    from espnet_sentiment.report.references import References
    from espnet_sentiment.scoring.models import Model

ALGORITHM = 9


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument("--exp", default="exp", help="folder of experiments")
    parser.add_argument("--dump", default="dump", help="folder of features")
    add_table_arguments(parser)
    parser.add_argument(
        "--asker",
        choices=ASKERS,
        default=RUN_SH,
        help=f"whose commands notes name (default: {RUN_SH})",
    )
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="channel of recordings with several that reco2file_and_channel lacks",
    )
    return parser


def main(argv=None) -> None:
    """Write the tables, and print them."""
    write_tables(get_parser().parse_args(argv))


def write_tables(args: argparse.Namespace) -> None:
    """Write ``TABLES_<set>.{md,tex}`` and ``table{1,2,3}_<set>.{csv,tex}``, print one.

    Beside them stands ``references_<set>.json``, where the set has folds.

    Args:
        args: ``data_dir``, ``exp``, ``dump``, ``channel``, ``asker`` and the options
            of ``add_table_arguments``.

    Raises:
        DataError: The data directory is missing, or nothing of it was scored.
    """
    from espnet_sentiment.report.references import find_references
    from espnet_sentiment.scoring.models import read_models

    exp, data = Path(args.exp), read_kaldi_dir(args.data_dir)
    corpus = data.path.name
    # Labels alone, without folds, make a table of earlier results.
    has_folds = (data.path / "folds").is_dir()
    folds = read_folds(data.path) if has_folds else []
    tested = tested_set(data, folds) if folds else None
    dump, references = Path(args.dump), None
    if folds:
        references = find_references(exp, data, folds, args.channel)
    models = read_models(exp, corpus, tested)
    stage = Stage(
        "stage 6: tables",
        _stamp(exp, corpus),
        {
            "runs": {run.folder.name: run.sums for m in models for run in m.runs},
            "labels": sha256_of([data.utt2label, data.utt2spk, data.classes]),
            "lengths": {
                kind: content_hash([features_dir(args.dump, kind, corpus) / table])
                for kind, table in SIZES.items()
            },
            "references": references and references.inputs,
            "channel": args.channel,
            "asker": args.asker,
            "base": args.base,
            "encoder": Path(args.encoder).stem if args.encoder else None,
        },
        ALGORITHM,
    )
    if not stage.is_done():
        with writing(exp / f"TABLES_{corpus}.md", wait=True):
            stage.start()
            stage.finish(
                None, _write(stage.inputs, exp, data, models, dump, references)
            )
    print((exp / f"TABLES_{corpus}.md").read_text(encoding="utf-8"))


def last_asked(exp: Path, corpus: str) -> dict[str, Any]:
    """Return ``base``, ``encoder``, ``channel`` and ``asker`` of tables that there are.

    As options; who asks for none of them then leaves to a recipe what it wrote.

    Args:
        exp: Folder of experiments.
        corpus: Name of the set.
    """
    stamp = read_stamp(_stamp(exp, corpus))
    if stamp is None:
        return {}
    encoder = stamp.inputs.get("encoder")
    return {
        "base": stamp.inputs.get("base"),
        "encoder": encoder and f"{encoder}.yaml",
        "channel": stamp.inputs.get("channel"),
        "asker": stamp.inputs.get("asker", RUN_SH),
    }


def _stamp(exp: Path, corpus: str) -> Path:
    return exp / f".tables_{corpus}.json"


def _write(
    asked: Mapping[str, Any],
    exp: Path,
    data: KaldiDir,
    models: Sequence["Model"],
    dump: Path,
    references: "References | None",
) -> list[Path]:
    """Write the tables and return the files."""
    # Here, so that a run with nothing to do is quick.
    from espnet_sentiment.scoring import (
        ablation_table,
        data_table,
        feature_table,
        latex,
    )
    from espnet_sentiment.scoring.models import choose_base

    corpus = data.path.name
    base = choose_base(models, asked["base"], asked["encoder"])
    amounts = data_table.data_records(data, dump)
    found = references.read() if references else None
    by_features, notes2 = feature_table.feature_records(
        models, base, data.utt2spk, found
    )
    ablation, notes3 = ablation_table.ablation_records(models, data.utt2spk)
    markdown = "\n".join(
        [
            f"# {corpus}, and the paper's numbers ({SOURCE})\n",
            "## Table 1: data\n",
            data_table.data_markdown(amounts),
            "## Table 2: input features\n",
            feature_table.feature_markdown(by_features, base, notes2, asked["asker"]),
            "## Table 3: ablation\n",
            ablation_table.ablation_markdown(ablation, notes3, asked["asker"]),
        ]
    )
    files = [exp / f"TABLES_{corpus}.{suffix}" for suffix in ("md", "tex")]
    if references:
        files.append(references.path)
    made = [
        (data_table.columns(amounts), amounts, [data_table.data_table(amounts)]),
        (
            feature_table.columns(by_features),
            by_features,
            [feature_table.feature_table(by_features)],
        ),
        (
            ablation_table.columns(ablation),
            ablation,
            ablation_table.ablation_tables(ablation),
        ),
    ]
    captioned = []
    for number, (columns, records, shown) in enumerate(made, 1):
        for_paper = exp / f"table{number}_{corpus}.tex"
        files += [for_paper.with_suffix(".csv"), for_paper]
        write_csv(files[-2], columns, records)
        write_text(for_paper, latex.tabulars(shown))
        captioned += [t._replace(title=f"{corpus}: {t.title}") for t in shown]
    write_text(files[1], latex.floats(captioned))
    write_text(files[0], markdown)
    return files


if __name__ == "__main__":
    run(main)
