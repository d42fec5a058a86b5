"""espnet-sentiment pack: one file, or one folder, out of a trained model."""

import argparse
import shlex

from espnet_sentiment.cli.model_option import add_fold_option
from espnet_sentiment.core.escape import one_line

HELP = "make one .zip or folder of a trained model, or push it to the Hub"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "model", metavar="MODEL", help="experiment, fold, sentiment.pth or packed model"
    )
    parser.add_argument(
        "out", metavar="OUT", nargs="?", help="OUT.zip, or a folder: OUT/"
    )
    add_fold_option(parser)
    parser.add_argument(
        "--without_encoder",
        action="store_true",
        help="leave the encoder out, and name it by its SHA-256 and hub name",
    )
    parser.add_argument(
        "--encoder_model",
        help="path of the encoder where it has moved, or the name to download it by",
    )
    parser.add_argument(
        "--encoder_source",
        metavar="NAME",
        help="name by which it is downloaded, such as openai/whisper-base",
    )
    parser.add_argument(
        "--licence", "--license", help="the decoder's, as the Hub names it: cc-by-4.0"
    )
    parser.add_argument(
        "--push", metavar="OWNER/NAME", help="upload it to the Hugging Face Hub"
    )
    parser.add_argument(
        "--private", action="store_true", help="with --push: a private repository"
    )


def run(args: argparse.Namespace) -> int:
    """Pack, and say what was packed; return the exit status.

    Raises:
        DataError: See ``pack_model``.
    """
    from espnet_sentiment.pack.pack import pack_model

    packed = pack_model(
        args.model,
        args.out,
        fold=args.fold,
        with_encoder=not args.without_encoder,
        encoder_model=args.encoder_model,
        encoder_source=args.encoder_source,
        licence=args.licence,
        push=args.push,
        private=args.private,
    )
    description, encoder = packed.description, packed.description["encoder"]
    for where in filter(None, (packed.path, packed.url)):
        print(f"{one_line(where)}: {_megabytes(packed.size)}")
    why = f", {description['fold_choice']}" if description.get("fold_choice") else ""
    print(one_line(f"decoder: {description['name']}, fold {description['fold']}{why}"))
    if encoder["name"] == "none":
        print("encoder: none, it reads fbank")
    elif encoder["path"] is not None:
        size = _megabytes(packed.encoder_size)
        print(one_line(f"encoder: {size} of {packed.path or 'it'}"))
    else:
        how = "give its path by --encoder_model"
        if encoder["source"]:
            name = shlex.quote(encoder["source"])
            how = f"--encoder_model {name} downloads it, or is given its path"
        print(
            f"encoder: not included; to use the model, {how} "
            f"(SHA-256 {encoder['sha256'][:12]}...)"
        )
    return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
