"""The environment step, run for real with stand-ins for Python and uv."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENV_SH = Path(__file__).parents[1] / "local" / "env.sh"
TOOLS = "bash cat cksum cp dirname env flock kill mkdir mv rm sed sh sleep tail touch"

# Answers `-c` by this interpreter under another version; `-m venv` by a copy of itself.
PYTHON = """\
#!/bin/sh
echo "$0 $*" | head -n 1 >>{calls}
case "$1 $2" in
  "-c "*) exec {python} -I -S -c 'import sys
sys.version_info = {version}; sys._base_executable = "{path}"
{setup}
exec(sys.argv[1])' "$2" ;;
  "-m venv") mkdir -p "$3/bin" && cp {path} "$3/bin/python" &&
    echo "version = {version}" >"$3/pyvenv.cfg" ;;
  "-m pip") if [ "$3 $4" = "install uv" ]; then cp {root}/uv "${{0%/*}}/uv"; fi ;;
esac
"""

# Logs its calls; what else it does on an installation is up to the file `uv_does`.
UV = """\
#!/bin/sh
echo "uv $* $UV_TORCH_BACKEND" >>{calls}
case "$1 $2" in
  "pip install") . {root}/uv_does ;;
  "python find") echo {root}/managed/python ;;
esac
"""


class Sandbox:
    """A repository and a PATH that holds nothing but the tools that are named."""

    def __init__(self, root: Path):
        self.root = root
        self.calls = root / "calls"
        self.bin = root / "bin"
        self.repo = root / "repo"
        self.venv = self.repo / ".venv"
        (self.repo / "local").mkdir(parents=True)
        for file in (ENV_SH, ENV_SH.with_name("attend.sh")):
            shutil.copy(file, self.repo / "local")
        (self.repo / "setup.cfg").write_text("[metadata]\nname = x\n")
        (self.repo / "pyproject.toml").touch()
        self.bin.mkdir()
        for tool in [*TOOLS.split(), "head"]:
            if path := shutil.which(tool):
                (self.bin / tool).symlink_to(path)
        self.on_install("true")

    def script(self, path: str, text: str, **values) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        values |= {"calls": self.calls, "root": self.root, "path": file}
        file.write_text(text.format(**values))
        file.chmod(0o755)
        return file

    def python(self, path: str, version=(3, 12, 1), setup="") -> Path:
        return self.script(
            path, PYTHON, version=version, setup=setup, python=sys.executable
        )

    def uv(self, path: str = "bin/uv") -> Path:
        return self.script(path, UV)

    def on_install(self, shell: str):
        (self.root / "uv_does").write_text(shell)

    def start(self, *args: str, **env: str) -> subprocess.Popen:
        env = {"PATH": str(self.bin), "HOME": str(self.root / "home"), **env}
        command = [self.repo / "local" / "env.sh", *args]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            env=env,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess:
        process = self.start(*args, **env)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def called(self, what: str) -> list[str]:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if what in line]

    def stamps(self) -> list[str]:
        return sorted(path.name for path in self.venv.glob(".ready*"))


@pytest.fixture
def sandbox(tmp_path):
    return Sandbox(tmp_path)


@pytest.fixture
def ready(sandbox):
    """A sandbox whose environment is installed, its calls forgotten."""
    sandbox.python("bin/python3.12")
    sandbox.uv()
    assert sandbox.run().returncode == 0
    sandbox.calls.unlink()
    return sandbox


def test_unfit_pythons_are_passed_over(sandbox):
    shim = sandbox.script("bin/python3.12", "#!/bin/sh\nexit 127\n")
    sandbox.python("bin/python3.13", setup='sys.modules["ensurepip"] = None')
    sandbox.python("bin/python3", version=(3, 11, 7))
    sandbox.python("bin/python", version=(3, 14, 0))
    sandbox.python("home/.pyenv/versions/3.11.7/bin/python", version=(3, 11, 7))
    fit = sandbox.python("home/.pyenv/versions/3.13.0/bin/python", version=(3, 13, 0))
    sandbox.uv()
    result = sandbox.run(PYTHON=str(shim))
    assert result.returncode == 0, result.stderr
    assert f"[env] Python 3.13.0 at {fit}\n" in result.stdout
    assert "(3, 13, 0)" in (sandbox.venv / "pyvenv.cfg").read_text()


def test_the_python_that_is_named_comes_first(sandbox):
    sandbox.python("bin/python3.12")
    named = sandbox.python("elsewhere/python", version=(3, 13, 2))
    sandbox.uv()
    assert f"Python 3.13.2 at {named}\n" in sandbox.run(PYTHON=str(named)).stdout


def test_pyenv_is_looked_for_where_its_variable_says(sandbox):
    fit = sandbox.python("pyenv/versions/3.12.9/bin/python")
    sandbox.uv()
    result = sandbox.run(PYENV_ROOT=str(sandbox.root / "pyenv"))
    assert f"at {fit}\n" in result.stdout


def test_uv_supplies_a_python_where_none_fits(sandbox):
    sandbox.python("bin/python3", version=(3, 11, 7))
    managed = sandbox.python("managed/python")
    sandbox.uv()
    assert f"at {managed}\n" in sandbox.run().stdout
    assert sandbox.called("uv python install 3.12")


def test_no_fitting_python_is_an_error_with_its_remedy(sandbox):
    sandbox.python("bin/python3", version=(3, 11, 7))
    result = sandbox.run()
    assert result.returncode == 1
    assert "no Python 3.12 or 3.13" in result.stderr
    assert "PYTHON=/path/to/python3.12" in result.stderr
    assert not sandbox.venv.exists()


def test_the_package_is_installed_editable_with_the_extra(sandbox):
    sandbox.python("bin/python3.12")
    sandbox.uv()
    result = sandbox.run("test")
    python = sandbox.venv / "bin" / "python"
    assert sandbox.called(f"uv pip install --python {python} --editable .[test]")
    assert "installing espnet_sentiment[test]" in result.stdout
    assert sandbox.stamps() == [".ready", ".ready-test"]


def test_a_second_run_starts_neither_python_nor_uv(ready):
    result = ready.run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not ready.calls.exists()


def test_an_extra_is_added_once_and_then_stays(ready):
    for extra in ["test"], ["test"], []:
        assert ready.run(*extra).returncode == 0
    assert len(ready.called("uv pip install")) == 1


def test_several_extras_are_installed_together_and_stay(ready):
    for extras in ("mini,cluster", "cluster", "release", "mini"):
        assert ready.run(extras).returncode == 0
    asked = [line.rpartition(".[")[2] for line in ready.called("uv pip install")]
    assert [line.strip() for line in asked] == ["mini,cluster]", "release]"]
    assert ready.stamps() == [
        ".ready",
        *(f".ready-{e}" for e in ("cluster", "mini", "release")),
    ]


def test_what_the_tests_bring_is_not_installed_again(ready):
    assert ready.run("test").returncode == 0
    ready.calls.unlink()
    assert ready.run("mini,demo").returncode == 0
    assert not ready.calls.exists()
    assert ready.run("release").returncode == 0
    assert len(ready.called("uv pip install")) == 1


def test_new_requirements_are_installed_into_the_same_venv(ready):
    with (ready.repo / "setup.cfg").open("a") as file:
        file.write("version = 2\n")
    assert ready.run().returncode == 0
    assert len(ready.called("uv pip install")) == 1
    assert not ready.called("-m venv")


def test_a_failed_installation_shows_its_log_and_leaves_no_stamp(ready):
    (ready.repo / "setup.cfg").write_text("[metadata]\nname = y\n")
    # Both installers, or pip would mend what uv could not.
    ready.on_install("echo no such package; rm -f .venv/bin/python; exit 1")
    result = ready.run()
    assert result.returncode == 1
    assert "no such package" in result.stderr
    assert str(ready.venv / "install.log") in result.stderr
    assert ready.stamps() == []


def start_and_wait_for_uv(sandbox) -> tuple[subprocess.Popen, int]:
    """Start an installation that does not end; return it and uv's process id."""
    sandbox.python("bin/python3.12")
    sandbox.uv()
    sandbox.on_install("echo $$ >.venv/pid; mv .venv/pid .venv/uv; exec sleep 60")
    process, pid = sandbox.start(), sandbox.venv / "uv"
    while not pid.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process, int(pid.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_an_installation_ends_uv_as_well(sandbox, number):
    process, uv = start_and_wait_for_uv(sandbox)
    process.send_signal(number)
    assert process.wait(timeout=30) == -number
    with pytest.raises(ProcessLookupError):
        os.kill(uv, 0)
    assert sandbox.stamps() == []


def test_a_killed_installation_is_made_anew_by_the_same_command(sandbox):
    process, uv = start_and_wait_for_uv(sandbox)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    os.kill(uv, signal.SIGKILL)
    assert sandbox.stamps() == []
    sandbox.on_install("true")
    assert sandbox.run().returncode == 0
    assert sandbox.stamps() == [".ready"]
    assert not (sandbox.venv / "uv").exists()


@pytest.mark.parametrize("lost", ["bin/python", "pyvenv.cfg"])
def test_a_broken_venv_is_remade(ready, lost):
    (ready.venv / lost).unlink()
    assert ready.run().returncode == 0
    assert ready.called("-m venv")
    assert (ready.venv / lost).exists()


def test_a_moved_repository_gets_a_new_venv(ready):
    ready.repo = ready.repo.rename(ready.root / "moved")
    assert ready.run().returncode == 0
    assert ready.called(f"-m venv {ready.repo / '.venv'}")


def test_uv_is_fetched_by_pip_where_it_is_missing(sandbox):
    sandbox.python("bin/python3.12")
    sandbox.uv("uv")
    sandbox.script("bin/uv", "#!/bin/sh\nexit 127\n")
    assert sandbox.run().returncode == 0
    assert sandbox.called("-m pip install uv")
    assert sandbox.called("uv pip install")
    assert not sandbox.called("-m pip install --editable")


def test_pip_installs_where_uv_cannot(sandbox):
    sandbox.python("bin/python3.12")
    sandbox.uv()
    sandbox.on_install("exit 2")
    assert sandbox.run("test").returncode == 0
    assert sandbox.called("-m pip install --editable .[test]")
    assert sandbox.stamps() == [".ready", ".ready-test"]


def test_the_build_of_pytorch_is_remembered_and_never_left_to_pip(sandbox):
    sandbox.python("bin/python3.12")
    sandbox.uv()
    assert sandbox.run(UV_TORCH_BACKEND="cpu").returncode == 0
    (sandbox.repo / "setup.cfg").write_text("[metadata]\nname = y\n")
    sandbox.on_install("exit 2")
    assert sandbox.run().returncode == 1
    assert len(sandbox.called("--editable . cpu")) == 2
    assert not sandbox.called("-m pip install")


def test_another_build_of_pytorch_needs_a_new_venv(ready):
    assert ready.run(UV_TORCH_BACKEND="cpu").returncode == 0
    assert ready.called("-m venv")
    ready.calls.unlink()
    assert ready.run().returncode == 0
    assert not ready.calls.exists()


def test_the_old_venv_stays_where_another_build_cannot_be_installed(ready):
    ready.on_install("echo no such index; exit 1")
    result = ready.run(UV_TORCH_BACKEND="cpu")
    assert result.returncode == 1 and ready.called("-m venv")
    assert "no such index" in result.stderr
    assert "The old .venv stays as it was." in result.stderr
    assert "no such index" in (ready.venv / "install.log").read_text()
    assert not (ready.repo / ".venv.old").exists()
    # It is up to date, as before.
    ready.calls.unlink()
    assert ready.run().returncode == 0
    assert not ready.calls.exists()


def test_the_old_venv_is_back_after_a_killed_installation_of_another_build(ready):
    ready.on_install("echo $$ >.venv/pid; mv .venv/pid .venv/uv; exec sleep 60")
    process, pid = ready.start(UV_TORCH_BACKEND="cpu"), ready.venv / "uv"
    while not pid.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    os.kill(int(pid.read_text()), signal.SIGKILL)
    ready.calls.unlink()
    ready.on_install("true")
    assert ready.run().returncode == 0
    assert not ready.calls.exists() and ready.stamps() == [".ready"]
    assert ready.run(UV_TORCH_BACKEND="cpu").returncode == 0
    assert ready.called("-m venv") and ready.stamps() == [".ready"]
    assert not (ready.repo / ".venv.old").exists()


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is not installed")
def test_runs_at_the_same_time_install_once(sandbox):
    sandbox.python("bin/python3.12")
    sandbox.uv()
    sandbox.on_install("sleep 0.5")
    processes = [sandbox.start(), sandbox.start()]
    outputs = [process.communicate(timeout=30)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(sandbox.called("uv pip install")) == 1
    assert sum("waiting" in output for output in outputs) == 1
