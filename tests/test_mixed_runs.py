"""Stages that are run alone, or by turns, after an input changed: nothing is mixed."""

import shutil

import pytest
import test_staleness
import yaml
from stage_world import World, restored

from espnet_sentiment.core.errors import DataError

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run everything once; return the world and a copy of its files."""
    root = tmp_path_factory.mktemp("mixed")
    (root / "world").mkdir()
    world = World(root / "world", an4_wavs[:10])
    world.run()
    return world, shutil.copytree(world.root, root / "kept")


@pytest.fixture
def world(finished):
    """Return the finished world, as it was."""
    return restored(*finished)


def test_configs_that_share_the_clean_store_take_another_encoder_by_turns(world):
    with_views = yaml.safe_load(world.sentiment.read_text())
    without = {k: v for k, v in with_views.items() if not k.startswith("specaug")}
    del without["views"]
    world.write(world.sentiment, without)
    world.run()
    test_staleness.change_weights(world)
    assert "3" in world.run()
    assert world.run() == []
    world.write(world.sentiment, with_views)
    assert "3" in world.run()
    assert world.run() == []
