"""Cluster files, ``conf/cluster/*.yaml``: what espnet3.parallel takes as its config."""

import argparse
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.extras import check_extra
from espnet_sentiment.core.files import PathLike

KEYS = ("env", "n_workers", "options")
QUEUES = ("htcondor", "lsf", "moab", "oar", "pbs", "sge", "slurm")
# Those of espnet3.parallel, https://github.com/espnet/espnet/tree/master/espnet3/parallel
ENVS = ("local", "local_gpu", "kube", "ssh", *QUEUES)


def add_cluster_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--cluster FILE``."""
    parser.add_argument(
        "--cluster",
        metavar="FILE",
        help="share the work among Dask workers, for example conf/cluster/local.yaml "
        "(same numbers)",
    )


def check_cluster(path: PathLike | None) -> None:
    """Check the file that ``--cluster`` names, if any, before work starts.

    Raises:
        DataError: As ``load_cluster_config``.
        UserError: Dask is not installed.
    """
    if path is not None:
        load_cluster_config(path)
        check_extra("cluster", f"--cluster {path}")


def load_cluster_config(path: PathLike) -> dict[str, Any]:
    """Read and check a cluster file, without importing Dask.

    Returns:
        ``env``; ``n_workers``, the workers that are asked for; and ``options``, the
        arguments of Dask's cluster class.

    Raises:
        DataError: The file is missing or not YAML, or a key or value is wrong; the
            message names it and what would be right.
    """
    path = Path(path)
    config = read_config(path)
    check_names(path, "", config, KEYS)
    for key in KEYS[:2]:
        if key not in config:
            raise DataError(f"{path} lacks the key {key}: see conf/cluster/local.yaml")
    env, n_workers = config["env"], config["n_workers"]
    options = config.get("options") or {}
    if env not in ENVS:
        raise DataError(f"{path}: env is {env!r}: choose one of {', '.join(ENVS)}")
    if type(n_workers) is not int or n_workers < 1:
        raise DataError(
            f"{path}: n_workers is {n_workers!r}: give a whole number from 1"
        )
    if not isinstance(options, dict):
        raise DataError(f"{path}: options is no mapping of keys to values")
    _check_threads(path, env, options)
    return {"env": env, "n_workers": n_workers, "options": options}


def check_names(path: Path, prefix: str, found: Iterable, valid: Iterable[str]) -> None:
    """Check a mapping's keys.

    Raises:
        DataError: One is unknown; the message names those that look like it, or all.
    """
    valid = sorted(valid)
    for key in found:
        if key not in valid:
            like = difflib.get_close_matches(str(key), valid)
            hint = (
                f"did you mean {' or '.join(like)}?"
                if like
                else f"the valid ones are {', '.join(valid)}"
            )
            raise DataError(f"{path}: unknown key {prefix}{key}; {hint}")


def _check_threads(path: Path, env: str, options: dict) -> None:
    """Check that workers have one thread: a model is loaded once a process."""
    if env in ("local", "local_gpu"):
        threads = options.get("threads_per_worker", 1)
        if threads != 1:
            raise DataError(
                f"{path}: options.threads_per_worker is {threads!r}: it must be 1; "
                "raise n_workers instead"
            )
    if env in QUEUES:
        for key in ("cores", "memory"):
            if key not in options:
                raise DataError(
                    f"{path} lacks options.{key}, of a job: see conf/cluster/slurm.yaml"
                )
        cores, processes = options["cores"], options.get("processes", 1)
        if cores != processes:
            raise DataError(
                f"{path}: options.cores is {cores!r} and options.processes "
                f"{processes!r}: they must be equal, one thread a process; "
                "options.job_cpu asks for more cores a job"
            )
