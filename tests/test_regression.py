"""The regression on all layers: what it learns from, and what self-training adds."""

import json

import numpy as np
import pytest
from seed import SEED
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.folds import Fold, leave_one_speaker_out
from espnet_sentiment.scoring import regression
from espnet_sentiment.scoring.pooled import Pooled
from espnet_sentiment.scoring.predictions import read_answers, write_answers
from espnet_sentiment.scoring.references import Scored
from espnet_sentiment.scoring.regression import COMPONENTS, CS, regress
from espnet_sentiment.scoring.self_training import self_train
from espnet_sentiment.scoring.tables import REGRESSIONS

CLASSES = ["calm", "joy", "rage"]
LABELS = {f"{s}-{c}{i}": c for s in "abcde" for c in CLASSES for i in range(12)}
SPEAKERS = {utt: utt[0] for utt in LABELS}
FOLDS = leave_one_speaker_out(SPEAKERS)
TESTED = Scored(FOLDS, LABELS, SPEAKERS, CLASSES)


def pooled_of(means, frames=20):
    """Return statistics whose means over time are these (N, P), of one layer."""
    values = np.stack([means, np.ones_like(means)], axis=1)[:, :, None]
    return Pooled(list(LABELS), np.full(len(LABELS), frames), values.astype("float32"))


@pytest.fixture
def means():
    """Classes apart by two deviations in the first two channels of eight."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((len(LABELS), 8))
    for row, label in zip(x, LABELS.values(), strict=True):
        row[:2] += {"calm": (0, 0), "joy": (4, 0), "rage": (0, 4)}[label]
    return x


def test_a_regression_gains_by_speakers_where_they_differ(means):
    moved = np.random.default_rng(SEED).normal(0, 9, (5, 8))
    told = means + moved[["abcde".index(utt[0]) for utt in LABELS]]
    found = regress(pooled_of(told), TESTED, SPEAKERS).rows
    assert list(found) == list(REGRESSIONS)
    assert found["speaker"]["wa"] > 0.95 > found["plain"]["wa"] + 0.1
    assert set(found["speaker"]["c"]) <= set(CS) and len(found["plain"]["c"]) == 5
    low, high = found["speaker"]["wa_ci95"]
    assert low < found["speaker"]["wa"] <= high


def test_a_regression_is_not_normalised_by_speakers_who_are_not_known(means):
    unknown = {**SPEAKERS, "a-joy0": "a-joy0"}
    tested = Scored(FOLDS, LABELS, unknown, CLASSES)
    assert list(regress(pooled_of(means), tested, unknown).rows) == [
        "plain",
        "plain_self_trained",
    ]


def test_labels_of_tested_utterances_change_no_answer_and_those_of_validating_do(means):
    fold = FOLDS[0]
    first = regress(
        pooled_of(means), Scored([fold], LABELS, SPEAKERS, CLASSES), SPEAKERS
    )
    turned = dict(zip(CLASSES, [*CLASSES[1:], CLASSES[0]], strict=True))

    def answers(utts):
        labels = {**LABELS, **{utt: turned[LABELS[utt]] for utt in utts}}
        return regress(
            pooled_of(means), Scored([fold], labels, SPEAKERS, CLASSES), SPEAKERS
        )

    assert answers(fold.test).answers == first.answers
    assert answers(fold.valid).answers != first.answers


def test_c_is_chosen_by_speakers_held_out(means):
    rng = np.random.default_rng(SEED)
    noise = rng.standard_normal((len(LABELS), 60))
    told = np.concatenate([means / 2, noise], axis=1)
    fold = FOLDS[0]
    (chosen,) = regress(
        pooled_of(told), Scored([fold], LABELS, SPEAKERS, CLASSES), SPEAKERS
    ).rows["plain"]["c"]
    utts = [*fold.train, *fold.valid]
    x = StandardScaler().fit_transform(told[[list(LABELS).index(u) for u in utts]])
    labels = [LABELS[utt] for utt in utts]
    uas = {}
    for c in CS:
        answers = cross_val_predict(
            LogisticRegression(C=c, tol=1e-5, max_iter=1000),
            x,
            labels,
            groups=[SPEAKERS[utt] for utt in utts],
            cv=GroupKFold(4),
        )
        uas[c] = balanced_accuracy_score(labels, answers)
    assert chosen == max(CS, key=uas.__getitem__) > CS[0]


def test_self_training_follows_a_speaker_who_is_moved(means):
    # A model of b and c takes much joy of the others for calm.
    told = means.copy()
    told[[utt[0] in "ade" for utt in LABELS], 0] -= 2.2
    parts = {s: [utt for utt in LABELS if utt[0] in s] for s in ("b", "c", "ade")}
    tested = Scored([Fold("1", *parts.values())], LABELS, SPEAKERS, CLASSES)
    found = regress(pooled_of(told), tested, SPEAKERS).rows
    assert found["plain_self_trained"]["ua"] > found["plain"]["ua"] + 0.05


class Nearest:
    """Takes rows (N, 1) for the class of the nearest mean."""

    seen: list[int] = []

    def __init__(self, x, labels):
        Nearest.seen.append(len(x))
        self.classes_ = np.unique(labels)
        self.means = [x[labels == name].mean() for name in self.classes_]

    def predict_proba(self, x):
        e = np.exp(-np.abs(x - np.array(self.means)))
        return e / e.sum(axis=1, keepdims=True)


def test_every_round_believes_a_fifth_more_of_each_class():
    Nearest.seen = []
    x, labels = np.array([[0.0], [10.0]]), np.array(["a", "b"])
    new = np.concatenate([np.linspace(-1, 1, 10), np.linspace(9, 11, 5)])[:, None]
    first, last = self_train(Nearest, x, labels, new)
    assert first.tolist() == last.tolist() == ["a"] * 10 + ["b"] * 5
    assert Nearest.seen == [2, 2 + 3, 2 + 6, 2 + 9, 2 + 12, 2 + 15]


def test_a_fold_of_one_class_predicts_it(means):
    fold = FOLDS[0]
    labels = {**LABELS, **dict.fromkeys((*fold.train, *fold.valid), "joy")}
    found = regress(
        pooled_of(means), Scored([fold], labels, SPEAKERS, CLASSES), SPEAKERS
    )
    assert set(found.answers["speaker_self_trained"]) == {"joy"}


def test_copies_at_other_speeds_are_held_out_with_who_spoke(means):
    # Every speaker has a copy, who tells the classes by what nobody else does.
    copies = {f"sp0.9-{utt}": label for utt, label in LABELS.items()}
    labels = {**LABELS, **copies}
    speakers = {**SPEAKERS, **{utt: f"sp0.9-{utt[6]}" for utt in copies}}
    people = {utt: speaker[-1] for utt, speaker in speakers.items()}
    rng = np.random.default_rng(SEED)
    own = rng.standard_normal((5, 3, 40))
    told = np.array(
        [own["abcde".index(people[u]), CLASSES.index(labels[u])] for u in labels]
    )
    told += rng.standard_normal(told.shape)
    told[:, :2] += np.concatenate([means, means])[:, :2] / 2
    values = np.stack([told, np.ones_like(told)], axis=1)[:, :, None]
    pooled = Pooled(list(labels), np.full(len(labels), 20), values.astype("float32"))
    train = [utt for utt in labels if people[utt] in "abcd"]
    fold = Fold("1", train, train[:1], [utt for utt in LABELS if utt[0] == "e"])
    tested = Scored([fold], labels, speakers, CLASSES)
    (by_people,) = regress(pooled, tested, people).rows["plain"]["c"]
    (by_copies,) = regress(pooled, tested, speakers).rows["plain"]["c"]
    assert by_people < by_copies


def test_where_holding_out_leaves_a_class_alone_c_is_one(means):
    utts = list(LABELS)
    # Two speakers train, one class each.
    train = [u for u in utts if (u[0] == "a") == (LABELS[u] == "joy") and u[0] in "ab"]
    train = [u for u in train if LABELS[u] != "rage"]
    fold = Fold("1", train, train[:1], [u for u in utts if u[0] == "e"])
    found = regress(
        pooled_of(means), Scored([fold], LABELS, SPEAKERS, CLASSES), SPEAKERS
    )
    assert found.rows["plain"]["c"] == [1.0]


def test_a_fold_that_learns_one_utterance_predicts_its_class(means):
    utts = list(LABELS)
    fold = Fold("1", [utts[0]], [], [utt for utt in utts if utt[0] == "e"])
    tested = Scored([fold], LABELS, SPEAKERS, CLASSES)
    found = regress(pooled_of(means), tested, SPEAKERS)
    assert set(found.answers["plain_self_trained"]) == {LABELS[utts[0]]}


def test_many_utterances_are_learned_from_in_their_principal_components(
    means, monkeypatch
):
    wide = np.concatenate([means, np.zeros((len(LABELS), 2 * COMPONENTS))], axis=1)
    few = regress(pooled_of(wide), TESTED, SPEAKERS)
    monkeypatch.setattr(regression, "FEW", 10)
    monkeypatch.setattr(regression, "COMPONENTS", 9)
    assert regress(pooled_of(wide), TESTED, SPEAKERS).rows["plain"]["wa"] > 0.9
    again = regress(pooled_of(wide), TESTED, SPEAKERS)
    assert again == regress(pooled_of(wide), TESTED, SPEAKERS)  # no chance in it
    agree = np.mean(np.array(again.answers["plain"]) == np.array(few.answers["plain"]))
    assert agree > 0.95


def test_answers_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "regression.jsonl"
    keys = [("1", "a"), ("2", "ä b")]
    write_answers(path, keys, ["joy", "rage"], {"plain": ["joy", "joy"]})
    found = read_answers(path)
    assert found == {
        "plain": {("1", "a"): ("joy", "joy"), ("2", "ä b"): ("rage", "joy")}
    }
    assert json.loads(path.read_text().splitlines()[0])["label"] == "joy"


@pytest.mark.parametrize("line", ["{", "[]", '{"fold": "1"}', '{"predictions": 3}'])
def test_broken_answers_are_refused(tmp_path, line):
    (tmp_path / "regression.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match="delete it and run stage 6"):
        read_answers(tmp_path / "regression.jsonl")
