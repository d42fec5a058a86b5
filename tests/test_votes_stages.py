"""Stages 0 to 6 on real speech with votes as the target."""

import json

import numpy as np
import pytest
import yaml
from stage_world import World

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.data.folds import read_folds

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def world(tmp_path_factory, an4_wavs):
    """Run all stages on ten utterances, two of them without a majority."""
    root = tmp_path_factory.mktemp("votes")
    world = World(root, an4_wavs)
    utts = sorted(world.utterances)
    # AN4's own labels, of which the annotators of this test doubt some.
    for i, utt in enumerate(utts):
        label = world.utterances[utt]["label"]
        other = "an" if label == "cen" else "cen"
        votes = [[label] * 3, [label, label, other], [f"{label}:4", f"{other}:1"]]
        world.utterances[utt]["votes"] = votes[i % 3]
    undecided = [utts.pop(2), utts.pop(4)]
    world.folds = {
        "1": {"train": utts[2:], "valid": utts[1:2], "test": utts[:1]},
        "2": {"train": utts[:-2], "valid": utts[-2:-1], "test": utts[-1:]},
    }
    for utt in undecided:
        world.utterances[utt] |= {"label": None, "votes": ["an", "cen"]}
    for parts in world.folds.values():
        parts["no_majority"] = undecided
    world.undecided = undecided
    world.edit(world.sentiment, "target", "votes")
    world.edit(world.sentiment, "model_conf.class_weights", "balanced")
    world.run()
    return world


def _results(world):
    return read_json(next(world.root.glob("exp/an4_*")) / "results.json")


def test_what_has_no_majority_trains_and_is_not_scored(world):
    (one, two) = read_folds(world.root / "data" / "an4")
    assert one.no_majority == two.no_majority == world.undecided
    folder = next(world.root.glob("exp/an4_*"))
    for fold in (one, two):
        shapes = (folder / f"fold{fold.name}" / "train_shape").read_text().splitlines()
        trained = [line.split()[0] for line in shapes]
        assert trained == sorted([*fold.train, *world.undecided])
    results = _results(world)
    assert results["n_utterances"] == results["votes"]["n_utterances"] == 2
    assert results["votes"]["no_majority"] == 2
    assert results["votes"]["no_majority_trained"] == 2
    text = (folder / "RESULTS.md").read_text()
    assert "Without a majority, and not scored: 2 utterances, of which 2 train" in text


def test_balanced_weights_are_those_of_all_votes_that_train(world):
    folder = next(world.root.glob("exp/an4_*")) / "fold1"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (fold, _) = read_folds(world.root / "data" / "an4")
    amounts = np.zeros(2)
    for utt in (*fold.train, *fold.no_majority):
        for vote in world.utterances[utt]["votes"]:
            name, _, count = vote.partition(":")
            total = 5 if count else len(world.utterances[utt]["votes"])
            amounts[["an", "cen"].index(name)] += float(count or 1) / total
    expected = amounts.sum() / (2 * amounts)
    assert config["model_conf"]["class_weights"] == pytest.approx(expected.tolist())


def test_scores_of_votes_stand_in_results_tables_plot_and_report(world):
    votes, root = _results(world)["votes"], world.root
    assert votes["target"] == "votes" and 0 < votes["js"] < votes["kl"]
    folder = next(root.glob("exp/an4_*"))
    assert (folder / "entropies.png").stat().st_size > 1000
    table = (root / "exp" / "RESULTS_an4.md").read_text()
    assert "KL (nats)" in table and f"{votes['kl']:.3f}" in table
    page = (folder / "report.html").read_text(encoding="utf-8")
    data = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data)["votes"]["kl"] == pytest.approx(votes["kl"])


def test_one_changed_vote_trains_the_folds_that_learn_from_it(world):
    assert world.run() == []
    votes = ["an", "cen", "an:2", "cen:2", "cen"]
    world.utterances[world.undecided[0]]["votes"] = votes
    ran = set(world.run())
    assert ran == {"0", "4.1", "4.2", "5.1", "5.2", "6", "report"}


def test_a_vote_for_no_class_is_refused_before_training(world):
    utt = world.undecided[1]
    world.utterances[utt]["votes"] = ["an", "fear"]
    with pytest.raises(DataError, match=f"utterance {utt} has the vote 'fear'"):
        world.run()
    # The remedy that the message names.
    world.edit(world.sentiment, "other_votes", "leave_out")
    assert {"4.1", "4.2", "6"} <= set(world.run())
    assert _results(world)["votes"]["other_votes"] == "leave_out"


def test_by_labels_they_are_left_out_and_the_votes_still_compared(world, capsys):
    world.edit(world.sentiment, "target", "label")
    world.run()
    said = capsys.readouterr().err
    assert "2 utterances without a majority are left out" in said
    votes = _results(world)["votes"]
    assert votes["target"] == "label" and votes["no_majority_trained"] == 0
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(
        world.sentiment,
        {k: v for k, v in config.items() if k not in ("target", "other_votes")},
    )
    world.run()
    assert "votes" not in _results(world)
    assert not (next(world.root.glob("exp/an4_*")) / "entropies.png").exists()
