"""Two runs at once: right results, and a clear message where they meet."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from kills import Recipe, Run

pytestmark = pytest.mark.recipe


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return a recipe, and what a run of it makes that is alone."""
    recipe = Recipe(tmp_path_factory.mktemp("two") / "work", 24, 2)
    run = recipe.start()
    assert run.wait() == 0, recipe.log.read_text()
    return recipe, recipe.results()


def run_twice(recipe, first, second):
    """Start two commands at once; return their statuses and what they printed."""
    recipe.clear()
    logs = [recipe.log.with_name(name) for name in ("log.1", "log.2")]
    runs = [Run(first, logs[0]), Run(second, logs[1])]
    statuses = [run.wait() for run in runs]
    texts = [log.read_text() for log in logs]
    assert not any("Traceback" in text for text in texts), texts
    return statuses, texts


def test_on_one_corpus_one_ends_and_says_who_works_there(alone):
    recipe, expected = alone
    statuses, texts = run_twice(recipe, recipe.command, recipe.command)
    # Which of them depends on which came first; they may also just miss each other.
    assert 0 in statuses, texts
    for status, text in zip(statuses, texts, strict=True):
        assert (status == 0) != ("is in use by process" in text), text
    assert recipe.results() == expected


def test_on_one_corpus_one_waits_for_the_other(alone):
    recipe, expected = alone
    command = [*recipe.command, "--wait"]
    statuses, texts = run_twice(recipe, command, command)
    assert statuses == [0, 0], texts
    assert "in use by process" in "".join(texts)
    assert recipe.results() == expected


def test_on_two_corpora_neither_hinders_the_other(alone):
    recipe, expected = alone
    other = [word if word != "toy" else "other" for word in recipe.command]
    statuses, texts = run_twice(recipe, recipe.command, other)
    assert statuses == [0, 0], texts
    found = recipe.results()
    mine = {name: found[name] for name in expected if name in found}
    assert mine == expected
    assert any("/other" in name for name in found)
