"""Stage 2: what a trained RNN-T recognises in a set's utterances."""

import argparse
import shutil
from pathlib import Path

from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import (
    hash_file,
    read_table,
    sha256_of,
    write_table,
)
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.stamp import check_ended, read_stamp
from espnet_sentiment.data.folds import PARTS, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.encoder.espnet_files import averaged_checkpoint
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.features import Features, find_features
from espnet_sentiment.recipe.stage import DONE, Stage, content_hash

ALGORITHM = 1


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asr_exp", required=True, help="folder of the experiment")
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument(
        "--part",
        nargs="+",
        choices=[*PARTS, "all"],
        default=["valid", "test"],
        help="lists of the first fold, or all utterances",
    )
    add_decoding_arguments(parser)
    return parser


def add_decoding_arguments(
    parser: argparse.ArgumentParser, beam_help: str = "1 decodes greedily (default)"
) -> None:
    """Add the options that every recogniser has."""
    parser.add_argument("--beam_size", type=int, default=1, help=beam_help)
    parser.add_argument(
        "--batch_frames", type=int, default=20000, help="most frames decoded together"
    )
    parser.add_argument("--dump", default="dump", help="folder of features")
    parser.add_argument("--ngpu", type=int, default=0, help="0: CPU")


def check_sizes(args: argparse.Namespace) -> None:
    """Refuse a beam or a batch of nothing.

    Raises:
        DataError: The message names the option.
    """
    for option in ("beam_size", "batch_frames"):
        if getattr(args, option) < 1:
            raise DataError(
                f"--{option} is {getattr(args, option)}: it must be 1 or more"
            )


def decode_dir(asr_exp: Path, name: str, part: str, beam_size: int) -> Path:
    """Return the folder of a set's recognised part."""
    beam = f"_beam{beam_size}" if beam_size > 1 else ""
    return asr_exp / f"decode_{name}_{part}{beam}"


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_gpus(args.ngpu)
    check_sizes(args)
    with reading(args.data_dir, args.asr_exp):
        decode_parts(args)


def decode_parts(args: argparse.Namespace) -> None:
    """Recognise the parts of a set that are not recognised."""
    asr_exp = Path(args.asr_exp)
    data = read_data(args.data_dir)
    check_training(asr_exp)
    features = find_features(args.dump, "fbank", data)
    inputs = {
        "checkpoint": hash_file(averaged_checkpoint(asr_exp)),
        "config": content_hash([asr_exp / "config.yaml"]),
        "feats": features.inputs,
        "beam_size": args.beam_size,
        "batch_frames": args.batch_frames,
    }
    todo = []
    for part in args.part:
        ref = references(data, part, features.dir)
        out = decode_dir(asr_exp, data.path.name, part, args.beam_size)
        stage = Stage(
            f"stage 2: {out.name}",
            out / DONE,
            {**inputs, "part": part, "ref": sha256_of(ref)},
            ALGORITHM,
        )
        if not stage.is_done():
            todo.append((stage, ref))
    if todo:
        folders = [stage.stamp.parent for stage, _ in todo]
        with reading(features.dir), writing(*folders):
            todo = [item for item in todo if not item[0].is_done()]
            _decode(todo, asr_exp, features, data, args)


def check_training(asr_exp: Path) -> None:
    """Check that what the RNN-T's training wrote is as it was written.

    Raises:
        DataError: It was changed, or the training has not ended.
    """
    check_ended(asr_exp / DONE, "stage 2 (training)")
    if (stamp := read_stamp(asr_exp / DONE)) is not None:
        stamp.check(*(asr_exp / name for name in stamp.outputs))


def references(data: KaldiDir, part: str, dump: Path) -> dict[str, str]:
    """Return the transcripts of a part, all of whose utterances have features.

    Raises:
        DataError: An utterance has no transcript, which may be empty, or no features.
    """
    utts = data.utts if part == "all" else getattr(read_folds(data.path)[0], part)
    feats = read_table(dump / "feats.scp")
    for utt in utts:
        if utt not in data.text:
            raise DataError(
                f"utterance {utt} has no line in {data.path / 'text'}: add its "
                "transcript, which may be empty"
            )
        if utt not in feats:
            raise DataError(
                f"utterance {utt} has no features in {dump / 'feats.scp'}: run stages "
                "0 and 1 again"
            )
    return {utt: data.text[utt] for utt in utts}


def _decode(
    todo: list[tuple[Stage, dict[str, str]]],
    asr_exp: Path,
    features: Features,
    data: KaldiDir,
    args: argparse.Namespace,
) -> None:
    # Heavy imports wait until there is work to do.
    from espnet_sentiment.asr.rnnt_checkpoint import load_rnnt
    from espnet_sentiment.asr.rnnt_recogniser import RNNTRecogniser
    from espnet_sentiment.asr.transcribe import transcribe
    from espnet_sentiment.data.dump import DumpReader

    device = device_of(args.ngpu)
    recogniser = RNNTRecogniser(load_rnnt(asr_exp, device), args.beam_size, device)
    reader = DumpReader(features.dir, features.kind, recogniser.sample_rate)
    num_frames = features.num_frames(data)
    for stage, ref in todo:
        out = stage.stamp.parent
        stage.start(out / "parts")
        frames = {utt: num_frames[utt] for utt in ref}
        hyp = transcribe(
            recogniser,
            reader,
            frames,
            args.batch_frames,
            out / "parts",
            stage.origin,
        )
        write_table(out / "text", hyp)
        write_table(out / "ref", ref)
        stage.finish(f"{len(ref)} utterances", [out / "text", out / "ref"])
        shutil.rmtree(out / "parts", ignore_errors=True)


if __name__ == "__main__":
    run(main)
