"""The paper's Tables 1 to 3 from the experiments of a corpus that were scored."""

import argparse
from pathlib import Path

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import update_text
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.recipe.fold_inputs import tested_set
from espnet_sentiment.scoring.options import add_table_arguments
from espnet_sentiment.scoring.paper import SOURCE
from espnet_sentiment.scoring.tables import write_csv


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument("--exp", default="exp", help="folder of experiments")
    parser.add_argument("--dump", default="dump", help="folder of features")
    add_table_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Write the tables, and print them."""
    write_tables(get_parser().parse_args(argv))


def write_tables(args: argparse.Namespace) -> None:
    """Write ``TABLES_<set>.md`` and ``table{1,2,3}_<set>.csv``, print the former.

    Args:
        args: ``data_dir``, ``exp``, ``dump`` and the options of
            ``add_table_arguments``.

    Raises:
        DataError: The data directory is missing, or nothing of it was scored.
    """
    # Here, so that --help is quick.
    from espnet_sentiment.scoring import ablation_table, data_table, feature_table
    from espnet_sentiment.scoring.models import choose_base, read_models

    exp, data = Path(args.exp), read_kaldi_dir(args.data_dir)
    corpus = data.path.name
    # Labels alone, without folds, make a table of earlier results.
    has_folds = (data.path / "folds").is_dir()
    tested = tested_set(data, read_folds(data.path)) if has_folds else None
    models = read_models(exp, corpus, tested)
    preferred = Path(args.encoder).stem if args.encoder else None
    base = choose_base(models, args.base, preferred)
    amounts = data_table.data_records(data, Path(args.dump))
    by_features, notes2 = feature_table.feature_records(models, base)
    ablation, notes3 = ablation_table.ablation_records(models)
    markdown = "\n".join(
        [
            f"# {corpus}, and the paper's numbers ({SOURCE})\n",
            "## Table 1: data\n",
            data_table.data_markdown(amounts),
            "## Table 2: input features\n",
            feature_table.feature_markdown(by_features, base, notes2),
            "## Table 3: ablation\n",
            ablation_table.ablation_markdown(ablation, notes3),
        ]
    )
    for number, columns, records in [
        (1, data_table.columns(amounts), amounts),
        (2, feature_table.COLUMNS, by_features),
        (3, ablation_table.COLUMNS, ablation),
    ]:
        write_csv(exp / f"table{number}_{corpus}.csv", columns, records)
    update_text(exp / f"TABLES_{corpus}.md", markdown)
    print(markdown)


if __name__ == "__main__":
    run(main)
