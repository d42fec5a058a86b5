"""A stage that computes something else has another number (ALGORITHM)."""

import pytest
from pin_outputs import PINNED, measure
from seed import SEED
from stage_world import finished_world

from espnet_sentiment.core.files import read_json

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]

# Processors round differently, and training carries it on.
TOLERANCE = {"4": 2e-2, "5": 2e-2}


@pytest.fixture(scope="module")
def measured(tmp_path_factory, an4_wavs):
    """Run all stages once."""
    if SEED != 0:
        pytest.skip("the numbers are those of seed 0")
    world, _ = finished_world(tmp_path_factory.mktemp("pinned"), an4_wavs, fbank=True)
    return measure(world)


def flat(value, name=""):
    """Give the names and leaves of nested dictionaries and lists."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{name}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from flat(item, f"{name}.{number}")
    else:
        yield name, value


@pytest.mark.parametrize("stage", sorted(read_json(PINNED)))
def test_a_stage_makes_what_its_number_stands_for(measured, stage):
    pinned, found = read_json(PINNED)[stage], measured[stage]
    if found["algorithm"] != pinned["algorithm"]:
        pytest.fail(
            f"stage {stage} has the new number {found['algorithm']}: run python "
            "tests/pin_outputs.py"
        )
    expected = {
        name: pytest.approx(value, rel=TOLERANCE.get(stage, 2e-3), abs=1e-3)
        if isinstance(value, float)
        else value
        for name, value in flat(pinned["made"])
    }
    assert dict(flat(found["made"])) == expected, (
        f"stage {stage} computes something else than number {pinned['algorithm']} of "
        "it did: if that is meant, raise ALGORITHM in its module, and run python "
        "tests/pin_outputs.py"
    )


def test_every_stage_is_pinned(measured):
    assert set(read_json(PINNED)) == set(measured)
