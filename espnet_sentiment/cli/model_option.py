"""Naming a model on the command line."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.channels import CHANNELS

MODEL_VARIABLE = "ESPNET_SENTIMENT_MODEL"
MODEL_HELP = (
    "a trained experiment or fold (exp/...), a pack, a URL of one, a model-zoo tag or "
    f"owner/name on the Hugging Face Hub (default: ${MODEL_VARIABLE})"
)


def add_fold_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that picks a fold of an experiment."""
    parser.add_argument(
        "--fold",
        help="fold of an experiment (default: final, the model of all utterances or "
        "the ensemble, if there is one; else the best validation UA)",
    )


def add_computing_options(
    parser: argparse.ArgumentParser, channels: Sequence[str] = CHANNELS
) -> None:
    """Add the options that say where a model's encoder is, and how it is run."""
    parser.add_argument(
        "--encoder_model",
        help="path of the encoder where it has moved, or the name to download it by",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16", "auto"),
        default="float32",
        help="what the encoder computes in; auto measures whether bfloat16 is faster "
        "here, and says so (default: float32)",
    )
    parser.add_argument(
        "--channel",
        choices=channels,
        help="channel of recordings that have several; without it they are refused",
    )


def model_name(given: str | None) -> str:
    """Return the model that is named, or else the variable's.

    Raises:
        DataError: There is neither.
    """
    name = given or os.environ.get(MODEL_VARIABLE)
    if not name:
        raise DataError(
            f"no model is named: give --model MODEL, or set {MODEL_VARIABLE}"
        )
    return name


def keep_place(model: str | None) -> str | None:
    """Return what still names a model when the current folder has changed.

    A path that exists becomes absolute; a name, or None, stays.
    """
    if model is None or not (path := Path(model).expanduser()).exists():
        return model
    return str(path.absolute())
