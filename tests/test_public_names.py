"""The package's public face: what it offers, and what importing it costs."""

import ast
import configparser
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import espnet_sentiment

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "numpy", "espnet2", "transformers", "yaml")
SECONDS = 0.3


def test_importing_the_package_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys, time; begin = time.process_time(); import espnet_sentiment\n"
        "seconds = time.process_time() - begin; dir(espnet_sentiment)\n"
        f"print(seconds, *[name for name in {HEAVY} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, *loaded = ran.stdout.split()
    assert loaded == []
    assert float(seconds) < SECONDS


def test_every_public_name_is_there_and_listed():
    for name in espnet_sentiment.__all__:
        assert getattr(espnet_sentiment, name) is not None
        assert name in dir(espnet_sentiment)
    assert issubclass(espnet_sentiment.SpecAugment, torch.nn.Module)
    assert inspect.isclass(espnet_sentiment.Speech2Sentiment)
    names = {}
    exec("from espnet_sentiment import *", names)
    assert set(espnet_sentiment.__all__) <= names.keys()


def test_unknown_names_are_no_attributes():
    with pytest.raises(AttributeError, match="'espnet_sentiment' has no .* 'guess'"):
        espnet_sentiment.guess  # noqa: B018
    with pytest.raises(ImportError):
        from espnet_sentiment import guess  # noqa: F401


def test_type_checkers_see_the_names_that_are_imported_late():
    tree = ast.parse(Path(espnet_sentiment.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {a.name: node.module for node in block.body for a in node.names}
    assert seen == espnet_sentiment._MODULES
    assert seen.keys() <= set(espnet_sentiment.__all__)


def test_the_version_stands_in_one_place():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: espnet_sentiment.__version__"
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text()
    installed = importlib.metadata.version("espnet_sentiment")
    assert installed == espnet_sentiment.__version__, "run ./local/env.sh test"
