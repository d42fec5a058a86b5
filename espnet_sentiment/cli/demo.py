"""espnet-sentiment demo: the model behind a small page in the browser."""

import argparse
import dataclasses
import signal
import sys

from espnet_sentiment.cli.model_option import MODEL_HELP, add_fold_option, model_name
from espnet_sentiment.core.extras import check_extra
from espnet_sentiment.demo.limits import Limits
from espnet_sentiment.demo.server import LOOPBACK, is_loopback, serving, wait

HELP = "open a page in the browser: record or upload, see the label and the words"

LIMITS = {
    "max_mb": "size of an uploaded file, in MB (2^20 bytes)",
    "max_total_mb": "size of all uploads that are there together; more are refused",
    "max_seconds": "duration of a recording, or of a live stream, in seconds",
    "max_concurrent": "recordings that are analysed at the same time",
    "max_queue": "recordings that wait; more are refused",
    "max_live": "microphones that are heard live at the same time",
    "keep_seconds": "delete an uploaded file after this many seconds",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help=MODEL_HELP)
    # As the other commands name it.
    parser.add_argument("--model", "-m", dest="model_option", help="the same")
    add_fold_option(parser)
    parser.add_argument(
        "--encoder_model",
        help="path of the encoder where it has moved, or the name to download it by",
    )
    parser.add_argument(
        "--asr_model", help="what writes the words, where the encoder's model cannot"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--host", default=LOOPBACK, help="address to bind; the default: this machine"
    )
    parser.add_argument("--port", type=int, help="default: the first free from 7860")
    group = parser.add_argument_group("limits")
    for field in dataclasses.fields(Limits):
        group.add_argument(
            f"--{field.name}",
            type=field.type,
            default=field.default,
            help=f"{LIMITS[field.name]} (default: {field.default})",
        )


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; return the exit status.

    Raises:
        UserError: Gradio is missing, the model is not there, or the port is taken.
    """
    check_extra("demo", "the page")
    if args.model and args.model_option:
        args.parser.error("the model is named twice: give MODEL or --model MODEL")
    limits = Limits(**{name: getattr(args, name) for name in LIMITS})
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.pack.find import find_model

    name = model_name(args.model or args.model_option)
    files = find_model(name, args.fold)
    model = Speech2Sentiment(
        files.config_file,
        files.model_file,
        encoder_model=args.encoder_model or files.encoder_model,
        asr_model=args.asr_model,
        device=args.device,
        channel="mix",
    )
    # Ctrl-C is how the page is ended; as after it, the uploads' folder is deleted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not is_loopback(args.host):
        print(
            f"warning: --host {args.host}: anybody who can reach this address can use "
            "the page, without a password and unencrypted; browsers do not allow it "
            "the microphone",
            file=sys.stderr,
        )
    corpus = files.description.get("corpus")
    with serving(model, limits, args.host, args.port, name, corpus) as url:
        print(f"Open {url} (Ctrl-C ends it)", flush=True)
        wait()
    return 0
