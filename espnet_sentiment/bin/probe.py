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
from espnet_sentiment.data.feature_store import INDEX, FeatureStore
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.store_layers import layer_numbers
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.reference import describe_encoder
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    Experiment,
    add_common_arguments,
    check_encoder,
)


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
    encoder = load_encoder_config(args.encoder, args.encoder_model)
    said: list[str] = []
    with reading(args.data_dir):
        data, folds = read_data(args.data_dir), read_folds(args.data_dir)
        clean = experiment.store / CLEAN
        if (clean / INDEX).is_file():
            check_encoder(FeatureStore(clean), describe_encoder(encoder))
        found = probed(experiment, data, folds, said.append)
    if found is None:
        raise DataError("; ".join(said))
    for line in said:
        print(line, file=sys.stderr)
    rows = []
    if layers := found["layers"]:
        numbers = layer_numbers(encoder["encoder_conf"]["layer"], len(layers))
        rows = [(f"layer {n}", of) for n, of in zip(numbers, layers, strict=True)]
    rows += regressions(found)
    cells = [(name, percent(of["wa"]), percent(of["ua"])) for name, of in rows]
    print(markdown(["", "WA (%)", "UA (%)"], cells), end="")


if __name__ == "__main__":
    run(main)
