"""Every benchmark begins: what it imports is there, and its options are described."""

import pytest
from recipe_fixtures import ROOT, script_module

pytestmark = pytest.mark.espnet

SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_can_be_imported(script):
    with script_module(script) as module:
        assert module.__doc__
