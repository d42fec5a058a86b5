"""What options say of sentiment models, read by what is asked before every run."""

import argparse
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
