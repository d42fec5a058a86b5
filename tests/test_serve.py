"""One Python that runs a recipe's stages, each in a fork of itself."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest
from recipe_fixtures import ROOT, clone_recipe, run_recipe

if sys.platform != "linux":
    pytest.skip("stages are forked on Linux alone", allow_module_level=True)

LOCAL = ROOT / "local"
# A script that sources what a recipe does, with a Python that is this one.
SHELL = """
set -euo pipefail
trap '' USR1
. {local}/attend.sh
. {local}/server.sh
python() {{ if serves "$@"; then ask "$@"; else attend exec python "$@"; fi; }}
{body}
"""
# Runs as Python starts, which a fork does not: who started is written down. By SIGUSR1,
# which a shell ignores, it and its forks say where they are.
STARTED = """
import faulthandler, os, signal
open(os.environ['STARTED'], 'a').write(f'{os.getpid()}\\n')
faulthandler.register(signal.SIGUSR1)
"""
PATIENCE = 300  # seconds, in which a hang is told from a busy machine


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe's folder, and every Python that starts in ``STARTED``."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(STARTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("PATH", f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "local").mkdir()
    return tmp_path


def write(folder, code: str) -> None:
    (folder / "local" / "prepare.py").write_text(textwrap.dedent(code))


def shell(folder, body: str, **options) -> subprocess.CompletedProcess:
    """Run a body of shell; what a script prints comes back."""
    script = SHELL.format(local=LOCAL, body=body)
    command = ["timeout", "-s", "USR1", "-k", "5", str(PATIENCE), "bash", "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, **options)
    assert "most recent call first" not in run.stderr, f"hung in {run.stderr}"
    return run


def starts(folder) -> int:
    return len((folder / "started").read_text().split())


def test_commands_run_one_after_another_as_by_a_python_each(folder):
    write(
        folder,
        """
        import neighbour, os, sys
        print(neighbour.NAME, sys.argv[1:], __name__, os.path.isabs(__file__))
        print(sys.stdin.read(), end="")
        print("said", file=sys.stderr)
        """,
    )
    (folder / "local" / "neighbour.py").write_text("NAME = 'neighbour'")
    body = "python local/prepare.py --a 'b  c' ''; python local/prepare.py 'd\ne'"
    run = shell(folder, body, input="what is piped in\n")
    assert run.stdout.splitlines() == [
        "neighbour ['--a', 'b  c', ''] __main__ True",
        "what is piped in",
        r"neighbour ['d\ne'] __main__ True",
    ]
    assert (run.stderr, run.returncode) == ("said\nsaid\n", 0)
    assert starts(folder) == 1


@pytest.mark.parametrize(
    "code, status, said",
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('error: no such thing')", 1, "error: no such thing\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os.kill(os.getpid(), 9)", 137, "run the same command again\n"),
    ],
)
def test_what_fails_ends_the_run_with_its_status_and_message(
    folder, code, status, said
):
    write(folder, code)
    run = shell(folder, "python local/prepare.py; echo not reached")
    assert (run.returncode, run.stdout) == (status, "")
    assert run.stderr.endswith(said)


def test_what_a_command_changes_ends_with_it(folder):
    write(
        folder,
        """
        import atexit, os, sys, threading, time
        import espnet_sentiment.core.files as files
        here = os.getcwd() == sys.argv[1]
        print(os.environ.get("LEFT"), hasattr(files, "left"), here)
        os.environ["LEFT"], files.left = "behind", True
        os.chdir("/")
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
        """,
    )
    run = shell(folder, 'for i in 1 2; do python local/prepare.py "$PWD"; done')
    assert run.stdout.split("\n") == ["None False True", "thread", "at exit"] * 2 + [""]
    assert starts(folder) == 1


@pytest.mark.parametrize(
    "body, said",
    [
        ("python local/prepare.py >out; cat out", "None .\n"),
        ("export SOME=thing; python local/prepare.py", "thing .\n"),
        ("SOME=thing python local/prepare.py", "thing .\n"),
        ("(python local/prepare.py)", "None .\n"),
        ("found=$(python local/prepare.py); echo $found", "None .\n"),
        ("mkdir x; cp -r local x; cd x; python local/prepare.py", "None x\n"),
        ("python -c 'print(1)'", "1\n"),
        ("ulimit -c 0; ulimit -n 99; python local/prepare.py", "None .\n"),
    ],
)  # fmt: skip
def test_a_call_in_other_circumstances_gets_a_python_of_its_own(folder, body, said):
    write(
        folder,
        f"""
        import os
        print(os.environ.get("SOME"), os.path.relpath(os.getcwd(), {str(folder)!r}))
        """,
    )
    run = shell(folder, f"python local/prepare.py; {body}")
    assert run.stdout == f"None .\n{said}", run.stderr
    assert starts(folder) == 2


def test_a_server_that_was_killed_between_two_commands_is_done_without(folder):
    write(folder, "print('ran')")
    body = "python local/prepare.py; kill -9 $server_pid; python local/prepare.py"
    run = shell(folder, f"{body}; python local/prepare.py")
    assert run.stdout in ("ran\n" * 3, "ran\n")  # it may be noticed a moment later
    assert "Traceback" not in run.stderr


def test_a_fork_of_a_python_with_torch_computes_the_same(folder):
    write(
        folder,
        """
        import sys
        import torch
        torch.manual_seed(0)
        a = torch.randn(300, 300)
        print((a @ a).sum().item().hex(), torch.get_num_threads(), torch.rand(1).item())
        torch.set_num_threads(1)
        """,
    )
    body = "ahead=(layers.padding)\npython local/prepare.py"
    served = shell(folder, f"{body}; python local/prepare.py").stdout.splitlines()
    alone = shell(folder, "attend exec python local/prepare.py").stdout.splitlines()
    assert served == alone * 2


def test_names_of_what_is_imported_ahead_exist():
    import importlib.util

    text = "".join(path.read_text() for path in LOCAL.glob("*.sh"))
    groups = re.findall(r"ahead\+=\(([^)]*)\)", text)
    names = [name for group in groups for name in group.split()]
    assert len(names) > 3
    for name in names:
        assert importlib.util.find_spec(f"espnet_sentiment.{name}"), name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_server_ends_what_has_only_begun(folder, number):
    # A stage knows what SIGINT is once it has imported what it needs.
    write(
        folder,
        """
        import os, time
        print(os.getppid(), flush=True)
        time.sleep(60)
        """,
    )
    process = subprocess.Popen(
        ["bash", "-c", SHELL.format(local=LOCAL, body="python local/prepare.py")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    try:
        os.kill(int(process.stdout.readline()), number)
        process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 128 + number


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_runs_with_one_line(folder, number):
    write(
        folder,
        """
        import time
        from espnet_sentiment.core.entry import run
        def main(argv):
            print("ready", flush=True)
            time.sleep(60)
        run(main)
        """,
    )
    process = subprocess.Popen(
        ["bash", "-c", SHELL.format(local=LOCAL, body="python local/prepare.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -number
    assert err == "\ninterrupted: run the same command again to continue\n"


@pytest.mark.recipe
def test_a_run_with_all_up_to_date_starts_one_python(tmp_path, folder, an4_wavs):
    clone = clone_recipe("manifest", tmp_path / "clone")
    table = tmp_path / "table.csv"
    rows = [f"{wav},{'ab'[n % 2]},s{n % 3}" for n, wav in enumerate(an4_wavs)]
    table.write_text("\n".join(["path,label,speaker", *rows]))
    options = ["--manifest", table, "--name", "toy", "--folds", "3", "--nj", "1"]
    options += ["--encoder", "conf/encoder/fbank.yaml"]
    options += ["--sentiment", "conf/sentiment/mlp.yaml"]
    options += ["--sentiment_args", "--max_epoch 1"]
    first = run_recipe(clone, *options)
    assert first.returncode == 0, first.stderr[-3000:]
    (folder / "started").unlink()
    again = run_recipe(clone, *options)
    assert starts(folder) == 1
    name = "fbank_mlp_folds_3_seed0"
    assert re.sub(r"\d+ s\b", "N s", again.stderr).splitlines() == [
        "[stage 0: data preparation] up to date",
        "[stage 1: fbank] up to date",
        "[recipe] make_features: N s",
        "[stage 2: encoder] up to date",
        "[recipe] fetch_encoder: N s",
        "[stage 3: encode] up to date",
        "[recipe] encode: N s",
        *(f"[stage 4: {name} fold {n}] up to date" for n in (1, 2, 3)),
        "[recipe] sentiment_train: N s",
        *(f"[stage 5: {name} fold {n}] up to date" for n in (1, 2, 3)),
        "[recipe] sentiment_inference: N s",
        f"[stage 6: {name}] up to date",
        "[recipe] score: N s",
        f"[stage 6: report of {name}] up to date",
        "[recipe] report: N s",
        "[stage 6: tables] up to date",
        "[recipe] tables: N s",
        "[recipe] stages 0 to 6: N s in all",
    ]
    assert again.stdout == first.stdout
