"""Locks: one run writes, or several read, and who waits is told for whom."""

import builtins
import contextlib
import errno
import fcntl
import json
import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.lock import WAIT, lock_path, reading, writing

fork = multiprocessing.get_context("fork")


@pytest.fixture(params=["flock", "none"])
def folder(tmp_path, monkeypatch, request):
    """Return a folder on a file system with locks, and on one without."""
    if request.param == "none":

        def refuse(stream, mode):
            raise OSError(errno.ENOLCK, "no locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / "exp").mkdir()
    return tmp_path / "exp"


def hold(lock, folder):
    """Start a process that holds a lock until it is told to end, or killed."""
    ready, done = fork.Event(), fork.Event()

    def work():
        with lock(folder):
            ready.set()
            done.wait(60)

    process = fork.Process(target=work, daemon=True)
    process.start()
    assert ready.wait(60)
    return process, done


@pytest.mark.parametrize(
    "first, second", [(writing, writing), (writing, reading), (reading, writing)]
)
def test_who_comes_second_is_told_who_works_there_and_what_to_do(folder, first, second):
    process, done = hold(first, folder)
    who = rf"process {process.pid} \(.*\) on {socket.gethostname()} since 20\d\d-"
    with pytest.raises(UserError, match=rf"{folder} is in use by {who}.*--wait"):
        second(folder).__enter__()
    done.set()
    process.join(60)
    with second(folder):
        pass


def test_several_read_at_once(folder):
    process, done = hold(reading, folder)
    with reading(folder):
        pass
    # Who is gone first leaves the others' lock as it is.
    with pytest.raises(UserError, match=f"process {process.pid}"):
        writing(folder).__enter__()
    done.set()
    process.join(60)


def test_a_lock_ends_with_the_process_that_holds_it_however_that_ends(folder):
    process, _ = hold(writing, folder)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    with writing(folder):
        pass


def test_who_is_to_wait_waits_and_says_so(folder, monkeypatch, capsys):
    monkeypatch.setenv(WAIT, "true")
    process, done = hold(writing, folder)
    threading.Timer(0.5, done.set).start()
    with writing(folder):
        assert not process.is_alive() or done.is_set()
    assert f"waiting for {folder}, in use by process {process.pid}" in (
        capsys.readouterr().err
    )
    process.join(60)


def test_a_forked_worker_keeps_the_lock_of_a_parent_that_is_killed(tmp_path):
    ready, done = fork.Event(), fork.Event()

    def work():
        with writing(tmp_path / "exp"):
            child = fork.Process(target=done.wait, args=(60,))
            child.start()
            ready.set()
            os.kill(os.getpid(), signal.SIGKILL)

    process = fork.Process(target=work)
    process.start()
    # join() would wait for the child, too.
    os.waitpid(process.pid, 0)
    assert ready.is_set()
    with pytest.raises(UserError, match="is in use by another run"):
        writing(tmp_path / "exp").__enter__()
    done.set()


def test_who_comes_between_a_lock_and_its_name_is_told_the_name(tmp_path):
    (tmp_path / "exp").mkdir()
    holder = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
    with lock_path(tmp_path / "exp").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)

        def sign():
            stream.write(holder + "\n")
            stream.flush()

        timer = threading.Timer(0.3, sign)
        timer.start()
        with pytest.raises(UserError, match=f"in use by process {os.getpid()}"):
            writing(tmp_path / "exp").__enter__()
        timer.join()


def test_another_machine_is_believed_and_the_remedy_helps(folder):
    line = {"pid": 1, "host": "elsewhere", "since": "noon", "command": "encode"}
    path = lock_path(folder)
    path.write_text(json.dumps(line) + "\n")
    try:
        with writing(folder):
            pass
    except UserError as error:  # without locks, the line is all there is
        assert "process 1 (encode) on elsewhere since noon" in str(error)
        assert f"delete {path}" in str(error)
        path.unlink()
        with writing(folder):
            pass


def test_a_broken_lock_file_is_no_holder(folder):
    lock_path(folder).write_text('[]\n{"pid": 3}\nrubbish\n')
    with writing(folder):
        pass


def test_where_nothing_can_be_written_nothing_is_locked(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("builtins.open", refuse)
    with writing(folder), reading(folder):
        pass


def test_a_folder_that_is_not_there_is_not_read(tmp_path):
    with reading(tmp_path / "none"):
        assert not list(tmp_path.iterdir())


def test_another_users_lock_holds_for_who_may_only_read_it(tmp_path, monkeypatch):
    (tmp_path / "exp").mkdir()
    process, done = hold(writing, tmp_path / "exp")
    opened = builtins.open

    def read_only(path, mode="r", **kwargs):
        if mode != "r":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, mode, **kwargs)

    monkeypatch.setattr("builtins.open", read_only)
    with pytest.raises(UserError, match=f"in use by process {process.pid}"):
        reading(tmp_path / "exp").__enter__()
    done.set()
    process.join(60)
    with reading(tmp_path / "exp"):
        monkeypatch.undo()
        with pytest.raises(UserError, match="in use by another run"):
            writing(tmp_path / "exp").__enter__()


def test_who_waited_for_a_lock_that_was_deleted_holds_the_new_one(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(WAIT, "true")
    folder = tmp_path / "exp"
    with contextlib.ExitStack() as first:
        first.enter_context(writing(folder))

        def slept(seconds):
            lock_path(folder).unlink()
            first.close()

        monkeypatch.setattr(time, "sleep", slept)
        with writing(folder):
            first.close()
            monkeypatch.delenv(WAIT)
            with pytest.raises(UserError, match="in use"):
                writing(folder).__enter__()
