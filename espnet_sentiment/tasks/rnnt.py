"""ESPnet task: RNN-T pre-training of the encoder (paper, Section 3.1)."""

import argparse
import multiprocessing
from pathlib import Path

from espnet2.tasks.asr import ASRTask
from espnet2.train.dataset import DATA_TYPES
from espnet2.train.distributed_utils import get_rank
from typeguard import typechecked

from espnet_sentiment.core.ark import ScpMatrices
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.log_file import logging_to
from espnet_sentiment.core.workers import begin_worker
from espnet_sentiment.data.token_list import BPE_MODES
from espnet_sentiment.model.rnnt_model import RNNTModel
from espnet_sentiment.tasks.failure import keep_reason
from espnet_sentiment.tasks.rnnt_trainer import RNNTTrainer

# The paper's sizes, which a config may replace one by one.
PREDICTION_NETWORK = {"rnn_type": "lstm", "num_layers": 1, "hidden_size": 1024}
JOINT_NETWORK = {"joint_space_size": 512}

# ESPnet's own kaldi_ark runs what a table's line may name: a command.
SCP_MATRICES = "scp_matrices"
DATA_TYPES[SCP_MATRICES] = {
    "func": ScpMatrices,
    "kwargs": [],
    "help": "Kaldi's scp of matrices, lines of `key path:offset` alone",
}


class RNNTTask(ASRTask):
    """ESPnet's ASR task with a transducer that needs no warp-transducer.

    Every option and part is ESPnet's; only the defaults are others: the paper's
    encoder ``conv_blstm`` on 80-d fbank, an LSTM of 1024 units as prediction network,
    a joint network of 512, graphemes. Its experiments are ESPnet ASR experiments:
    ESPnet's own programs read them, and so does the encoder kind ``espnet``.
    """

    trainer = RNNTTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add ESPnet's options and ours, and set the defaults."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group("RNN-T related")
        group.add_argument(
            "--bpemode",
            choices=BPE_MODES,
            default="unigram",
            help="Kind of sentencepieces that are made if token_type is bpe",
        )
        group.add_argument("--nbpe", type=int, default=500, help="Most sentencepieces")
        parser.set_defaults(
            model="rnnt",
            frontend="fbank",
            normalize="global_mvn",
            encoder="conv_blstm",
            decoder="transducer",
            joint_net_conf={},
            preprocessor="strict",
            token_type="char",  # noqa: S106 -- no password
            optim="adam",
            optim_conf={"lr": 1e-3},
            # Bucketed batches of alike many frames.
            batch_type="numel",
            best_model_criterion=[("valid", "loss", "min")],
        )

    @classmethod
    def main_worker(cls, args: argparse.Namespace):
        """Train; one of several processes has a log of its own."""
        if not args.distributed:
            super().main_worker(args)
            return
        if multiprocessing.parent_process() is not None:
            begin_worker()
        # ESPnet gives no rank to a process that a cluster's launcher started.
        rank = get_rank(args.dist_rank, args.dist_launcher) or 0
        name = f"train.rank{rank}.log" if rank else "train.log"
        try:
            with logging_to(Path(args.output_dir) / name):
                super().main_worker(args)
        except UserError as error:
            # Else it is this machine's only process, or data_parallel's.
            if not args.multiprocessing_distributed:
                raise
            keep_reason(args.output_dir, error)
            raise SystemExit(1) from None

    @classmethod
    @typechecked
    def build_model(cls, args: argparse.Namespace) -> RNNTModel:
        """Build the model that a config names; its sizes are written to ``args``.

        Raises:
            DataError: The model or the decoder is no transducer.
        """
        for option, value in (("model", "rnnt"), ("decoder", "transducer")):
            if getattr(args, option) != value:
                raise DataError(
                    f"{option} is {getattr(args, option)!r}, but RNN-T training needs "
                    f"{option}: {value}"
                )
        args.decoder_conf = PREDICTION_NETWORK | args.decoder_conf
        args.joint_net_conf = JOINT_NETWORK | (args.joint_net_conf or {})
        return super().build_model(args)
