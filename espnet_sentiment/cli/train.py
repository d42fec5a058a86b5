"""espnet-sentiment train: from labelled recordings to a model, by a recipe's stages."""

import argparse
import contextlib
import importlib
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from espnet_sentiment.cli.model_option import keep_place
from espnet_sentiment.cluster.config import check_cluster
from espnet_sentiment.core.entry import add_gpu_argument
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.core.files import check_writable
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.model.layout import FINALS
from espnet_sentiment.recipe.data_options import (
    DATA_HELP,
    add_data_options,
    add_fold_options,
    read_options,
)
from espnet_sentiment.recipe.tune_ranges import (
    add_tune_arguments,
    check_ensemble,
)
from espnet_sentiment.scoring.askers import TRAIN

HELP = "train and test models on labelled recordings: a table or a folder, one command"
LAST = 6
EPILOG = """\
DATA is read as by evaluate. Folds test every utterance once, and no speaker that they
train on, where speakers are known. DIR becomes a recipe's folder: conf/, data/, dump/
(features), exp/ (models, results.json, RESULTS.md, report.html). A stage that is
complete does nothing, a killed one goes on: run the same command again.

  espnet-sentiment train corpus/ --out work
  espnet-sentiment train labels.csv --out work --map path=wav,label=emotion --folds 5
  espnet-sentiment train corpus/ --out work --encoder whisper_base owner/model \\
    --sentiment rnn_attention stats_pooling --seed 0 1 2
  espnet-sentiment pack work/exp/corpus_whisper_base_rnn_attention_seed0 model.zip
"""
TUNE = Path(__file__).parents[1] / "conf" / "tune" / "decoder.yaml"
LARGEST_SEED = 999_999_999


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of everything that is written",
    )
    parser.add_argument("--name", help="what to call the corpus (default: as DATA)")
    parser.add_argument(
        "--encoder",
        nargs="+",
        default=["whisper_base"],
        help="names that 'espnet-sentiment encoders' lists, files, folders of "
        "transformers models, or owner/name on the Hugging Face Hub (default: "
        "whisper_base)",
    )
    parser.add_argument(
        "--encoder_model", help="the encoder's weights, where they are on this machine"
    )
    parser.add_argument(
        "--sentiment",
        nargs="+",
        default=["rnn_attention"],
        help="names that 'espnet-sentiment decoders' lists, or files (default: "
        "rnn_attention)",
    )
    parser.add_argument(
        "--sentiment_args",
        default="",
        help="options of the task that override them: '--max_epoch 20 --grad_clip 1'",
    )
    parser.add_argument(
        "--seed", nargs="+", type=int, default=[0], help="one or several (default: 0)"
    )
    parser.add_argument("--tag", default="", help="appended to the experiments' names")
    parser.add_argument(
        "--tune",
        type=int,
        default=0,
        metavar="N",
        help="N settings, the same for all models: the recipe's own, and others drawn "
        "from ranges; each fold chooses by its own validation utterances, and only "
        "what it chose is tested (default: the recipe's own alone)",
    )
    add_tune_arguments(parser, str(TUNE))
    add_fold_options(parser)
    add_data_options(parser)
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="channel of recordings that have several; without it they are refused",
    )
    parser.add_argument(
        "--stop_stage",
        type=int,
        default=LAST,
        choices=range(LAST + 1),
        help="0 data, 1 features, 2 encoder, 3 encoding, 4 training, 5 decoding, 6 "
        "scoring (default: 6)",
    )
    parser.add_argument(
        "--final",
        choices=FINALS,
        default="all",
        help="also the model that predict, evaluate and pack take: one that trains on "
        "all utterances, or the ensemble of the folds (default: all)",
    )
    parser.add_argument(
        "--nj",
        type=int,
        help="processes on the CPU: of stage 1, folds of stage 4 (default: one a core)",
    )
    parser.add_argument("--cluster", help="share stages by Dask: a file, or local")
    add_gpu_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the stages; return the exit status.

    Raises:
        UserError: An option, the data or a stage is wrong.
    """
    # Threads that spin while they wait slow each other down on shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    place = _settle(args)
    try:
        with contextlib.chdir(place):
            _run_stages(args)
    except KeyboardInterrupt:
        print("\nrun the same command again to continue", file=sys.stderr)
        raise
    if args.stop_stage == LAST:
        _say_what_next(args)
    return 0


def _settle(args: argparse.Namespace) -> Path:
    """Check the options, make the folder, lay configs into it; return its path.

    Paths that options give are absolute from here on.
    """
    from espnet_sentiment.cli.configs import WORD, place_config, shipped
    from espnet_sentiment.recipe.experiment import tuned_tag

    data = Path(args.data).expanduser()
    if not data.exists():
        raise DataError(f"{args.data} does not exist: check the path")
    place = data.resolve()
    args.name = args.name or (place.name if place.is_dir() else place.stem)
    if not WORD.fullmatch(args.name):
        raise UserError(
            f"the corpus cannot be called {args.name!r}: give it a name of letters, "
            "digits, '.', '_' and '-', --name mycorpus"
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]*", args.tag):
        raise UserError(f"--tag {args.tag}: letters, digits, '.', '_' and '-'")
    if not re.fullmatch(r"|given|speaker(\+group)?|[1-9][0-9]*", args.folds):
        raise UserError(
            f"--folds {args.folds}: given, speaker, speaker+group or a number"
        )
    if min(args.seed) < 0 or max(args.seed) > LARGEST_SEED:
        raise UserError(f"--seed: whole numbers from 0 to {LARGEST_SEED}")
    args.seed = list(dict.fromkeys(args.seed))
    tuned_tag(args.tag, args.tune)
    from espnet_sentiment.recipe.tuning import settings_of

    check_ensemble(args.tune_ranges, settings_of(args, args.out / "exp"), args.final)
    if len(args.encoder) > 1 and args.encoder_model:
        raise UserError("--encoder_model is of one encoder: name one, or leave it out")
    if args.nj is not None and args.nj < 1:
        raise UserError("--nj: a number from 1")
    read_options(args)  # what is wrong with it shows before a folder is made
    args.data = str(data.absolute())
    for option in ("audio_dir", "map", "map_label", "encoder_model", "tune_ranges"):
        setattr(args, option, keep_place(getattr(args, option) or None) or "")
    clusters = shipped("cluster")
    if args.cluster in clusters:
        args.cluster = str(clusters[args.cluster])
    args.cluster = keep_place(args.cluster)
    check_cluster(args.cluster)
    args.out = args.out.expanduser()
    check_writable(args.out, "--out", is_folder=True)
    args.shown, args.out = args.out, args.out.absolute()
    args.out.mkdir(parents=True, exist_ok=True)
    for kind in ("encoder", "sentiment"):
        placed = [
            place_config(kind, name, args.out, bool(args.encoder_model))
            for name in getattr(args, kind)
        ]
        names = [str(path.relative_to(args.out)) for path in placed]
        setattr(args, kind, list(dict.fromkeys(names)))
    _check_source(args)
    if args.folds:  # experiments on other folds get other names, as in egs/manifest
        folds = f"folds_{args.folds.replace('+', '_')}"
        args.tag = "_".join(filter(None, [args.tag, folds]))
    return args.out


def _check_source(args: argparse.Namespace) -> None:
    """Keep what a corpus was made of; refuse another one of its name.

    Raises:
        UserError: There is one; or a model reads transcripts, which nothing makes here.
    """
    from espnet_sentiment.core.config import read_config
    from espnet_sentiment.core.files import write_text

    for path in args.sentiment:
        if read_config(args.out / path).get("text_encoder"):
            raise UserError(
                f"--sentiment {Path(path).stem} reads transcripts, which train does "
                "not make: take run.sh of egs/manifest, by --transcripts"
            )
    note = args.out / "data" / f"{args.name}.source"
    if note.is_file() and note.read_text(encoding="utf-8") != f"{args.data}\n":
        raise UserError(
            f"{note.with_suffix('')} was made of "
            f"{note.read_text(encoding='utf-8').strip()}: give this corpus another "
            f"name (--name), or another folder (--out); if it has moved, delete {note}"
        )
    note.parent.mkdir(exist_ok=True)
    write_text(note, f"{args.data}\n")


def _run_stages(args: argparse.Namespace) -> None:
    begun = time.perf_counter()
    data_dir = f"data/{args.name}"
    override = f"--sentiment_args={args.sentiment_args}"
    shared = ["--cluster", args.cluster] if args.cluster else []
    tune = ["--tune", str(args.tune)] if args.tune else []
    ranges = ["--tune_ranges", args.tune_ranges, "--tune_seed", str(args.tune_seed)]
    _say(
        f"everything is written to {args.out}: {data_dir} (lists), dump (features), "
        "exp (models, results, logs)"
    )
    if args.stop_stage >= 3:
        _stage(
            "check_options",
            [
                "--ngpu",
                str(args.ngpu),
                "--sentiment",
                *args.sentiment,
                override,
                "--final",
                args.final,
                *(*tune, *ranges),
                *shared,
            ],
        )
    _prepare(args, data_dir)
    _check_targets(args, data_dir)
    wanted = range(1, args.stop_stage + 1)
    channel = ["--channel", args.channel] if args.channel else []
    for encoder in args.encoder:
        data = ["--data_dir", data_dir, "--encoder", encoder]
        if args.encoder_model:
            data += ["--encoder_model", args.encoder_model]
        experiment = [*data, "--sentiment", *args.sentiment, "--tag", args.tag]
        experiment += ["--seed", *map(str, args.seed), "--ngpu", str(args.ngpu)]
        experiment += tune
        nj = ["--nj", str(args.nj)] if args.nj else []
        training = [*shared, "--by_size", "--final", args.final, *nj, override]
        training += ranges if tune else []
        stages = [
            (1, "make_features", [*data, *channel, *nj, *shared]),
            (2, "fetch_encoder", data),
            (3, "encode", [*experiment, *shared, override]),
            (4, "sentiment_train", [*experiment, *training]),
            (5, "sentiment_inference", [*experiment, *shared]),
            (6, "score", [*experiment, *channel]),
            (6, "report", [*experiment, *channel]),
        ]
        for number, name, options in stages:
            if number in wanted:
                _stage(name, options)
    if LAST in wanted:
        tables = ["--data_dir", data_dir, "--encoder", args.encoder[0], *channel]
        tables += ["--asker", TRAIN]
        _stage("tables", tables)
    _say(f"{time.perf_counter() - begun:.0f} s in all")


def _prepare(args: argparse.Namespace, data_dir: str) -> None:
    from espnet_sentiment.bin.prepare_table import prepare_table

    options = argparse.Namespace(**{**vars(args), "manifest": args.data})
    options.data_dir = data_dir
    with _timed("prepare_table"):
        prepare_table(options)


def _check_targets(args: argparse.Namespace, data_dir: str) -> None:
    """Refuse before hours of encoding what stage 4 would."""
    from espnet_sentiment.data.folds import read_folds
    from espnet_sentiment.recipe.data_set import read_data
    from espnet_sentiment.recipe.target import check_target

    data, folds = read_data(data_dir), read_folds(data_dir)
    for path in args.sentiment:
        check_target(Path(path), data, folds)


def _stage(name: str, options: Sequence[str]) -> None:
    module = importlib.import_module(f"espnet_sentiment.bin.{name}")
    with _timed(name):
        module.main(options)


@contextlib.contextmanager
def _timed(name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    _say(f"{name}: {time.perf_counter() - begun:.0f} s")


def _say_what_next(args: argparse.Namespace) -> None:
    from espnet_sentiment.recipe.experiment import Experiment, tuned_tag

    # The first that was asked for: not the best on what was tested.
    first = Experiment(
        data_dir=Path("data", args.name),
        encoder=Path(args.encoder[0]),
        sentiment=Path(args.sentiment[0]),
        seed=args.seed[0],
        tag=tuned_tag(args.tag, args.tune),
        exp=Path("exp"),
        dump=Path("dump"),
    )
    place = args.shown / first.dir
    _say(f"tables: {args.shown / first.exp / f'TABLES_{args.name}.md'}")
    _say(f"report: {place / 'report.html'}")
    experiment = shlex.quote(str(place))
    _say(f"use it: espnet-sentiment predict --model {experiment} FILES")
    _say(f"give it away: espnet-sentiment pack {experiment} model.zip")


def _say(line: str) -> None:
    print(f"[train] {one_line(line)}", file=sys.stderr)
