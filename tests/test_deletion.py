"""The deletion test: which frames go, what is measured, and the program."""

import numpy as np
import pytest
import soundfile
from recipe_fixtures import Recipe

from espnet_sentiment.bin import deletion
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.report.deletion import (
    delete,
    deletion_masks,
    silence,
    summarize_deletions,
)

FRAME = 1280


@pytest.fixture(scope="module")
def speech(an4_wavs):
    samples, _ = soundfile.read(an4_wavs[0], dtype="float32")
    return samples


def energy_attention(samples):
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    energy = (frames**2).sum(axis=1)
    return (energy / energy.sum())[None]


def loudness(variants):
    """Classify by energy: loud against quiet."""
    loud = (np.asarray(variants) ** 2).sum(axis=1)
    loud = 0.9 * loud / loud[0]
    return np.stack([loud, 1 - loud], axis=1)


def runs(mask):
    return int(np.sum(mask & ~np.roll(mask, 1)))


def test_every_kind_deletes_equally_many_frames(speech):
    attention = energy_attention(speech)
    n_frames = attention.shape[1]
    masks = deletion_masks(attention, 0.2, 7, "an utterance")
    assert {kind: len(m) for kind, m in masks.items()} == {
        "highest": 1,
        "lowest": 1,
        "random": 7,
        "shifted": 7,
    }
    for of_kind in masks.values():
        assert of_kind.shape[1] == n_frames
        assert (of_kind.sum(axis=1) == round(0.2 * n_frames)).all()
    highest = masks["highest"][0]
    assert attention[0, highest].min() >= attention[0, ~highest].max()
    assert attention[0, masks["lowest"][0]].max() <= attention[0, highest].min()
    # As often interrupted, seen as a circle, but elsewhere.
    assert {runs(mask) for mask in masks["shifted"]} == {runs(highest)}
    assert not (masks["shifted"] == highest).all(axis=1).any()


def test_the_same_utterance_gets_the_same_random_frames(speech):
    attention = energy_attention(speech)
    first, again, other = (
        deletion_masks(attention, 0.2, 3, name)["random"] for name in ("a", "a", "b")
    )
    assert (first == again).all() and not (first == other).all()


def test_one_frame_goes_of_the_shortest_utterance():
    masks = deletion_masks(np.ones((2, 1)), 0.2, 2, "a")
    assert all(mask.sum(axis=1).tolist() == [1] * len(mask) for mask in masks.values())


def test_only_the_samples_of_deleted_frames_are_silenced(speech):
    masks = np.zeros((2, 5), bool)
    masks[0, 1] = masks[1, 4] = True
    first, last = silence(speech, masks, FRAME)
    assert not first[FRAME : 2 * FRAME].any()
    assert (first[:FRAME] == speech[:FRAME]).all()
    assert (first[2 * FRAME :] == speech[2 * FRAME :]).all()
    # The last frame takes what is left, as encoders lose frames at the end.
    assert not last[4 * FRAME :].any()


def test_energy_is_what_a_model_of_loudness_rests_on(speech):
    masks = deletion_masks(energy_attention(speech), 0.2, 9, "an utterance")
    found = delete(speech, masks, FRAME, loudness)
    assert found["highest"]["change"] > found["random"]["change"]
    assert found["random"]["change"] > found["lowest"]["change"]
    assert found["highest"]["flipped"] in (0.0, 1.0)
    kept = np.where(masks["highest"][0], 0, energy_attention(speech)[0])
    assert found["highest"]["change"] == pytest.approx(0.9 * (1 - kept.sum()), abs=0.02)


def test_summary_says_whether_the_difference_is_chance():
    def rows(better):
        return [
            {
                kind: {"change": 0.5 + (kind == "highest") * better * i, "flipped": 0.5}
                for kind in ("highest", "random")
            }
            for i in range(1, 20)
        ]

    assert summarize_deletions(rows(0.01))["random"]["p"] < 1e-4
    assert summarize_deletions(rows(-0.01))["random"]["p"] > 0.99
    assert "p" not in summarize_deletions(rows(0.01))["highest"]


@pytest.mark.espnet
def test_program_measures_every_test_utterance_of_every_fold(
    tmp_path, an4_wavs, monkeypatch, capsys
):
    recipe = Recipe(tmp_path, an4_wavs)
    recipe.run(1, 6)
    options = [*recipe.experiment, "--share", "0.25"]
    deletion.main(options)
    assert "| highest attention |" in capsys.readouterr().out
    found = read_json(recipe.exp / "deletion.json")
    assert found["n_utterances"] == len(found["utterances"]) == 4
    assert found["share"] == 0.25
    changes = [u["highest"]["change"] for u in found["utterances"].values()]
    assert found["summary"]["highest"]["change"] == pytest.approx(np.mean(changes))
    assert max(changes) > 0
    deletion.main(options)
    again = capsys.readouterr()
    assert "up to date" in again.err and "| highest attention |" in again.out
    deletion.main([*options, "--share", "0.5"])
    assert read_json(recipe.exp / "deletion.json")["share"] == 0.5
    with pytest.raises(DataError, match="--share"):
        deletion.main([*options, "--share", "1"])
    command_finds_the_same(recipe, found, monkeypatch, capsys)


def command_finds_the_same(recipe, found, monkeypatch, capsys):
    """Check the console command on an experiment and an encoder that have moved."""
    moved = recipe.exp.rename(recipe.root / "exp" / "mine.v2")
    encoder = recipe.model.rename(recipe.root / "moved")
    monkeypatch.chdir(recipe.root / "exp")
    command = ["deletion", "mine.v2", "--share", "0.25"]
    assert main(command) == 2
    assert "--encoder_model" in capsys.readouterr().err
    assert main([*command, "--encoder_model", f"../{encoder.name}"]) == 0
    assert "| highest attention |" in capsys.readouterr().out
    assert read_json(moved / "deletion.json") == found
    assert main([*command, "--encoder_model", f"../{encoder.name}"]) == 0
    assert "up to date" in capsys.readouterr().err
    assert main(["deletion", "mine.v2", "--share", "1"]) == 2
    assert main(["deletion", "."]) == 2
    assert "holds no results.json" in capsys.readouterr().err
