"""espnet-sentiment export: a trained model as an ONNX file."""

import argparse

from espnet_sentiment.cli.model_option import MODEL_HELP, add_fold_option
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.data.channels import CHANNELS

HELP = "write a model as an ONNX file, which runs without PyTorch"
EPILOG = """\
The file takes samples (1, N) at the encoder's rate, floating point in [-1, 1], and
gives posteriors (1, classes) and, where the decoder has it, attention (1, heads,
frames). Where the encoder's front end cannot be exported, it takes the front end's
frames (1, T, F); of the decoder alone, what the encoder gives, (batch, T, D), and
lengths (batch). Its metadata says which, and the classes, the sample rate, the shortest
and longest input, what it was trained on, versions, and the encoder's SHA-256.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP.partition(" (def")[0])
    parser.add_argument("out", metavar="OUT.onnx", help="file to write")
    parser.add_argument(
        "--part",
        choices=("all", "decoder"),
        default="all",
        help="all: from samples on, encoder included; decoder: from what the encoder "
        "gives (default: all)",
    )
    parser.add_argument(
        "--check",
        nargs="+",
        default=[],
        metavar="FILE",
        help="recordings on which onnxruntime must give PyTorch's posteriors (default: "
        "some of AN4's, which ESPnet brings)",
    )
    parser.add_argument(
        "--bound",
        type=float,
        default=1e-3,
        help="nothing is written where a posterior differs by more (default: 0.001)",
    )
    add_fold_option(parser)
    parser.add_argument(
        "--encoder_model",
        help="path of the encoder where it has moved, or the name to download it by",
    )
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="channel of recordings in --check that have several",
    )


def run(args: argparse.Namespace) -> int:
    """Export, and say what was written; return the exit status.

    Raises:
        DataError: See ``export_onnx``.
    """
    from espnet_sentiment.export.onnx_model import export_onnx

    done = export_onnx(
        args.model,
        args.out,
        part=args.part,
        check=args.check,
        fold=args.fold,
        encoder_model=args.encoder_model,
        bound=args.bound,
        channel=args.channel,
    )
    said, parity = done.metadata, done.parity
    size = done.path.stat().st_size / 1e6
    print(one_line(f"{done.path}: {size:.1f} MB, {said['model']}"))
    print(one_line(f"trained on {said['trained_on']}: {', '.join(said['classes'])}"))
    print(f"input: {_input(said)}")
    for key in ("front_end", "features"):
        if key in said:
            print(one_line(f"{key.replace('_', ' ')}: {said[key]}"))
    if "normalisation" in said:
        print(f"every speaker is {said['normalisation']}: the file knows no other")
    shortest, longest = parity.seconds
    clips = f"{parity.n_clips} clips of {shortest:.2f} to {longest:.2f} s"
    attention = (
        "" if parity.attention is None else f", attention by {parity.attention:.1e}"
    )
    print(
        f"checked on {clips}: posteriors differ from PyTorch's by at most "
        f"{parity.posteriors:.1e} (bound {args.bound:g}){attention}; "
        f"{parity.same_labels} labels of {parity.n_clips} are the same"
    )
    return 0


def _input(said: dict) -> str:
    rate, shortest = said["sample_rate"], said["min_samples"]
    longest = said.get("max_samples")
    limit = "" if longest is None else f", at most {longest} ({longest / rate:g} s)"
    if said["input"] == "samples":
        return f"samples (1, N) at {rate} Hz, at least {shortest}{limit}"
    batch = said["batch"] if said["batch"] == "1" else "batch"
    return f"{said['input']} ({batch}, T, D) of audio at {rate} Hz{limit}"
