"""One Python that runs command lines one after another, each in a fork of itself.

    python -m espnet_sentiment.core.serve ASKED TOLD [MODULE ...]

A recipe's run.sh, by ``local/server.sh``, asks on one pipe and is told exit statuses on
another. What the stages share is imported once; memory, threads and settings of a stage
end with its fork, so that it computes what it computes in a Python of its own.

MODULE is what later stages import once they have work to do. It is imported while a
stage works, as one that is up to date does not, and no GPU may be asked for.
"""

import ast
import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from espnet_sentiment.compat import run_exit_functions
from espnet_sentiment.core.entry import (
    SHELL,
    check_gpus,
    die_with_shell,
    prepare_imports,
)
from espnet_sentiment.core.interrupt import SIGNALS
from espnet_sentiment.core.workers import die_with, signals_held

PACKAGE = "espnet_sentiment."
CHUNK = 1 << 16  # bytes, more than most command lines have
PATIENCE = 0.5  # seconds after which a stage is not up to date, but works


def requests(asked: int) -> Iterator[list[str]]:
    """Give the command lines that come through a pipe, until nobody can write to it.

    Args:
        asked: File descriptor. A command line is the number of its words, then they,
            each with a NUL behind it.
    """
    found = b""
    while chunk := os.read(asked, CHUNK):
        found += chunk
        number, *words = found.split(b"\0")
        # What is behind the last NUL is a word that is not complete.
        if len(words) > int(number):
            yield [os.fsdecode(word) for word in words[:-1]]
            found = b""


class Server:
    """Runs command lines, and passes on the signals that come meanwhile.

    Args:
        ahead: Modules to import while one works.
    """

    def __init__(self, ahead: list[str]) -> None:
        self._ahead = ahead
        self._child = 0
        self._received: list[int] = []

    def obey(self, number: int, frame: FrameType | None) -> None:
        """Let the command line that runs tidy up and end; without one, end at once."""
        if not self._child:
            os._exit(128 + number)
        self._received.append(number)
        with contextlib.suppress(ProcessLookupError):
            # Which it obeys from its beginning on, as it does not SIGINT.
            os.kill(self._child, signal.SIGTERM)

    def begin(self, words: list[str]) -> bool:
        """Fork for a command line; return whether this is the fork, which runs it."""
        for module in imported(words):
            warm(module)
        gc.freeze()  # a collection in the fork would copy the memory that both share
        with signals_held(), warnings.catch_warnings():
            # Of NumPy's threads, which know of forks.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
            if self._child == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # as local/attend.sh does
        return self._child == 0

    def end(self) -> int:
        """Wait for the fork; return its exit status as a shell would.

        This process ends as well if it was told to.
        """
        if self._ahead and not _ends_within(self._child, PATIENCE):
            self._look_ahead()
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        if self._received:
            os._exit(128 + self._received[0])
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _look_ahead(self) -> None:
        check_gpus(0)  # ESPnet looks for some
        # Not by a thread: what one holds as it ends, a fork would wait for for ever.
        while self._ahead and not _ends_within(self._child, 0):
            warm(self._ahead.pop(0))


def _ends_within(child: int, seconds: float) -> bool:
    """Tell whether a process ends soon; where the system cannot tell, it does."""
    try:
        process = os.pidfd_open(child)
    except OSError:
        return True
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


def imported(words: list[str]) -> list[str]:
    """Return what a command line imports of this package as it begins."""
    if words[0] == "-m":
        return [words[1]]
    try:
        body = ast.parse(Path(words[0]).read_bytes()).body
    except (OSError, ValueError, SyntaxError):
        return []
    names = [node.module for node in body if isinstance(node, ast.ImportFrom)]
    return [name for name in names if name and name.startswith(PACKAGE)]


def warm(module: str) -> None:
    """Import a module for the forks to come."""
    # What is wrong with it is said by who needs it.
    with contextlib.suppress(Exception):
        importlib.import_module(module)


def run_and_exit(words: list[str]) -> NoReturn:
    """Run a command line, and end this process as Python would.

    To take all modules apart, as Python does at its end, would copy the memory that is
    shared.
    """
    status: object = 0
    try:
        run_line(words)
    except SystemExit as error:
        status = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    run_exit_functions()
    try:
        sys.stdout.flush()
    except OSError:
        status = 120  # as Python does
    sys.stderr.flush()
    os._exit((status or 0) & 0xFF)


def run_line(words: list[str]) -> None:
    """Run a command line as ``python WORDS`` does.

    Args:
        words: ``-m MODULE ...`` or ``SCRIPT ...``.
    """
    if words[0] == "-m":
        sys.argv[1:] = words[2:]
        sys.modules.pop(words[1], None)  # else it would be run a second time
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        script = os.path.realpath(words[0])
        sys.argv[1:] = words[1:]
        sys.path[0] = os.path.dirname(script)
        runpy.run_path(script, run_name="__main__")


def main() -> None:
    """Serve until the shell has nothing more to ask."""
    asked, told = map(int, sys.argv[1:3])
    server = Server(sys.argv[3:])
    prepare_imports()
    die_with_shell()
    for number in SIGNALS:
        signal.signal(number, server.obey)
    for words in requests(asked):
        if server.begin(words):
            os.close(asked)
            os.close(told)
            os.environ[SHELL] = str(os.getppid())
            die_with(os.getppid())
            run_and_exit(words)
        os.write(told, b"%d\n" % server.end())
    os._exit(0)  # nothing is left to tidy up


if __name__ == "__main__":
    main()
