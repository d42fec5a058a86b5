"""What 1, 2, 5 ... utterances of a tested speaker are worth, and all: a curve.

For models that are normalised by speaker. The tested utterance counts among the n: with
n = 1 its speaker is known by it alone. Nobody's labels are looked at. Writes
speaker_curve.csv, .png and .json into the experiment; stage 6 shows them in the report.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import sha256_of, write_json
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.data.folds import Fold, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    Experiment,
    add_experiment_arguments,
    decoded,
    experiments,
    fold_folders,
    open_store,
    predictions_hash,
    read_transcripts,
    trained,
    used_folders,
)
from espnet_sentiment.recipe.speakers import KEY, expected_speakers
from espnet_sentiment.recipe.stage import Stage

ALGORITHM = 1

NUMBERS = (1, 2, 5, 10, 20)
DRAWS = 5
NAME = "speaker_curve"


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_experiment_arguments(parser)
    parser.add_argument(
        "--utterances",
        nargs="+",
        type=int,
        default=list(NUMBERS),
        help="numbers of utterances, besides none and all (default: 1 2 5 10 20)",
    )
    parser.add_argument(
        "--draws", type=int, default=DRAWS, help="draws of each number (default: 5)"
    )
    parser.add_argument(
        "--draw_seed", type=int, default=0, help="seed of the draws (default: 0)"
    )
    return parser


def main(argv=None) -> None:
    """Draw the curves of all experiments."""
    parser = get_parser()
    args = parser.parse_args(argv)
    if min(args.utterances) < 1 or args.draws < 1:
        parser.error("--utterances and --draws must be 1 or more")
    check_gpus(args.ngpu)
    data, folds = read_data(args.data_dir), read_folds(args.data_dir)
    for experiment in experiments(args):
        with reading(args.data_dir, *used_folders([experiment])):
            draw_curve(experiment, data, folds, args)


def draw_curve(
    experiment: Experiment, data: KaldiDir, folds: Sequence[Fold], args
) -> None:
    """Draw the curve of an experiment, unless that is done.

    Raises:
        DataError: It is not normalised by speaker, or not decoded.
    """
    folders = fold_folders(experiment)
    for name in folders:
        training = trained(experiment, name)
        if KEY not in training.inputs:
            raise DataError(
                f"{experiment.dir} is not normalised by speaker: name a --sentiment "
                "that is (conf/sentiment/*_speaker.yaml)"
            )
        training.expect(expected_speakers(training, data))
    numbers = sorted(set(args.utterances))
    stage = Stage(
        f"speaker curve of {experiment.name}",
        experiment.dir / f".{NAME}.json",
        {
            "decoded": {name: decoded(f).sums() for name, f in folders.items()},
            "speakers": sha256_of(data.utt2spk),
            "options": [numbers, args.draws, args.draw_seed],
        },
        ALGORITHM,
    )
    if stage.is_done():
        return
    with writing(experiment.dir):
        stage.start()
        rows = measure(experiment, data, folds, numbers, args)
        outputs = write_curve(experiment, rows, folders)
        stage.finish(f"{outputs[0]}", outputs)


def measure(
    experiment: Experiment,
    data: KaldiDir,
    folds: Sequence[Fold],
    numbers: Sequence[int],
    args,
) -> list[dict]:
    """Return WA and UA by number of utterances, means and deviations over draws."""
    from espnet_sentiment.inference.speaker_curve import ALL, decode_by_few
    from espnet_sentiment.scoring.metrics import unweighted_accuracy, weighted_accuracy

    texts = read_transcripts(experiment, data.utts)
    store = open_store(experiment, experiment.store / CLEAN)
    answers: dict[tuple[int | str, int], dict[tuple[str, str], str]]
    answers = defaultdict(dict)
    steps = len(numbers) * args.draws + 2
    total = sum(len(fold.test) for fold in folds) * steps
    with tqdm(total=total, desc="speaker curve", unit="utt") as bar:
        for number, fold in enumerate(folds):
            found = decode_by_few(
                experiment.fold_dir(fold.name),
                store,
                fold.test,
                data.utt2spk,
                numbers,
                args.draws,
                [args.draw_seed, number],
                texts,
                device_of(args.ngpu),
            )
            for by, draw, utt, prediction in found:
                answers[by, draw][fold.name, utt] = prediction
                bar.update()
    rows = []
    points: list[int | str] = [0, *numbers, ALL]
    for n in points:
        of_draws = [given for (other, _), given in answers.items() if other == n]
        pairs = [
            ([data.utt2label[utt] for _, utt in given], list(given.values()))
            for given in of_draws
        ]
        wa = [weighted_accuracy(*pair) for pair in pairs]
        ua = [unweighted_accuracy(*pair) for pair in pairs]
        rows.append(
            {
                "utterances": n,
                "draws": len(pairs),
                "wa": float(np.mean(wa)),
                "wa_std": float(np.std(wa, ddof=1)) if len(wa) > 1 else 0.0,
                "ua": float(np.mean(ua)),
                "ua_std": float(np.std(ua, ddof=1)) if len(ua) > 1 else 0.0,
            }
        )
    return rows


def write_curve(
    experiment: Experiment, rows: Sequence[Mapping], folders: Mapping[str, Path]
) -> list[Path]:
    """Write the curve as a table, a plot, and for the report; return the files."""
    from espnet_sentiment.report.plots import plot_speaker_curve
    from espnet_sentiment.scoring.tables import percent, write_csv

    out = experiment.dir
    files = [out / f"{NAME}.{suffix}" for suffix in ("csv", "png", "json")]
    scores = ("wa", "wa_std", "ua", "ua_std")
    write_csv(
        files[0],
        ["utterances", "draws", *scores],
        (
            {
                "utterances": str(row["utterances"]),
                "draws": str(row["draws"]),
                **{key: percent(row[key]) for key in scores},
            }
            for row in rows
        ),
    )
    plot_speaker_curve(rows, files[1])
    write_json(files[2], {"predictions": predictions_hash(folders), "rows": list(rows)})
    return files


if __name__ == "__main__":
    run(main)
