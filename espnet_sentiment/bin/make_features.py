"""Stage 1: 16 kHz audio or 80-d fbank of a Kaldi data directory."""

import argparse
import os
from collections.abc import Mapping

from espnet_sentiment.cluster.config import add_cluster_argument, check_cluster
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.dump import (
    check_audio,
    dump_audio,
    dump_fbank,
    features_dir,
    read_notes,
)
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.speed import perturbed
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.kinds import input_kind
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import add_common_arguments
from espnet_sentiment.recipe.features import cut_inputs
from espnet_sentiment.recipe.stage import DONE, Stage, stat_hash

ALGORITHM = 2


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser)
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="channel of recordings with several that reco2file_and_channel lacks",
    )
    parser.add_argument(
        "--speed_perturb_factors",
        nargs="*",
        type=float,
        default=[],
        help="also copies of the training utterances at these speeds (fbank only)",
    )
    parser.add_argument(
        "--nj", type=int, default=os.cpu_count(), help="processes (default: all cores)"
    )
    add_cluster_argument(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_cluster(args.cluster)
    with reading(args.data_dir):
        make_features(args)


def make_features(args: argparse.Namespace) -> None:
    """Write the features, unless that is done."""
    data = read_data(args.data_dir)
    config = load_encoder_config(args.encoder, args.encoder_model)
    kind = input_kind(config["encoder"])
    out = features_dir(args.dump, kind, data.path.name)
    inputs = {
        **cut_inputs(data),
        "recordings": stat_hash(data.wav_scp.values()),
        "channel": args.channel,
    }
    copies = {}
    if args.speed_perturb_factors and kind == "fbank":
        train = sorted({utt for fold in read_folds(data.path) for utt in fold.train})
        copies = perturbed(train, args.speed_perturb_factors)
        inputs |= {"copies": sha256_of(copies)}
    stage = Stage(f"stage 1: {kind}", out / DONE, inputs, ALGORITHM)
    if stage.is_done():
        return
    with writing(out):
        if stage.is_done():
            return
        stage.start(out)
        check_audio(data, args.channel)
        of = stage.origin
        if kind == "audio":
            files = dump_audio(data, out, args.channel, args.nj, args.cluster, of)
        else:
            files = dump_fbank(
                data, out, args.channel, copies, args.nj, args.cluster, of
            )
        _warn(stage, read_notes(out))
        more = f" and {len(copies)} copies at other speeds" if copies else ""
        stage.finish(f"{len(data.utts)} utterances{more} in {out}", *files)


def _warn(stage: Stage, notes: Mapping[str, str]) -> None:
    """Say what is odd about utterances, by what it is."""
    by_note: dict[str, list[str]] = {}
    for utt, note in notes.items():
        by_note.setdefault(note, []).append(utt)
    for note, utts in by_note.items():
        more = f" ... and {len(utts) - 20} more" if len(utts) > 20 else ""
        stage.say(f"WARNING: {note}: {' '.join(utts[:20])}{more}")


if __name__ == "__main__":
    run(main)
