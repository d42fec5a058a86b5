"""Stage 2: pre-train an RNN-T on public speech (paper, Section 3.1)."""

import argparse
from pathlib import Path

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.entry import check_gpus, run, split_options
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import hash_file, sha256_of
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.stamp import read_stamp
from espnet_sentiment.data.dump import features_dir
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.transcribed import check_transcripts
from espnet_sentiment.encoder.espnet_files import averaged_checkpoint
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.features import find_features
from espnet_sentiment.recipe.init_param import init_inputs
from espnet_sentiment.recipe.stage import DONE, Stage, differences

ALGORITHM = 1


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data_dir", required=True, help="Kaldi data directory with one fold"
    )
    parser.add_argument("--asr", required=True, help="RNN-T config, conf/asr/*.yaml")
    parser.add_argument("--asr_exp", required=True, help="folder of the experiment")
    parser.add_argument(
        "--asr_args",
        default="",
        help="options of RNNTTask that override the config, "
        'for example "--max_epoch 20 --optim_conf lr=0.001"',
    )
    parser.add_argument(
        "--init", help="folder of an RNN-T experiment with whose encoder to begin"
    )
    parser.add_argument("--dump", default="dump", help="folder of features")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ngpu", type=int, default=0, help="CUDA devices; 0: CPU")
    parser.add_argument(
        "--nj",
        type=int,
        default=2,
        help="processes on the CPU that share every batch (the numbers depend on it)",
    )
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_gpus(args.ngpu)
    features = features_dir(args.dump, "fbank", Path(args.data_dir).name)
    with reading(args.data_dir, features):
        train(args)


def train(args: argparse.Namespace) -> None:
    """Train the RNN-T, unless that is done."""
    data = read_data(args.data_dir)
    folds = read_folds(args.data_dir)
    if len(folds) != 1:
        raise DataError(
            f"{args.data_dir}/folds holds {len(folds)} folds: RNN-T training takes one"
        )
    [fold] = folds
    config = read_config(args.asr)
    extra = split_options("--asr_args", args.asr_args)
    features = find_features(args.dump, "fbank", data)
    out = Path(args.asr_exp)
    stage = Stage(
        f"stage 2: {out.name}",
        out / DONE,
        {
            "config": config,
            "asr_args": extra,
            **init_inputs(config, extra),
            "seed": args.seed,
            "init": args.init and hash_file(averaged_checkpoint(Path(args.init))),
            "features": features.inputs,
            # In their order, which decides on batches.
            "train": sha256_of([(utt, data.text.get(utt)) for utt in fold.train]),
            "valid": sha256_of([(utt, data.text.get(utt)) for utt in fold.valid]),
            "nj": args.nj if args.ngpu == 0 else None,
        },
        ALGORITHM,
    )
    if stage.is_done():
        return
    refuse_other(stage)
    empty = check_transcripts(data)
    out.mkdir(parents=True, exist_ok=True)
    with writing(out):
        if stage.is_done():
            return
        refuse_other(stage)  # which may have ended while this run waited
        stage.start(out)
        if empty:
            count = counted(len(empty), "empty transcript")
            stage.say(f"{count}, for example of {empty[0]}")
        _train(stage, data, fold, features.dir, config, extra, args)


def refuse_other(stage: Stage) -> None:
    """Keep a complete training from other inputs: it took hours.

    Raises:
        DataError: There is one.
    """
    complete = read_stamp(stage.stamp)
    if complete is not None and complete.inputs != stage.inputs:
        other = ", ".join(differences(complete.inputs, stage.inputs))
        raise DataError(
            f"{stage.stamp.parent} holds a complete training from other inputs "
            f"({other}): give the new one a name by --tag (in a recipe that goes on to "
            "sentiment, --asr_tag), or delete it"
        )


def _train(stage, data, fold, feats, config, extra, args) -> None:
    """Train; ESPnet's slow imports wait until there is work to do."""
    stage.say("loading ESPnet")
    from espnet_sentiment.tasks.divergence import check_initial
    from espnet_sentiment.train.prepare_rnnt import prepare, rnnt_options
    from espnet_sentiment.train.served import check_processes
    from espnet_sentiment.train.train_rnnt import drop_leftovers, train_rnnt

    options = rnnt_options(config, Path(args.asr), extra)
    check_processes(options, args.ngpu, args.nj)
    if args.init and options["init_param"]:
        raise UserError("--init is init_param of the encoder: give one of the two")
    if not args.ngpu and (options["use_amp"] or options["num_workers"] > 1):
        stage.say("use_amp and num_workers are for GPUs, and have no effect on a CPU")
    out = stage.stamp.parent
    if args.init:
        checkpoint = averaged_checkpoint(Path(args.init))
        check_initial(checkpoint)
        options["init_param"] = [f"{checkpoint}:encoder:encoder"]
    options, facts = prepare(out, data, fold, feats, options)
    for fact in facts:
        stage.say(fact)
    if train_rnnt(options, args.seed, args.ngpu, args.nj):
        files = kept_files(out)
        weights = [path for path in files if path.suffix == ".pth"]
        others = [path for path in files if path.suffix != ".pth"]
        stage.finish(f"RNN-T in {out}", others, weights)
        drop_leftovers(out)


def kept_files(out: Path) -> list[Path]:
    """Return what is kept of a complete training: no logs, no states to resume from."""
    averaged = averaged_checkpoint(out).resolve()
    return [
        path
        for path in sorted(out.iterdir())
        if path.is_file()
        and not path.name.startswith(".")
        and path.suffix != ".log"
        and (path.suffix != ".pth" or path.resolve() == averaged)
    ]


if __name__ == "__main__":
    run(main)
