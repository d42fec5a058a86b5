"""Real audio for the tests, AN4 from ESPnet's wheel and EmoDB if at hand; a browser."""

import importlib.resources
import os
import tarfile
from pathlib import Path

import pytest

# Tests ask for them by name.
from browser_fixture import chromium, open_page  # noqa: F401

DATA_VARIABLE = "ESPNET_SENTIMENT_TEST_DATA"


@pytest.fixture(scope="session")
def an4_wavs(tmp_path_factory) -> list[Path]:
    """Return AN4 utterances, 16 kHz mono NIST SPHERE, unpacked from ESPnet's wheel."""
    return unpack_an4(tmp_path_factory.mktemp("an4"))


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
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path


@pytest.fixture(scope="session")
def emodb_dir() -> Path:
    """Return the folder of EmoDB, or skip."""
    return _data("data", "emodb")


@pytest.fixture(scope="session")
def whisper_dir() -> Path:
    """Return the folder of Whisper base, or skip."""
    return _data("models", "whisper-base")
