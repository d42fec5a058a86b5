"""One Python that runs command lines one after another, each in a fork of itself.

    python -m espnet_sentiment.core.serve ASKED TOLD

A recipe's run.sh, by ``local/server.sh``, asks on one pipe and is told exit statuses on
another. What the stages share is imported once; memory, threads and settings of a stage
end with its fork, so that it computes what it computes in a Python of its own.
"""

import contextlib
import gc
import importlib
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Iterator
from types import FrameType

from espnet_sentiment.core.entry import SHELL, die_with_shell
from espnet_sentiment.core.interrupt import SIGNALS
from espnet_sentiment.core.workers import die_with, signals_held

CHUNK = 1 << 16  # bytes, more than most command lines have


def requests(asked: int) -> Iterator[list[str]]:
    """Give the command lines that come through a pipe, until nobody can write to it.

    Args:
        asked: File descriptor. A command line is the number of its words, and the words,
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
    """Runs command lines, and passes on the signals that come meanwhile."""

    def __init__(self) -> None:
        self._child = 0
        self._received: list[int] = []

    def obey(self, number: int, frame: FrameType | None) -> None:
        """Let the command line that runs tidy up and end; without one, end at once."""
        if not self._child:
            os._exit(128 + number)
        self._received.append(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)

    def begin(self, words: list[str]) -> bool:
        """Fork for a command line; return whether this is the fork, who is to run it."""
        warm(words)
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
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        if self._received:
            os._exit(128 + self._received[0])
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code


def warm(words: list[str]) -> None:
    """Import what a module of ours imports, for this fork and those that follow."""
    if words[0] == "-m":
        # What is wrong with it is said when it is run.
        with contextlib.suppress(Exception):
            importlib.import_module(words[1])


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
    asked, told = map(int, sys.argv[1:])
    die_with_shell()
    server = Server()
    for number in SIGNALS:
        signal.signal(number, server.obey)
    for words in requests(asked):
        if server.begin(words):
            os.close(asked)
            os.close(told)
            os.environ[SHELL] = str(os.getppid())
            die_with(os.getppid())
            run_line(words)
            return
        os.write(told, b"%d\n" % server.end())
    os._exit(0)  # nothing is left to tidy up


if __name__ == "__main__":
    main()
