"""A recipe's run.sh that is killed in its training leaves nothing behind."""

import random
import signal
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from kills import Recipe, Run

pytestmark = pytest.mark.recipe
INTERRUPTED = "interrupted: run the same command again to continue"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe up to stage 3, whose training takes for ever."""
    work = tmp_path_factory.mktemp("kills") / "work"
    recipe = Recipe(work, 24, 100_000)
    prepared = Run([*recipe.command, "--stop_stage", "3"], recipe.log)
    assert prepared.wait() == 0, recipe.log.read_text()
    recipe.command += ["--stage", "4", "--stop_stage", "4"]
    return recipe


@pytest.mark.parametrize(
    "name, target, status, said",
    [
        ("SIGTERM", "shell", -signal.SIGTERM, INTERRUPTED),
        ("SIGINT", "shell", -signal.SIGINT, INTERRUPTED),
        ("SIGKILL", "shell", -signal.SIGKILL, ""),
        ("SIGKILL", "python", 137, "run the same command again"),
        ("SIGTERM", "python", 143, INTERRUPTED),
        ("SIGTERM", "server", 143, INTERRUPTED),
        ("SIGINT", "group", -signal.SIGINT, INTERRUPTED),
        ("SIGKILL", "server", 137, "run the same command again"),
    ],
)
def test_a_signal_in_the_training_leaves_no_process(recipe, name, target, status, said):
    run = recipe.start()
    try:
        assert run.wait_for(lambda: len(run.workers()) == 2), recipe.log.read_text()
        assert run.send(signal.Signals[name], target, random.Random(0))
        assert run.seconds_to_end() is not None
        assert run.wait() == status
    finally:
        run.end()
    log = recipe.log.read_text()
    assert said in log and "Traceback" not in log
    assert log.count(INTERRUPTED) == (said == INTERRUPTED)
