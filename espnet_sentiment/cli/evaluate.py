"""espnet-sentiment evaluate: score models on labelled recordings."""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.cli.evaluated import choose_models, evaluate_model, say
from espnet_sentiment.cli.model_option import (
    MODEL_HELP,
    add_computing_options,
    add_fold_option,
)
from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import check_writable
from espnet_sentiment.core.names import as_word
from espnet_sentiment.core.stamp import SCORED
from espnet_sentiment.recipe.data_options import (
    DATA_HELP,
    add_data_options,
    read_options,
)
from espnet_sentiment.report.languages import DEFAULT, language_names

if TYPE_CHECKING:
    from espnet_sentiment.cli.evaluated import Chosen
    from espnet_sentiment.data.kaldi_dir import Utterance
    from espnet_sentiment.data.manifest import Manifest

# Options may stand among the models.
INTERMIXED = True
TRAINING = ("final", SCORED, "sentiment.pth", "config.yaml")
HELP = "score models on labelled recordings: WA, UA, F1, confusion, calibration"
EPILOG = """\
DATA is a table with the columns path and label, or a folder: LABEL/x.wav,
SPEAKER/LABEL/x.wav, a Hugging Face audiofolder, a Kaldi data directory. Other columns
and labels are named by --map and --map_label, as egs/manifest/README.md says:

  espnet-sentiment evaluate model.zip corpus/ --by speaker --out evaluation
  espnet-sentiment evaluate model.zip nemo/data.tsv --audio_dir nemo/samples \\
    --map path=file_id --map_label fear=,surprised= --by gender
  espnet-sentiment evaluate exp/first exp/second third.zip corpus/ --out evaluation

Several models make one table: a row a model, each tested against the first by a paired
permutation over speakers.

A recording that cannot be answered is named on standard error, counts in no score, and
makes the exit status 1.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=f"{MODEL_HELP.rpartition(' (')[0]}; of several, the first is what the "
        "others are tested against",
    )
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_fold_option(parser)
    add_data_options(parser)
    parser.add_argument(
        "--split",
        choices=("train", "valid", "test"),
        help="of data with a column split: this part alone (default: all)",
    )
    parser.add_argument(
        "--among",
        choices=("all", "labels"),
        default="all",
        help="choose among all classes of the model, or among those alone that the "
        "data has as labels (default: all)",
    )
    parser.add_argument(
        "--by",
        default="",
        metavar="COLUMN,...",
        help="also WA and UA by the values of these columns: speaker,gender",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of report and results; of several models, a folder for each in it",
    )
    parser.add_argument(
        "--embed",
        type=int,
        default=40,
        help="utterances in the report with audio and pictures (default: 40)",
    )
    parser.add_argument(
        "--language",
        choices=language_names(),
        default=DEFAULT,
        help=f"of the report (default: {DEFAULT})",
    )
    add_computing_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; return the exit status, 1 if a recording could not be answered.

    Raises:
        DataError: The model or the data cannot be used.
    """
    if args.embed < 0:
        args.parser.error("--embed: a number from 0")
    if not Path(args.data).exists():
        raise DataError(f"{args.data} does not exist: check the path")
    if args.out is not None:
        args.out = _check_out(args.out.expanduser())
    manifest = _read(args)
    for line in manifest.said:
        say(line)
    part = _part(manifest, args.split)
    utterances = [u for u in part if u.label is not None]
    if without := len(part) - len(utterances):
        say(f"not scored: {counted(without, 'utterance')} with votes and no label")
    if not utterances:
        raise DataError(f"{args.data}: no utterance with a label is left to score")
    counts = Counter(str(u.label) for u in utterances)
    chosen = choose_models(args, counts)
    shown = ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
    say(f"{counted(len(utterances), 'utterance')}: {shown}")
    for one in chosen:
        if absent := [name for name in one.classes if name not in counts]:
            which = "the model" if len(chosen) == 1 else one.name
            say(
                f"no label is {', '.join(absent)}, which {which} may answer all the "
                "same (--among labels: it may not)"
            )
    if len(chosen) == 1:
        return _evaluate_one(args, chosen[0], utterances, manifest)
    return _compare(args, chosen, utterances, manifest)


def _evaluate_one(
    args: argparse.Namespace,
    chosen: "Chosen",
    utterances: Sequence["Utterance"],
    manifest: "Manifest",
) -> int:
    from espnet_sentiment.report.evaluation import write_evaluation
    from espnet_sentiment.scoring.evaluation import evaluation_report

    results, scored = evaluate_model(args, chosen, utterances, manifest)
    print(evaluation_report(results, picture=False).rstrip())
    if args.out is not None:
        for path in write_evaluation(
            args.out, results, scored, args.embed, args.language
        ):
            say(f"written: {path}")
    return int(bool(results["not_answered"]))


def _compare(
    args: argparse.Namespace,
    chosen: Sequence["Chosen"],
    utterances: Sequence["Utterance"],
    manifest: "Manifest",
) -> int:
    """Evaluate several models, one after the other, and test them on one another."""
    from espnet_sentiment.report.evaluation import (
        COMPARISON,
        write_comparison,
        write_evaluation,
    )
    from espnet_sentiment.scoring.comparison import (
        Evaluated,
        compare_evaluated,
        comparison_report,
    )

    if args.out is not None:
        # The last to be written: with it, all is of one evaluation.
        (args.out / COMPARISON).unlink(missing_ok=True)
    done = []
    for number, one in enumerate(chosen, 1):
        say(f"model {number} of {len(chosen)}: {one.name}")
        results, scored = evaluate_model(args, one, utterances, manifest)
        # A name may be as long as a file's, and longer in a pack of somebody's.
        folder = f"{number}_{as_word(one.name)[:60]}"
        if args.out is not None:
            write_evaluation(
                args.out / folder, results, scored, args.embed, args.language
            )
            say(f"written: {args.out / folder}")
        answers = {u.utt: (u.label, u.prediction) for u in scored}
        done.append(Evaluated(one.name, folder, results, answers))
    compared = compare_evaluated(done, {u.utt: u.speaker for u in utterances})
    print(comparison_report(compared).rstrip())
    if args.out is not None:
        for path in write_comparison(args.out, compared):
            say(f"written: {path}")
    return int(any(model.results["not_answered"] for model in done))


def _read(args: argparse.Namespace) -> "Manifest":
    from espnet_sentiment.data.manifest import read_manifest

    groups = [name.strip() for name in args.by.split(",") if name.strip()]
    reading = read_options(args, list(dict.fromkeys(groups)))
    # Nothing is trained: who has votes and no label is left out, and said.
    reading = dataclasses.replace(reading, no_majority=True)
    return read_manifest(args.data, args.audio_dir, reading)


def _part(manifest: "Manifest", split: str | None) -> list["Utterance"]:
    """Return the utterances of a part.

    Raises:
        DataError: There is no such part.
    """
    parts = manifest.utt2split
    if split is None:
        if parts:
            say(f"all parts are evaluated: {', '.join(sorted(set(parts.values())))}")
        return manifest.utterances
    if split not in parts.values():
        raise DataError(
            f"{manifest.path} has no part {split}: leave --split out, or choose of "
            f"{', '.join(sorted(set(parts.values()))) or 'none'}"
        )
    return [u for u in manifest.utterances if parts[u.utt] == split]


def _check_out(out: Path) -> Path:
    """Return the folder of results, unless that of a training.

    Raises:
        DataError: It is no folder, or holds others' results.
    """
    check_writable(out, "--out", is_folder=True)
    theirs = [*out.glob("fold*"), *(out / name for name in TRAINING)]
    if found := [path.name for path in theirs if path.exists()]:
        raise DataError(
            f"--out {out} holds a training ({found[0]}), whose results would be lost: "
            "name another folder"
        )
    return out
