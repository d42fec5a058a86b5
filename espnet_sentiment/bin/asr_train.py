"""Stage 2: pre-train an RNN-T on public speech (paper, Section 3.1)."""

import argparse
import os
import shlex
from pathlib import Path

from espnet_sentiment.bin.experiment import read_config, run
from espnet_sentiment.data.files import DataError, read_json
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.stage import Stage, content_hash
from espnet_sentiment.data.transcribed import check_transcripts


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
    parser.add_argument("--dump", default="dump", help="folder of features")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ngpu", type=int, default=0, help="CUDA devices; 0: CPU")
    parser.add_argument(
        "--nj",
        type=int,
        default=min(os.cpu_count(), 4),
        help="processes on the CPU that share every batch (the numbers depend on it)",
    )
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    data = read_kaldi_dir(args.data_dir)
    folds = read_folds(args.data_dir)
    if len(folds) != 1:
        raise DataError(
            f"{args.data_dir}/folds holds {len(folds)} folds: RNN-T training takes one"
        )
    config = read_config(args.asr)
    try:
        extra = shlex.split(args.asr_args)
    except ValueError as error:
        raise DataError(f"--asr_args {args.asr_args}: {error}") from None
    feats = Path(args.dump) / "fbank" / data.path.name
    out = Path(args.asr_exp)
    fold_dir = data.path / "folds" / folds[0].name
    stage = Stage(
        f"stage 2: {out.name}",
        out / ".done.json",
        {
            "config": config,
            "asr_args": extra,
            "seed": args.seed,
            "processes": args.ngpu or args.nj,
            "features": read_json(feats / ".done.json")["inputs"],
            "transcripts": content_hash(
                [data.path / "text", fold_dir / "train", fold_dir / "valid"]
            ),
        },
    )
    if stage.is_done():
        return
    empty = check_transcripts(data)
    stage.start(out)
    if empty:
        stage.say(f"{len(empty)} transcripts are empty, for example of {empty[0]}")
    _train(stage, data, folds[0], feats, config, extra, args)


def _train(stage, data, fold, feats, config, extra, args) -> None:
    """Train; ESPnet's slow imports wait until there is work to do."""
    stage.say("loading ESPnet")
    from espnet_sentiment.tasks.options import task_options
    from espnet_sentiment.tasks.rnnt import RNNTTask
    from espnet_sentiment.tasks.train_rnnt import prepare, train_rnnt

    options = task_options(RNNTTask, config, Path(args.asr), extra, "--asr_args")
    out = stage.stamp.parent
    options, facts = prepare(out, data, fold, feats, options)
    for fact in facts:
        stage.say(fact)
    if train_rnnt(options, args.seed, args.ngpu, args.nj):
        stage.finish(f"RNN-T in {out}", [out / "config.yaml", out / "history.json"])


if __name__ == "__main__":
    run(main)
