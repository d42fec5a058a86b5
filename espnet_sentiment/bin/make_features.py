"""Stage 1: 16 kHz audio or 80-d fbank of a Kaldi data directory."""

import argparse
from pathlib import Path

from espnet_sentiment.bin.experiment import add_common_arguments, run
from espnet_sentiment.data.audio import CHANNELS
from espnet_sentiment.data.dump import check_audio, dump_audio, dump_fbank
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.stage import Stage, content_hash, stat_hash
from espnet_sentiment.encoder.config import input_kind, load_encoder_config


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser)
    parser.add_argument(
        "--channel", choices=CHANNELS, help="channel of recordings with several"
    )
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    data = read_kaldi_dir(args.data_dir)
    config = load_encoder_config(args.encoder, args.encoder_model)
    kind = input_kind(config["encoder"])
    out = Path(args.dump) / kind / data.path.name
    inputs = {
        "tables": content_hash([data.path / "wav.scp", data.path / "segments"]),
        "recordings": stat_hash(data.wav_scp.values()),
        "channel": args.channel,
    }
    stage = Stage(f"stage 1: {kind}", out / ".done.json", inputs)
    if stage.is_done():
        return
    stage.start(out)
    check_audio(data, args.channel)
    (dump_audio if kind == "audio" else dump_fbank)(data, out, args.channel)
    table = "wav.scp" if kind == "audio" else "feats.scp"
    stage.finish(f"{len(data.utts)} utterances in {out}", [out / table])


if __name__ == "__main__":
    run(main)
