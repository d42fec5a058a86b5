"""What a logistic regression finds in a store, without any training of decoders.

    python -m espnet_sentiment.bin.probe --data_dir data/emodb \
        --encoder conf/encoder/whisper_base.yaml

Stage 6 writes the same numbers into its tables, beside the decoders'.
"""

import argparse
import sys
from pathlib import Path

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.lock import reading
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import Experiment, add_common_arguments


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Print a table.

    Raises:
        DataError: Stage 3 has not written the store, or it is too large.
    """
    args = get_parser().parse_args(argv)
    from espnet_sentiment.report.probed import probed
    from espnet_sentiment.scoring.tables import markdown, percent, regressions

    experiment = Experiment(
        data_dir=Path(args.data_dir),
        encoder=Path(args.encoder),
        sentiment=Path(),
        seed=0,
        tag="",
        exp=Path(),
        dump=Path(args.dump),
    )
    said: list[str] = []
    with reading(args.data_dir):
        data, folds = read_data(args.data_dir), read_folds(args.data_dir)
        found = probed(experiment, data, folds, said.append)
    if found is None:
        raise DataError("; ".join(said))
    for line in said:
        print(line, file=sys.stderr)
    rows = [(f"layer {n}", of) for n, of in enumerate(found["layers"] or ())]
    rows += regressions(found)
    cells = [(name, percent(of["wa"]), percent(of["ua"])) for name, of in rows]
    print(markdown(["", "WA (%)", "UA (%)"], cells), end="")


if __name__ == "__main__":
    run(main)
