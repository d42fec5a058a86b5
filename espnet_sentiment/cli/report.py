"""espnet-sentiment report: write report.html of an experiment again."""

import argparse
import contextlib
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json

HELP = "write report.html of a decoded experiment again"
EPILOG = """\
EXPERIMENT is a folder exp/<set>_<name> of a recipe, scored by its stage 6. The folder
above exp/ is the recipe, whose data/<set> and dump/ are read; where they are elsewhere,
name them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="exp/<set>_<name>")
    parser.add_argument(
        "--data_dir", help="Kaldi data directory (default: the recipe's data/<set>)"
    )
    parser.add_argument("--dump", help="features (default: the recipe's dump)")
    parser.add_argument(
        "--alignment",
        default="",
        help="name of the ASR model that aligned the words, as below dump/align "
        "(default: the experiment's encoder, if it did)",
    )
    parser.add_argument(
        "--channel",
        choices=("0", "1", "mix"),
        default="mix",
        help="channel of recordings that have several (default: mix)",
    )
    parser.add_argument(
        "--embed",
        type=int,
        default=40,
        help="utterances in the file with audio and pictures; the others are linked "
        "(default: 40)",
    )
    parser.add_argument(
        "--min_count",
        type=int,
        default=3,
        help="rarer words are not ranked (default: 3)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the report; return the exit status.

    Raises:
        DataError: Something that the report is made of is missing.
    """
    if args.embed < 0 or args.min_count < 1:
        raise DataError("--embed must be 0 or more, --min_count 1 or more")
    from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
    from espnet_sentiment.recipe.experiment import align_dir, fold_folders
    from espnet_sentiment.recipe.stage import Stage
    from espnet_sentiment.report.write import write_report

    experiment = _find_experiment(args)
    # As in the recipe: its tables may name recordings from there.
    with contextlib.chdir(Path(args.experiment).absolute().parent.parent):
        data = read_kaldi_dir(experiment.data_dir)
        folders = fold_folders(experiment)
        model = args.alignment or experiment.encoder
        ctm = align_dir(experiment.dump, model, experiment.corpus) / "ctm"
        if args.alignment and not ctm.exists():
            raise DataError(f"{ctm} is missing: run the recipe with --align_words")
        # It only speaks here: what is asked for is done in any case.
        stage = Stage("report", experiment.dir / ".report.json", {})
        paths = write_report(experiment, folders, data, ctm, stage, args)
    for path in paths:
        print(Path(args.experiment) / path.name)
    return 0


def _find_experiment(args: argparse.Namespace):
    """Describe a folder's experiment by what stage 6 wrote into it.

    Raises:
        DataError: It is no scored experiment, or its data directory is not there.
    """
    from espnet_sentiment.recipe.experiment import Experiment

    folder = Path(args.experiment).absolute()
    if not (folder / "results.json").is_file():
        raise DataError(
            f"{args.experiment} holds no results.json: name a folder exp/<set>_<name> "
            "of a recipe, and run the recipe up to stage 6 first"
        )
    results = read_json(folder / "results.json")
    corpus = results["corpus"]
    recipe = folder.parent.parent
    given = args.data_dir and Path(args.data_dir).absolute()
    if not (given or recipe / "data" / corpus).is_dir():
        raise DataError(
            f"{given or recipe / 'data' / corpus} is missing, the data directory of "
            f"{args.experiment}: name it by --data_dir"
        )

    class FoundExperiment(Experiment):
        """One that may have been renamed or moved."""

        corpus = results["corpus"]
        dir = Path(folder.parent.name, folder.name)

    return FoundExperiment(
        data_dir=given or Path("data", corpus),
        encoder=Path(results["encoder"]),
        sentiment=Path(results["sentiment"]),
        seed=results["seed"],
        tag="",
        exp=Path(folder.parent.name),
        dump=Path(args.dump).absolute() if args.dump else Path("dump"),
    )
