"""What every entry point does."""

import os
import subprocess
import sys

import pytest
import torch

from espnet_sentiment.core.entry import check_gpus

# ESPnet's imports and its log look for GPUs before and after a fork.
FORKED = """
import os, torch
from espnet_sentiment.core.entry import check_gpus
check_gpus(0)
torch.cuda.is_available()
if os.fork() == 0:
    print(torch.backends.cudnn.version(), torch.cuda.device_count(), flush=True)
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_where_no_gpu_is_asked_for_none_is_seen(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    check_gpus(0)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


LENGTHS = """
import os, sys
if sys.argv[1] == "program":
    from espnet_sentiment.core.entry import prepare_imports
    prepare_imports()
import psutil, torch
layer = torch.nn.Conv1d(80, 512, 3)
with torch.no_grad():
    layer(torch.randn(1, 80, 3000))
    before = psutil.Process().memory_full_info().uss
    for frames in range(2000, 2200):
        layer(torch.randn(1, 80, frames))
print(psutil.Process().memory_full_info().uss - before)
"""


def grown(who):
    """Return the bytes by which a process grows over 200 lengths."""
    command = [sys.executable, "-c", LENGTHS, who]
    environment = {
        name: value for name, value in os.environ.items() if "ONEDNN" not in name
    }
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    return int(done.stdout)


def test_a_program_does_not_keep_what_was_compiled_for_every_length():
    program, library = grown("program"), grown("library")
    if library < 16 << 20:
        pytest.skip("this processor compiles nothing for a length")
    assert program < 0.7 * library


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_a_forked_worker_of_the_cpu_does_not_mind_a_gpu_of_cuda():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split()[1] == "0"
