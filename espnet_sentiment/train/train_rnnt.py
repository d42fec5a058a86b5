"""Pre-train an RNN-T on stored fbank with ESPnet's Trainer."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

from espnet2.train.distributed_utils import get_node_rank
from espnet2.train.reporter import Reporter
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.files import atomic_path, write_json
from espnet_sentiment.core.log_file import logging_to
from espnet_sentiment.encoder.espnet_files import averaged_checkpoint
from espnet_sentiment.tasks.divergence import check_kept
from espnet_sentiment.tasks.failure import failure, forget_reason
from espnet_sentiment.tasks.resume import TRAINER_STATE, load_state, recover_checkpoint
from espnet_sentiment.tasks.rnnt import RNNTTask
from espnet_sentiment.train.data_parallel import run_data_parallel

# What says how a process takes part, not what is trained.
PROCESS_KEYS = ("distributed", "multiprocessing_distributed", "local_rank")

# The curves that history.json keeps, by ESPnet's names.
CURVES = {
    "train_loss": ("train", "loss"),
    "valid_loss": ("valid", "loss"),
    "train_loss_transducer": ("train", "loss_transducer"),
    "valid_loss_transducer": ("valid", "loss_transducer"),
    "valid_loss_ctc": ("valid", "loss_ctc"),
    "valid_cer": ("valid", "cer_transducer"),
    "valid_wer": ("valid", "wer_transducer"),
}


def train_rnnt(options: Mapping, seed: int, ngpu: int = 0, nj: int = 1) -> bool:
    """Train; a killed training continues from its last whole epoch.

    Args:
        options: What :func:`espnet_sentiment.train.prepare_rnnt.prepare` returned.
        seed: Seed of initialisation, order and SpecAugment.
        ngpu: CUDA devices of this machine; 0 trains on the CPU.
        nj: Processes on the CPU, which share every batch.

    Returns:
        Whether this machine is the first of those that train, which keeps the result.
    """
    out = Path(options["output_dir"])
    first = not get_node_rank(options["dist_rank"], options["dist_launcher"])
    if first:
        recover_checkpoint(out)
        forget_reason(out)
    options = {**options, "seed": seed, "ngpu": ngpu}
    with logging_to(out / "train.log"):
        if ngpu == 0:
            # AMP is CUDA's here, and the processes are short of cores already.
            cpu = {"use_amp": False, "num_workers": 0}
            run_data_parallel(RNNTTask, {**options, **cpu}, nj)
        else:
            # One process a GPU; ESPnet's default would be DataParallel.
            _run_on_gpus({**options, "multiprocessing_distributed": ngpu > 1})
    if first:
        _keep_result(out)
    return first


def _run_on_gpus(options: Mapping) -> None:
    try:
        RNNTTask.main(argparse.Namespace(**options))
    except (ProcessExitedException, ProcessRaisedException) as error:
        reason = f"a training process failed ({type(error).__name__})"
        raise failure(options["output_dir"], reason) from error


def _keep_result(out: Path) -> None:
    """Keep the curves, and a config that is no matter of how many processes trained."""
    averaged = averaged_checkpoint(out)
    check_kept(averaged, load_state(averaged), "--asr_args")
    reporter = Reporter()
    reporter.load_state_dict(load_state(out / TRAINER_STATE)["reporter"])
    epochs = [reporter.stats[epoch] for epoch in sorted(reporter.stats)]
    history = {
        name: [_finite(epoch[phase].get(key)) for epoch in epochs]
        for name, (phase, key) in CURVES.items()
    }
    history["train_seconds"] = [e["train"]["time"].total_seconds() for e in epochs]
    write_json(out / "history.json", history)
    config = read_config(out / "config.yaml")
    defaults = vars(RNNTTask.get_parser().parse_args([]))
    for key in config:
        if key.startswith("dist_") or key in PROCESS_KEYS:
            config[key] = defaults.get(key, False)
    with atomic_path(out / "config.yaml") as temporary:
        temporary.write_text(yaml_no_alias_safe_dump(config, indent=4, sort_keys=False))


def _finite(value: float | None) -> float | None:
    """Return None for an error rate of no reference, which is NaN."""
    return None if value is None or not math.isfinite(value) else value


def drop_leftovers(out: Path) -> None:
    """Delete what only resuming needs, once the training is known to be complete."""
    averaged = averaged_checkpoint(out).resolve()
    for path in out.glob("*.pth"):
        if path.resolve() != averaged:
            path.unlink()
