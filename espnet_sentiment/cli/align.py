"""espnet-sentiment align: the times of a corpus's words, by an ASR model."""

import argparse
import os
from pathlib import Path

from espnet_sentiment.asr.options import add_align_arguments
from espnet_sentiment.cli.data_option import EPILOG, add_data_arguments, open_recipe
from espnet_sentiment.cli.model_option import keep_place
from espnet_sentiment.core.entry import check_gpus
from espnet_sentiment.core.escape import one_line

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "find when each word of a corpus is spoken: CTM and Praat TextGrids"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_data_arguments(parser)
    parser.add_argument(
        "--encoder",
        required=True,
        metavar="CONFIG",
        help="encoder config of the model that aligns, conf/encoder/*.yaml: Whisper, "
        "an RNN-T on fbank, or a CTC model of transformers",
    )
    parser.add_argument(
        "--encoder_model", help="path or name of its weights, instead of the config's"
    )
    add_align_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Align, unless that is done, and print the folder of the times.

    Returns:
        0; 1 if an utterance cannot be aligned: the folder's ``unaligned`` says why.

    Raises:
        DataError: The data directory, its features or the model is not there.
        UserError: There is no such GPU.
    """
    check_gpus(args.ngpu)
    from espnet_sentiment.bin.align import align_set
    from espnet_sentiment.core.files import read_table
    from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
    from espnet_sentiment.recipe.experiment import align_dir

    config, model = Path(args.encoder).absolute(), keep_place(args.encoder_model)
    with open_recipe(args) as named:
        # As the stage calls them.
        named.transcripts, named.transcripts_model = str(config), model
        data = read_kaldi_dir(named.data_dir)
        align_set(data, named)
        out = align_dir(named.dump, config, data.path.name).absolute()
        unaligned = read_table(out / "unaligned")
    print(one_line(os.path.relpath(out)))
    return 1 if unaligned else 0
