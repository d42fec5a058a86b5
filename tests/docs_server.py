"""One Python that runs what blocks of code call, each call in a fork of itself.

``python docs_server.py SOCKET`` serves; ``serving`` writes programs that ask it. A call
has its own folder, variables and standard streams, as if a Python of its own ran it,
but for the imports, which are seconds of each.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from espnet_sentiment.cli import main as cli
from espnet_sentiment.core.serve import run_and_exit

AHEAD = (
    "espnet_sentiment.bin.report",
    "espnet_sentiment.inference.speech2sentiment",
    "espnet_sentiment.report.plots",
    "espnet_sentiment.scoring.results",
    "espnet_sentiment.train.train_fold",
    "transformers.models.whisper.modeling_whisper",
)
# As the console script does.
COMMAND = "import sys; from espnet_sentiment.cli.main import main; sys.exit(main())"
# Nothing is imported from site-packages: it starts at once.
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = [os.path.basename(sys.argv[0]), sys.argv[1:], os.getcwd(), dict(os.environ)]
    told = json.dumps(call).encode()
    socket.send_fds(server, [b"%d " % len(told)], [0, 1, 2])
    server.sendall(told)
    sys.exit(int(server.recv(8) or 1))
"""


@contextlib.contextmanager
def serving(folder: Path, **variables: str) -> Iterator[Path]:
    """Serve as long as this lasts; give the folder of the programs.

    Args:
        folder: A new folder.
        variables: Of the server's environment, known when it imports.
    """
    folder.mkdir()
    # Not in the folder: a socket's address is short.
    with tempfile.TemporaryDirectory() as place:
        address = f"{place}/s"
        for name in ("python", "espnet-sentiment"):
            program = folder / name
            program.write_text(CLIENT.format(python=sys.executable, address=address))
            program.chmod(0o755)
        server = subprocess.Popen(
            [sys.executable, __file__, address],
            env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
            stdout=subprocess.PIPE,
        )
        try:
            assert server.stdout.readline() == b"ready\n"
            yield folder
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()


def serve(address: str) -> None:
    """Answer calls until this process is ended."""
    for name in (*AHEAD, *(f"espnet_sentiment.cli.{name}" for name in cli.COMMANDS)):
        importlib.import_module(name)
    gc.freeze()  # a collection in a fork would copy what all share
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            asker, _ = listener.accept()
            if os.fork() == 0:  # calls of a pipe run at the same time
                listener.close()
                _answer(asker)
            asker.close()


def _answer(asker: socket.socket) -> NoReturn:
    """Run a call in a fork, and say its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(asker, 16, 3)
    size, _, told = head.partition(b" ")
    while len(told) < int(size):
        told += asker.recv(1 << 16)
    child = os.fork()
    if child == 0:
        asker.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        program, arguments, folder, variables = json.loads(told)
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        run_and_exit(["-m", *_words(program, arguments)])
    _, status = os.waitpid(child, 0)
    asker.sendall(b"%d" % (os.waitstatus_to_exitcode(status) & 0xFF))
    os._exit(0)


def _words(program: str, arguments: list[str]) -> list[str]:
    """Return the module to run, and its arguments."""
    if program == "espnet-sentiment":
        return ["espnet_sentiment", "-c", COMMAND, *arguments]
    if arguments[0] == "-m":
        return arguments[1:]
    return ["espnet_sentiment", *arguments]  # its -c, and scripts


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leaves no zombies
    serve(sys.argv[1])
