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
    choose_frames,
    frame_energies,
    measure,
    silence,
    summarize,
)
from espnet_sentiment.scoring.intervals import mean_ci95
from espnet_sentiment.scoring.significance import mean_p

FRAME = 1280
SHARES = [0.05, 0.1, 0.2, 0.5]


@pytest.fixture(scope="module")
def speech(an4_wavs):
    samples, _ = soundfile.read(an4_wavs[0], dtype="float32")
    return samples


def energies(samples):
    return frame_energies(samples, len(samples) // FRAME, FRAME)


def chosen(samples, attention, n_draws=3, seed="an utterance"):
    return choose_frames(attention[None], energies(samples), SHARES, n_draws, seed)


def loudness(variants):
    """Classify by energy: loud against quiet."""
    loud = (np.asarray(variants) ** 2).sum(axis=1)
    loud = 0.9 * loud / loud[0]
    return np.stack([loud, 1 - loud], axis=1)


def test_every_kind_chooses_equally_many_frames(speech):
    energy = energies(speech)
    n_frames = len(energy)
    attention = np.random.default_rng(0).random(n_frames)
    masks = chosen(speech, attention, 7)
    assert {kind: m.shape for kind, m in masks.items()} == {
        "attention": (4, 1, n_frames),
        "loudest": (4, 1, n_frames),
        "matched": (4, 7, n_frames),
        "random": (4, 7, n_frames),
    }
    for of_kind in masks.values():
        for share, of_share in zip(SHARES, of_kind, strict=True):
            assert (of_share.sum(axis=1) == max(1, round(share * n_frames))).all()
    for kind, weights in (("attention", attention), ("loudest", energy)):
        for mask in masks[kind][:, 0]:
            assert weights[mask].min() >= weights[~mask].max()
    assert len(np.unique(masks["random"][2], axis=0)) > 1


def test_matched_frames_are_as_loud_as_the_attended_and_not_the_same(speech):
    energy = energies(speech)
    # Attention on some of the loud frames.
    loud = np.argsort(-energy)[::2][: len(energy) // 5]
    attention = np.isin(np.arange(len(energy)), loud) + 0.0
    masks = chosen(speech, attention, 20)
    fifths = np.array_split(np.argsort(-energy, kind="stable"), 5)
    for attended, matched in zip(masks["attention"], masks["matched"], strict=True):
        for frames in fifths:
            assert (matched[:, frames].sum(axis=1) == attended[0, frames].sum()).all()
    level = {kind: (m[2] @ energy).mean() for kind, m in masks.items()}
    assert level["random"] < 0.7 * level["attention"]
    assert level["matched"] == pytest.approx(level["attention"], rel=0.25)
    assert (masks["matched"][2] & ~masks["attention"][2]).any()


def test_the_same_utterance_gets_the_same_random_frames(speech):
    first, again, other = (
        chosen(speech, energies(speech), seed=name) for name in ("a", "a", "b")
    )
    for kind in ("random", "matched"):
        assert (first[kind] == again[kind]).all()
        assert not (first[kind] == other[kind]).all()


def test_one_frame_is_chosen_of_the_shortest_utterance():
    masks = choose_frames(np.ones((2, 1)), np.zeros(1), SHARES, 2, "a")
    assert all(mask.all() for mask in masks.values())


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
    energy = energies(speech)
    found = measure(speech, chosen(speech, energy), FRAME, loudness)
    assert found["attention"] == found["loudest"]
    falls = found["attention"]["deletion"]
    # The posterior falls by 0.9 times the share of the energy that goes.
    assert falls == pytest.approx(
        0.9 * np.array(found["attention"]["energy"]), abs=0.02
    )
    assert falls == sorted(falls)
    kept = found["attention"]["sufficiency"]
    assert np.add(falls, kept) == pytest.approx(0.9, abs=1e-4)
    assert (np.array(falls) > found["random"]["deletion"]).all()
    assert (np.array(kept) < found["random"]["sufficiency"]).all()
    assert found["attention"]["attended"] == [1, 1, 1, 1]


def test_a_posterior_that_rises_is_a_fall_below_zero(speech):
    def quiet(variants):
        loud = (np.asarray(variants) ** 2).sum(axis=1)
        calm = 1 - 0.4 * loud / loud[0]
        return np.stack([calm, 1 - calm], axis=1)

    found = measure(speech, chosen(speech, energies(speech)), FRAME, quiet)
    assert max(found["loudest"]["deletion"]) < 0


def rows(better, n=24):
    """Utterances whose attention's posterior falls by so much more."""
    rng = np.random.default_rng(1)
    return [
        {
            kind: {
                "deletion": [0.1 + better * (kind == "attention") + noise] * 4,
                "sufficiency": [0.5 - better * (kind == "attention") + noise] * 4,
                "energy": [0.3] * 4,
                "attended": [0.5] * 4,
            }
            for kind in ("attention", "loudest", "random")
            for noise in [rng.normal(0, 0.01)]
        }
        for _ in range(n)
    ]


def test_summary_gives_areas_and_says_whether_a_difference_is_chance():
    speakers = [f"s{i % 8}" for i in range(24)]
    found = summarize(rows(0.05), speakers)
    assert found["attention"]["deletion"]["area"] == pytest.approx(
        0.15 * 4 / 5, abs=0.01
    )
    assert found["attention"]["sufficiency"]["area"] == pytest.approx(0.45, abs=0.01)
    # Eight speakers give 2 of 256 at best, doubled for two rows (Holm).
    assert found["random"]["deletion"]["p"] == pytest.approx(4 / 256)
    assert found["random"]["sufficiency"]["p"] == pytest.approx(4 / 256)
    assert summarize(rows(0), speakers)["random"]["deletion"]["p"] > 0.1
    assert "p" not in found["attention"]["deletion"]
    low, high = found["random"]["deletion"]["ci95"]
    assert low < found["random"]["deletion"]["area"] < high


def test_intervals_and_tests_count_speakers_and_not_utterances():
    rng = np.random.default_rng(0)
    by_speaker = rng.normal(0, 1, size=6)
    groups = np.repeat([f"s{i}" for i in range(6)], 50)
    values = np.repeat(by_speaker, 50)
    low, high = mean_ci95(values, groups)
    # With as many utterances each, Student's interval of the speakers' means.
    half = 2.5706 * by_speaker.std(ddof=1) / 6**0.5
    assert (low, high) == pytest.approx(
        (by_speaker.mean() - half, by_speaker.mean() + half), abs=1e-4
    )
    assert mean_p(np.abs(values), groups) == pytest.approx(2 / 64)
    assert mean_ci95(values[:50], groups[:50]) == [values[0], values[0]]


@pytest.mark.espnet
def test_program_measures_every_test_utterance_of_every_fold(
    tmp_path, an4_wavs, monkeypatch, capsys
):
    recipe = Recipe(tmp_path, an4_wavs)
    recipe.run(1, 6)
    options = [*recipe.experiment, "--shares", "0.25", "0.5"]
    capsys.readouterr()
    deletion.main(options)
    printed = capsys.readouterr().out
    assert (
        printed.count("| most attention |") == 2 and "| 25% | 50% | AOPC |" in printed
    )
    found = read_json(recipe.exp / "deletion.json")
    assert found["n_utterances"] == len(found["utterances"]) == 4
    assert found["shares"] == [0.25, 0.5]
    for kind, of_kind in found["summary"].items():
        for test in ("deletion", "sufficiency"):
            falls = [u[kind][test] for u in found["utterances"].values()]
            assert of_kind[test]["falls"] == pytest.approx(np.mean(falls, axis=0))
            assert np.any(falls)
    deletion.main(options)
    again = capsys.readouterr()
    assert "up to date" in again.err and again.out == printed
    deletion.main([*options, "--n_draws", "2"])
    assert read_json(recipe.exp / "deletion.json")["n_draws"] == 2
    with pytest.raises(DataError, match="--shares"):
        deletion.main([*recipe.experiment, "--shares", "0.5", "1"])
    a_sample_is_told(recipe, found, options, capsys)
    command_finds_the_same(recipe, found, monkeypatch, capsys)


def a_sample_is_told(recipe, found, options, capsys):
    """Check a sample: it holds what the whole does, and results say what it is."""
    deletion.main([*options, "--per_speaker", "1"])
    printed = capsys.readouterr().out
    few = read_json(recipe.exp / "deletion.json")
    assert 0 < few["n_utterances"] == few["n_groups"] < found["n_utterances"]
    assert few["utterances"].items() <= found["utterances"].items()
    said = f"{few['n_utterances']} of 4 tested utterances, drawn by chance, at most 1"
    assert said in printed
    recipe.run(6, 6)
    assert said in (recipe.exp / "RESULTS.md").read_text()
    with pytest.raises(DataError, match="--per_speaker must be 1 or more"):
        deletion.main([*options, "--per_speaker", "0"])


def command_finds_the_same(recipe, found, monkeypatch, capsys):
    """Check the console command on an experiment and an encoder that have moved."""
    moved = recipe.exp.rename(recipe.root / "exp" / "mine.v2")
    encoder = recipe.model.rename(recipe.root / "moved")
    monkeypatch.chdir(recipe.root / "exp")
    command = ["deletion", "mine.v2", "--shares", "0.25", "0.5"]
    assert main(command) == 2
    assert "--encoder_model" in capsys.readouterr().err
    assert main([*command, "--encoder_model", f"../{encoder.name}"]) == 0
    assert "| most attention |" in capsys.readouterr().out
    assert read_json(moved / "deletion.json") == found
    assert main([*command, "--encoder_model", f"../{encoder.name}"]) == 0
    assert "up to date" in capsys.readouterr().err
    assert main(["deletion", "mine.v2", "--shares", "1"]) == 2
    assert main(["deletion", "."]) == 2
    assert "holds no results.json" in capsys.readouterr().err
