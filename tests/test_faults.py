"""Files of a finished run that are damaged: noticed, or made again."""

import pytest
from stage_faults import FAULTS, artefacts, heal, state
from stage_world import finished_world, restored

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run everything once; return the world, a copy of its files, and their state."""
    world, kept = finished_world(
        tmp_path_factory.mktemp("faults"), an4_wavs, fbank=True
    )
    return world, kept, state(world.root)


def test_every_file_of_a_run_is_made_again_or_its_damage_is_noticed(finished):
    world, kept, whole = finished
    names = artefacts(kept)
    assert len(names) > 60
    # One fault a file, taken in turn; benchmarks/faults.py tries all.
    turn = list(FAULTS)
    outcomes = {}
    for number, name in enumerate(names):
        fault = turn[number % len(turn)]
        try:
            outcomes[name] = heal(restored(world, kept), name, fault, whole)
        except Exception as error:
            error.add_note(f"{fault} {name}")
            raise
    unread = {n for n, found in outcomes.items() if found == "harmless"}
    # Kept for who scores next, who checks them: tests/test_layer_probe.py,
    # tests/test_references_stages.py.
    kept_aside = {"pooled.safetensors", "probed.json", "references_an4.json"}
    assert all(
        n.suffix == ".seal" or "plan" in n.name or n.name in kept_aside for n in unread
    )
