"""Start and end a cluster through espnet3.parallel."""

import atexit
import contextlib
import inspect
import itertools
import logging
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from espnet_sentiment.cluster.config import (
    QUEUES,
    check_names,
    load_cluster_config,
)
from espnet_sentiment.cluster.shards import ATTEMPTS, Cluster
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.extras import check_extra
from espnet_sentiment.core.files import PathLike

HELP = {
    "local": "https://distributed.dask.org/en/stable/api.html#distributed.LocalCluster",
    "ssh": "https://docs.dask.org/en/stable/deploying-ssh.html",
    "kube": "https://kubernetes.dask.org",
    "local_gpu": "https://docs.rapids.ai/api/dask-cuda/stable/api/",
}
JOBQUEUE = "https://jobqueue.dask.org/en/latest/clusters-configuration-setup.html"

# A lost worker is nothing to worry about here: the nanny's line is enough.
LOG_LEVELS = {
    "distributed": logging.ERROR,
    "distributed.nanny": logging.WARNING,
    "distributed.scheduler": logging.CRITICAL,
    "distributed.client": logging.ERROR,
}


@contextlib.contextmanager
def open_cluster(path: PathLike) -> Iterator[Cluster]:
    """Start the cluster that a file describes; its workers end with the context.

    Args:
        path: A file of ``conf/cluster``, see ``load_cluster_config``.

    Raises:
        UserError: The file is wrong, Dask is not installed, or the cluster does not
            start.
    """
    config = load_cluster_config(path)
    check_extra("cluster", f"--cluster {path}")
    # Slow, so only once the file has been looked at.
    import dask
    from omegaconf import OmegaConf

    parallel = _import_parallel()

    env, n_workers, options = config["env"], config["n_workers"], config["options"]
    _check_options(Path(path), env, options)
    for name, level in LOG_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    with contextlib.ExitStack() as stack:
        if env in ("local", "local_gpu"):
            scratch = tempfile.TemporaryDirectory(
                prefix="espnet_sentiment-dask-", ignore_cleanup_errors=True
            )
            options = {
                # By default two clusters on a machine would want the same port.
                "dashboard_address": "127.0.0.1:0",
                # Dask would divide the memory by the cores and kill what takes more.
                "memory_limit": 0,
                "local_directory": stack.enter_context(scratch),
                "threads_per_worker": 1,
                **options,
            }
        elif env in QUEUES:
            options = {
                "processes": 1,
                "scheduler_options": {"dashboard_address": ":0"},
                **options,
            }
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
                    "distributed.worker.preload": ["espnet_sentiment.cluster.preload"],
                }
            )
        )
        if env in QUEUES:
            _check_queue(Path(path), parallel.CLUSTER_MAP[env].job_cls.submit_command)
        whole = OmegaConf.create({**config, "options": options})
        context = parallel.get_client(whole)
        try:
            client = context.__enter__()
        except KeyboardInterrupt:
            _forget_half_a_cluster()
            raise
        except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: the cluster of env {env} does not start ({error}): fix its "
                f"options, see {HELP.get(env, JOBQUEUE)}"
            ) from error
        stack.callback(_close, context)
        yield Cluster(client, n_workers)


def _check_queue(path: Path, command: str) -> None:
    """Refuse a queue that this machine cannot submit to: Dask would wait for ever."""
    program = command.split()[0]
    if shutil.which(program) is None:
        raise UserError(
            f"{path}: {program} is not on this machine's PATH: run this where jobs are "
            "submitted, or on conf/cluster/local.yaml"
        )


def _forget_half_a_cluster() -> None:
    """Let Dask's exit pass over what it cannot close; workers end with this process."""
    from distributed.deploy.spec import close_clusters

    atexit.unregister(close_clusters)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def _close(context: contextlib.AbstractContextManager) -> None:
    # The work is done: workers that are slow to end are killed in silence.
    logging.getLogger("distributed.nanny").setLevel(logging.ERROR)
    with contextlib.suppress(TimeoutError):
        context.__exit__(None, None, None)


class ThisProcess:
    """Runs shards as ``Cluster`` does, one after the other, in this process."""

    def run(
        self, work: Callable[..., Any], shards: Iterable[tuple[str, tuple]]
    ) -> Iterator[Any]:
        """Give what ``work`` returns."""
        for _, args in shards:
            yield work(*args)


@contextlib.contextmanager
def open_workers(path: PathLike | None) -> Iterator[Cluster | ThisProcess]:
    """Start the cluster that a file describes; without one, this process works."""
    if path is None:
        yield ThisProcess()
        return
    with open_cluster(path) as cluster:
        yield cluster


def run_on(
    path: PathLike | None, work: Callable[..., Any], shards: Iterable[tuple[str, tuple]]
) -> Iterator[Any]:
    """Give what ``Cluster.run`` does on a cluster that starts for these shards.

    Nothing starts if there are none; without a path, this process works.
    """
    shards = iter(shards)
    for first in shards:
        with open_workers(path) as workers:
            yield from workers.run(work, itertools.chain([first], shards))


def _import_parallel() -> ModuleType:
    """Import espnet3.parallel and keep Ctrl-C, which dask_jobqueue takes away."""
    handler = signal.getsignal(signal.SIGINT)
    from espnet3.parallel import parallel

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
    return parallel


def _check_options(path: Path, env: str, options: dict) -> None:
    """Check the names of options, where Dask's classes name them all."""
    if env == "local":
        from distributed import LocalCluster, Nanny, Worker

        classes = [LocalCluster, Nanny, Worker]
    elif env in QUEUES:
        from espnet3.parallel.parallel import CLUSTER_MAP

        cluster = CLUSTER_MAP[env]
        classes = [*cluster.__mro__, *cluster.job_cls.__mro__]
    else:
        return
    valid = {name for cls in classes for name in inspect.signature(cls).parameters}
    check_names(path, "options.", options, valid)
