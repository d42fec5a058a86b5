"""Real audio for the tests, AN4 from ESPnet's wheel and EmoDB if at hand; a browser."""

import importlib.resources
import os
import signal
import sys
import tarfile
from pathlib import Path

import pytest

# Tests ask for them by name.
from browser_fixture import chromium, open_page, serious  # noqa: F401


def heed_sigint() -> None:
    """Let processes that this one starts be interrupted.

    In the background of a shell SIGINT is ignored, and so it is by all below. To change
    that between fork and exec, by ``preexec_fn``, can hang where there are threads.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


heed_sigint()
DATA_VARIABLE = "ESPNET_SENTIMENT_TEST_DATA"
# Who asks for such a fixture or calls such a function gets the marker.
MARKS_OF_NAMES = {
    "chromium": "browser",
    "experiment": "espnet",
    "finished": "espnet",
    "fold": "espnet",
    "lazy": "espnet",
    "prepared": "slow",
    "run_recipe": "recipe",
    "whisper_dir": "slow",
}
NOT_QUICK = ("espnet", "recipe", "slow", "browser")
TASKS = "espnet2.tasks.abs_task"
HAD_TASKS = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark a test by what it uses; what has no other marker is quick."""
    for item in items:
        for name in {*item.fixturenames, *item.function.__code__.co_names}:
            if name in MARKS_OF_NAMES:
                item.add_marker(MARKS_OF_NAMES[name])
        if not any(map(item.get_closest_marker, NOT_QUICK)):
            item.add_marker("quick")
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # Processes end together when the longest files start first.
        heavy = {item.path for item in items if item.get_closest_marker("recipe")}
        items.sort(key=lambda item: item.path not in heavy)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """Note whether ESPnet's tasks were imported before."""
    item.stash[HAD_TASKS] = TASKS in sys.modules
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """Fail a quick test that imports ESPnet's tasks, so that it gets its marker."""
    result = yield
    imported = TASKS in sys.modules and not item.stash[HAD_TASKS]
    if imported and item.get_closest_marker("quick"):
        pytest.fail("it imports ESPnet's tasks: mark it espnet", pytrace=False)
    return result


@pytest.fixture(scope="session")
def an4_wavs(tmp_path_factory) -> list[Path]:
    """Return AN4 utterances, 16 kHz mono NIST SPHERE, unpacked from ESPnet's wheel."""
    return unpack_an4(tmp_path_factory.mktemp("an4"))


@pytest.fixture(scope="module")
def speech(an4_wavs):
    """Return three real utterances (3, N) of 0.9, 0.4 and 0.65 s, and their lengths."""
    # Not every test imports them.
    import soundfile
    import torch
    from torch.nn.utils.rnn import pad_sequence

    lengths = torch.tensor([14400, 6400, 10400])
    waves = [torch.from_numpy(soundfile.read(p, dtype="float32")[0]) for p in an4_wavs]
    waves = [wave[4000:] for wave in waves if len(wave) > 24000][:3]
    waves = [wave[:n] for wave, n in zip(waves, lengths, strict=True)]
    return pad_sequence(waves, batch_first=True), lengths


def unpack_an4(folder: Path) -> list[Path]:
    """Unpack AN4's utterances; return their files."""
    archive = (
        importlib.resources.files("egs3") / "mini_an4" / "esp2_asr" / "downloads.tar.gz"
    )
    with importlib.resources.as_file(archive) as path, tarfile.open(path) as stream:
        stream.extractall(folder, filter="data")
    return sorted(folder.glob("downloads/an4/wav/**/*.sph"))


def _data(*parts: str) -> Path:
    root = os.environ.get(DATA_VARIABLE)
    if not root:
        pytest.skip(f"{DATA_VARIABLE} is not set: no real corpus and model to test on")
    path = Path(root, *parts)
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


@pytest.fixture(scope="session")
def emodb_dir() -> Path:
    """Return the folder of EmoDB, or skip."""
    return _data("data", "emodb")


@pytest.fixture(scope="session")
def nemo_dir() -> Path:
    """Return the folder of nEMO, or skip."""
    return _data("data", "nemo")


@pytest.fixture(scope="session")
def emobox_archive() -> Path:
    """Return EmoBox's metadata, its ``data/`` in a .tar.gz, or skip."""
    return _data("data", "emobox-metadata.tar.gz")


@pytest.fixture(scope="session")
def whisper_dir() -> Path:
    """Return the folder of Whisper base, or skip."""
    return _data("models", "whisper-base")
