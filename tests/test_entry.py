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


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_a_forked_worker_of_the_cpu_does_not_mind_a_gpu_of_cuda():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split()[1] == "0"
