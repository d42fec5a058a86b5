"""Data-parallel training on the cores of one machine.

ESPnet's launcher starts processes for GPUs only. Its task and Trainer work in any
process group, so here are the processes: each takes its share of every batch, on one
core, and gradients are averaged in shared memory (DistributedDataParallel; gloo does
the rest). A bi-LSTM walks through time step by step, with matrices too small for a
second thread to help much.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from espnet2.tasks.abs_task import AbsTask

from espnet_sentiment.core.entry import check_gpus
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.escape import plain_lines
from espnet_sentiment.core.workers import begin_worker, signals_held
from espnet_sentiment.tasks.failure import failure, keep_reason
from espnet_sentiment.tasks.shared_gradients import SharedGradients

GRACE = 20.0  # seconds in which a lost connection shows


def run_data_parallel(task: type[AbsTask], options: Mapping, processes: int) -> None:
    """Run a task's training on the CPU.

    Args:
        task: The task.
        options: Its options, complete.
        processes: Processes of one thread each; the numbers depend on how many.

    Raises:
        UserError: One of the processes failed.
    """
    torch.set_num_threads(1)
    if processes == 1:
        task.main(argparse.Namespace(**options))
        return
    if sys.platform == "linux":
        # All are on this machine, whatever its network is.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    # ESPnet takes a number in CUDA_VISIBLE_DEVICES for that of this process.
    check_gpus(0)
    fork = multiprocessing.get_context("fork")
    shared = SharedGradients(processes)
    task.trainer.shared_gradients = shared
    with tempfile.TemporaryDirectory() as folder:
        all_args = [
            argparse.Namespace(
                **{
                    **options,
                    "multiprocessing_distributed": False,
                    "dist_backend": "gloo",
                    "dist_init_method": f"file://{Path(folder, 'rendezvous')}",
                    "dist_world_size": processes,
                    "dist_rank": rank,
                    "local_rank": None,
                }
            )
            for rank in range(processes)
        ]
        # Not daemons, since their data loaders may have workers.
        children = [fork.Process(target=_work, args=(task, a)) for a in all_args[1:]]
        with signals_held():
            for child in children:
                child.start()
        ended = threading.Event()
        watch = (children, ended, options["output_dir"], shared)
        threading.Thread(target=_watch, args=watch, daemon=True).start()
        try:
            task.main(all_args[0])
        except KeyboardInterrupt:
            for child in children:
                child.kill()
            raise
        except UserError:
            raise
        except RuntimeError as error:
            for child in children:
                child.join(timeout=5)
            failed = [c.exitcode for c in children if c.exitcode]
            if failed:
                reason = f"a training process ended with status {failed[0]} ({error})"
                raise failure(options["output_dir"], reason) from error
            raise
        finally:
            ended.set()
            task.trainer.shared_gradients = None
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            for child in children:
                child.join(timeout=5)
                child.terminate()


def _watch(
    children: Sequence[BaseProcess],
    ended: threading.Event,
    out: str,
    shared: SharedGradients,
) -> None:
    """End this process if another failed and it has not noticed: it waits for it."""
    running = list(children)
    while running and not any(child.exitcode for child in children):
        wait([child.sentinel for child in running])
        running = [child for child in running if child.is_alive()]
    failed = [child.exitcode for child in children if child.exitcode]
    if failed:
        shared.abort()
    if failed and not ended.wait(GRACE):
        error = failure(out, f"a training process ended with status {failed[0]}")
        print(f"error: {plain_lines(error)}", file=sys.stderr, flush=True)
        os._exit(1)


def _work(task: type[AbsTask], args: argparse.Namespace) -> None:
    begin_worker()
    try:
        task.main(args)
    except UserError as error:
        keep_reason(args.output_dir, error)
        raise SystemExit(1) from None
