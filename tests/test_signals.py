"""Signals to programs and their workers: what ends, how, and that nothing is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow  # processes that are ended

ATTEND = Path(__file__).parents[1] / "local" / "attend.sh"
# Prints "ready" once `work` is underway.
SCRIPT = r"""\
import os, sys, time
from espnet_sentiment.core import interrupt
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.workers import WorkerPool

interrupt.GRACE = 1
{setup}

def work(_=None):
    os.write(1, b"ready %d\n" % os.getpid())
    time.sleep(60)

def main(argv):
{main}

if __name__ == "__main__":
    run(main)
"""
POOL = """\
    with WorkerPool(2, "{method}") as pool:
        for result in pool.map(work, range(2)):
            pass
"""


@pytest.fixture
def start(tmp_path):
    """Start a script; return it and the process ids of its two workers, if any."""
    started = []

    def start(
        main: str,
        setup: str = "",
        ready: int = 1,
        by_bash: bool = False,
        sigint=signal.SIG_DFL,
    ):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.format(main=main, setup=setup))
        command = [sys.executable, str(script)]
        if by_bash:
            command = ["bash", "-ec", f". {ATTEND}; attend exec {' '.join(command)}"]
        before = signal.signal(signal.SIGINT, sigint)
        try:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        pids = [int(process.stdout.readline().split()[1]) for _ in range(ready)]
        return process, pids

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for_end(pids) -> None:
    """Fail if processes still run after a while."""
    until = time.monotonic() + 10
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "main",
    [
        "    work()",
        # What libraries make of it.
        "    try: work()\n    except KeyboardInterrupt: raise RuntimeError('x')",
        "    try: work()\n    except KeyboardInterrupt: pass",
    ],
    ids=["as it is", "another exception", "swallowed"],
)
def test_a_signal_ends_a_stage_with_one_line(start, number, main):
    process, _ = start(main)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert err == "\ninterrupted: run the same command again to continue\n"


def test_a_stage_that_does_not_end_is_killed(start):
    main = (
        "    while True:\n        try: work()\n        except KeyboardInterrupt: pass"
    )
    process, _ = start(main)
    process.terminate()
    assert process.wait(timeout=30) == -signal.SIGALRM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_break_the_tidying(start, number):
    main = """\
    try: work()
    finally:
        print("tidying", flush=True)
        time.sleep(0.3)
        print("tidy", flush=True)"""
    process, _ = start(main)
    process.send_signal(number)
    assert process.stdout.readline() == "tidying\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == "tidy\n"
    assert process.returncode == 128 + number


def test_ctrl_c_of_others_is_ignored_as_before(start):
    setup = "import signal"
    main = """\
    print("ready", os.getpid(), flush=True)
    time.sleep(0.5)
    print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"""
    process, _ = start(main, setup, sigint=signal.SIG_IGN)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "True\n"
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_signal_to_the_group_ends_workers_at_once_with_one_line(
    start, method, number
):
    process, workers = start(POOL.format(method=method), ready=2)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert err == "\ninterrupted: run the same command again to continue\n"
    wait_for_end(workers)


@pytest.mark.parametrize(
    "method, system", [("fork", "linux"), ("spawn", "linux"), ("fork", "darwin")]
)
def test_workers_die_with_their_parent(start, method, system):
    setup = f"if sys.platform == 'linux': sys.platform = {system!r}"
    process, workers = start(POOL.format(method=method), setup, ready=2)
    process.kill()
    wait_for_end(workers)


def test_a_worker_whose_parent_died_before_it_began_dies_too():
    code = """if True:
        import os
        from espnet_sentiment.core.workers import die_with
        die_with(os.getppid() + 1)
    """
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL


def test_a_killed_worker_ends_the_parent_with_one_line_and_a_remedy(start):
    process, workers = start(POOL.format(method="fork"), ready=2)
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.startswith("error: a process was killed") and err.count("\n") == 1
    assert "run the same command again to continue, with --nj 1" in err
    wait_for_end(workers)


def test_signals_that_come_together_are_one(start):
    # As from a terminal and from run.sh.
    main = """\
    signal.pthread_sigmask(signal.SIG_BLOCK, interrupt.SIGNALS)
    for number in interrupt.SIGNALS: os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupt.SIGNALS)"""
    process, _ = start(main, "import signal", ready=0)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert err == "\ninterrupted: run the same command again to continue\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["shell", "group"])
def test_a_shell_obeys_at_once_as_does_what_it_attends_to(start, send, number):
    process, pids = start(POOL.format(method="fork"), ready=2, by_bash=True)
    send(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -number
    assert err == "\ninterrupted: run the same command again to continue\n"
    wait_for_end(pids)


def test_what_a_shell_attends_to_dies_with_it(start):
    process, pids = start("    work()", by_bash=True)
    process.kill()
    wait_for_end(pids)


def test_a_shell_says_what_to_do_after_a_kill(start):
    process, pids = start("    work()", by_bash=True)
    os.kill(pids[0], signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGKILL
    assert err.count("\n") == 1 and "run the same command again" in err


def test_what_a_shell_attends_to_keeps_its_input_and_its_status():
    code = f". {ATTEND}; echo data | attend exec cat; attend exec sh -c 'exit 3'"
    result = subprocess.run(["bash", "-ec", code], capture_output=True, text=True)
    assert (result.stdout, result.returncode, result.stderr) == ("data\n", 3, "")
