"""espnet-sentiment info: what a model is, without loading it."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_sentiment.cli.model_option import MODEL_HELP, add_fold_option, model_name
from espnet_sentiment.cli.terminal import BOLD, has_colours, paint
from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.escape import json_text, one_line
from espnet_sentiment.data.overlap_text import TITLE, cell

if TYPE_CHECKING:
    from espnet_sentiment.pack.find import ModelFiles

HELP = "say what a model is: classes, encoder, sizes, metrics, versions, SHA-256"
UNKNOWN = "not stated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help=MODEL_HELP)
    parser.add_argument(
        "--model", "-m", dest="named_model", metavar="MODEL", help="the same"
    )
    add_fold_option(parser)
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print it; return the exit status.

    Raises:
        DataError: There is no such model.
    """
    if args.model and args.named_model:
        args.parser.error("name one model: MODEL, or --model MODEL")
    from espnet_sentiment.pack.find import find_model

    name = model_name(args.model or args.named_model)
    told = describe(find_model(name, args.fold))
    if args.json:
        print(json_text(told, indent=2))
        return 0
    colours = has_colours(sys.stdout)
    for name, value in _lines(told):
        print(f"{paint(f'{name:<14}', BOLD, colours)} {one_line(value)}")
    return 0


def describe(files: "ModelFiles") -> dict[str, Any]:
    """Return the description and what the files tell: places, sizes, SHA-256."""
    from espnet_sentiment.core.files import hash_file

    reference = files.description["encoder"]
    encoder = files.encoder_model or reference.get("path")
    found = encoder is not None and Path(encoder).exists()
    return {
        **files.description,
        "decoder_file": {
            "path": str(files.model_file),
            "size": files.model_file.stat().st_size,
            "sha256": hash_file(files.model_file),
        },
        "encoder_file": {
            "path": None if encoder is None else str(encoder),
            "size": _size(reference["name"], Path(encoder)) if found else None,
        },
    }


def _size(kind: str, encoder: Path) -> int:
    """Return the bytes of an encoder's files."""
    from espnet_sentiment.encoder.kinds import kind_of

    return sum(path.stat().st_size for path in kind_of(kind).model_files(encoder))


def _lines(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    decoder, encoder = told["decoder_file"], told["encoder"]
    yield "model", _or_unknown(told.get("name"))
    fold = _or_unknown(told.get("fold"))
    why = told.get("fold_choice")
    yield "fold", f"{fold} ({why})" if why else fold
    yield "corpus", _or_unknown(told.get("corpus"))
    yield "classes", ", ".join(told["classes"])
    text = " with a text branch" if told.get("text_branch") else ""
    kind = _or_unknown(told.get("decoder"))
    yield "decoder", f"{kind}{text}, {_megabytes(decoder['size'])}"
    yield "  file", decoder["path"]
    yield "  SHA-256", decoder["sha256"]
    yield "encoder", _encoder(encoder, told["encoder_file"])
    yield "  SHA-256", encoder["sha256"]
    yield from _metrics(told)
    yield "licence", _or_unknown(told.get("licence"))
    versions = told.get("versions") or {}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield "versions", listed or UNKNOWN


def _encoder(reference: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    if reference["name"] == "none":
        return "none, it reads fbank"
    where = file["path"] or reference.get("source") or UNKNOWN
    state = "not there: give it by --encoder_model"
    if reference.get("source"):
        name = shlex.quote(reference["source"])
        state = f"not there: --encoder_model {name} of predict and demo downloads it"
    if file["size"] is not None:
        state = _megabytes(file["size"])
    return f"{reference['name']}, {where} ({state})"


def _metrics(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metrics = told.get("metrics") or {}
    if told.get("valid_ua") is not None:
        yield "validation", f"UA {100 * told['valid_ua']:.2f} % of this fold"
    if calibration := told.get("calibration"):
        error, entropy = calibration["ece"], calibration["cross_entropy"]
        yield (
            "calibration",
            f"temperature {calibration['temperature']} (by cross-entropy, "
            f"{entropy['before']:.3f} to {entropy['after']:.3f}), calibration error of "
            f"single folds {100 * error['before']:.2f} % before, "
            f"{100 * error['after']:.2f} % after",
        )
    if "pooled" in metrics:
        scores = metrics["pooled"]
        count = metrics.get("n_utterances", "?")
        folds = counted(len(metrics.get("folds", [])), "fold")
        yield (
            "test",
            f"WA {100 * scores['wa']:.2f} %, UA {100 * scores['ua']:.2f} % "
            f"({count} utterances, all {folds} pooled)",
        )
        if said := metrics.get("normalisation"):
            yield "features", said
        yield "overlap", f"{TITLE}: {cell(metrics.get('overlap'))}"


def _or_unknown(value: Any) -> str:
    return UNKNOWN if value in (None, "") else str(value)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
