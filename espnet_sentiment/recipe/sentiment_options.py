"""What options say of sentiment models, read by what is asked before every run."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike


def add_sentiment_args(parser: argparse.ArgumentParser) -> None:
    """Add the option that holds options of the task; stage 3 checks it, too."""
    parser.add_argument(
        "--sentiment_args",
        default="",
        help="options of SentimentTask that override the config, "
        'for example "--max_epoch 20 --optim_conf lr=0.001"',
    )


def transcripts_name(sentiment: PathLike, transcripts: str) -> str:
    """Return the name of the transcripts that a sentiment config reads, or "".

    Raises:
        DataError: It has a text branch, but there are none.
    """
    if read_config(sentiment).get("text_encoder") is None:
        return ""
    if not transcripts:
        raise DataError(
            f"{sentiment} has a text_encoder: name the ASR model whose transcripts it "
            "reads by --transcripts conf/encoder/x.yaml, or --transcripts reference "
            "for the corpus' own"
        )
    return Path(transcripts).stem


def chooses_layer(sentiment: PathLike, extra: Sequence[str]) -> bool:
    """Tell whether folds choose a layer by the probe (``layer: best``).

    Args:
        sentiment: A sentiment config.
        extra: Options of the task that override it.
    """
    asked = read_config(sentiment).get("layer")
    return asked == "best" or bool({"best", "--layer=best"} & {*extra})


def check_final(sentiment: PathLike, extra: Sequence[str], final: str) -> None:
    """Check, before folds are trained, that they can be joined if they are to be.

    Args:
        sentiment: A sentiment config.
        extra: Options of the task that override it.
        final: ``none``, ``all`` or ``ensemble``.

    Raises:
        DataError: Each fold has tokens, or a layer, of its own.
    """
    if final != "ensemble":
        return
    why = ""
    if read_config(sentiment).get("text_encoder") is not None:
        why = "every fold has tokens of its own (text_encoder)"
    elif chooses_layer(sentiment, extra):
        why = "every fold chooses a layer of its own (layer: best)"
    if why:
        raise DataError(
            f"{sentiment}: --final ensemble runs one encoder for all folds, and {why}: "
            "take --final all"
        )
