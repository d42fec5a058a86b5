"""What every entry point does: clear errors, options that hold options, GPUs."""

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Callable

from espnet_sentiment.compat import hush_espnet
from espnet_sentiment.core.disk import disk_message
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.escape import plain_lines
from espnet_sentiment.core.interrupt import Interrupted, interruptible
from espnet_sentiment.core.lazy_imports import import_lazily

# The id of the shell that waits for this process, see local/attend.sh.
SHELL = "ESPNET_SENTIMENT_SHELL"


def split_options(name: str, text: str) -> list[str]:
    """Split the options that one option holds, as a shell does.

    Raises:
        UserError: A quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"{name} {text}: {error}") from None


def add_gpu_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--ngpu``."""
    parser.add_argument("--ngpu", type=int, default=0, help="0: CPU")


def check_gpus(ngpu: int) -> None:
    """Check that there are as many CUDA devices as are asked for.

    Where none are asked for, this process and its workers see none: a forked worker
    that finds one (cuDNN's version, of which ESPnet's log speaks, looks) cannot use it.

    Raises:
        UserError: There are not.
    """
    if ngpu == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:
        import torch

        if torch.cuda.device_count() < ngpu:
            raise UserError(
                f"--ngpu {ngpu}, but PyTorch sees {torch.cuda.device_count()} CUDA "
                "devices: fix the driver, or use --ngpu 0 for the CPU"
            )


def device_of(ngpu: int) -> str:
    """Return where to compute: ``cuda`` if a GPU is asked for, else ``cpu``."""
    return "cuda" if ngpu > 0 else "cpu"


def run(
    main: Callable[[list[str] | None], None], argv: list[str] | None = None
) -> None:
    """Run an entry point; bad input ends it with one clear line, not a traceback."""
    prepare_imports()
    try:
        # A shell starts what it does not wait for in front with Ctrl-C ignored.
        with interruptible(ignored_too=die_with_shell()):
            main(argv)
    except UserError as error:
        raise SystemExit(f"error: {plain_lines(error)}") from None
    except Exception as error:
        message = disk_message(error)
        if message is None:
            raise
        raise SystemExit(f"error: {plain_lines(message)}") from None
    except Interrupted as error:
        print("\ninterrupted: run the same command again to continue", file=sys.stderr)
        raise SystemExit(error.status) from None


def prepare_imports() -> None:
    """Let libraries import what programs use, and ESPnet not warn of what it lacks.

    Training keeps ESPnet's warnings in its own log.
    """
    # oneDNN keeps what it compiled for 1024 shapes; recordings have as many lengths, at
    # two megabytes each, and seldom one again.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    logging.basicConfig(level=logging.ERROR)
    hush_espnet()
    import_lazily()


def die_with_shell() -> bool:
    """Bind this process to the shell that waits for it; return whether there is one."""
    shell = int(os.environ.pop(SHELL, 0))
    if not shell:
        return False
    from espnet_sentiment.core.workers import die_with

    try:
        os.kill(shell, 0)
    except ProcessLookupError:
        pass  # It was killed while this process started.
    else:
        if os.getppid() != shell:
            return False  # It waits for another process, which started this one.
    die_with(shell)
    return True
