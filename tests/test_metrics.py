"""WA, UA, references and tables against scikit-learn and by hand."""

import lazy
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from espnet_sentiment.scoring.human import human_reference, majority_reference
from espnet_sentiment.scoring.intervals import ci95, wilson95
from espnet_sentiment.scoring.metrics import (
    confusion,
    summarize,
    unweighted_accuracy,
    weighted_accuracy,
)
from espnet_sentiment.scoring.results import score
from espnet_sentiment.scoring.speaker_groups import speaker_groups
from espnet_sentiment.scoring.tables import asr_note, corpus_table

CLASSES = ["anger", "neutral", "sad"]


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    labels = rng.choice(CLASSES, size=200, p=[0.7, 0.2, 0.1]).tolist()
    predictions = [x if rng.random() < 0.6 else rng.choice(CLASSES) for x in labels]
    return labels, predictions


def test_wa_counts_utterances_and_ua_counts_classes():
    labels = ["a"] * 9 + ["b"]
    assert weighted_accuracy(labels, ["a"] * 10) == 0.9
    assert unweighted_accuracy(labels, ["a"] * 10) == 0.5


def test_wa_and_ua_equal_scikit_learn(answers):
    summary = summarize(*answers, CLASSES, list(map(str, range(200))))
    assert summary["wa"] == accuracy_score(*answers)
    assert summary["ua"] == balanced_accuracy_score(*answers)
    assert summary["wa"] != summary["ua"]


@pytest.mark.parametrize("seed", range(10))
def test_wa_and_ua_equal_scikit_learn_on_random_answers(seed):
    rng = np.random.default_rng(seed)
    classes = [f"class{n}" for n in range(rng.integers(2, 8))]
    shares = rng.dirichlet(np.ones(len(classes)))
    labels = [*classes, *rng.choice(classes, size=300, p=shares).tolist()]
    predictions = rng.permutation(labels).tolist()
    wa, ua = accuracy_score(labels, predictions), 0.0
    for name in classes:  # recall by its definition, not by the function under test
        ours = [g for x, g in zip(labels, predictions, strict=True) if x == name]
        ua += ours.count(name) / len(ours) / len(classes)
    assert ua == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert weighted_accuracy(labels, predictions) == pytest.approx(wa)
    assert unweighted_accuracy(labels, predictions) == pytest.approx(ua)
    assert abs(wa - ua) > 1e-3


def test_no_score_of_an_experiment_has_wa_and_ua_swapped():
    """Nine of class a and one of b, all taken for a: WA 0.9, UA 0.5 everywhere."""
    rows = [row(str(n), "a", "a") for n in range(9)] + [row("9", "b", "a")]
    votes = {r["utt"]: r["prediction"] for r in rows}
    results = score({"1": rows, "2": rows}, ["a", "b"], votes, {})
    assert results["pooled"]["wa"] == 0.9 and results["pooled"]["ua"] == 0.5
    low, high = results["pooled"]["wa_ci95"]
    assert 0.6 < low < 0.9 < high
    low, high = results["pooled"]["ua_ci95"]
    assert 0.25 < low < 0.5 < high < 0.75
    assert results["ci95_over"] == "folds"
    for name in ("majority", "human", "mean"):
        scores = results[name]
        assert (scores["wa"], scores["ua"]) == pytest.approx((0.9, 0.5))
    assert [(f["wa"], f["ua"]) for f in results["folds"]] == [(0.9, 0.5)] * 2


def test_spreads_over_folds_of_wa_and_ua_are_not_swapped():
    right = [row("1", "a", "a"), row("2", "b", "b")]
    wrong = [row(str(n), "a", "a") for n in range(9)] + [row("9", "b", "a")]
    mean = score({"1": right, "2": wrong}, ["a", "b"], {}, {})["mean"]
    assert mean["wa_std"] == pytest.approx(0.1 / np.sqrt(2))
    assert mean["ua_std"] == pytest.approx(0.5 / np.sqrt(2))


def test_the_trainers_wa_and_ua_are_the_scores(answers):
    wa, ua = lazy.recalls_to_accuracy(torch.tensor(confusion(*answers, CLASSES)))
    assert wa.item() == pytest.approx(weighted_accuracy(*answers))
    assert ua.item() == pytest.approx(unweighted_accuracy(*answers))


def test_classes_that_a_fold_lacks_do_not_lower_its_ua():
    assert unweighted_accuracy(["a", "a", "b"], ["a", "c", "b"]) == 0.75
    matrix = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    assert lazy.recalls_to_accuracy(matrix)[1].item() == 0.75


def test_intervals_hold_the_score_and_shrink_with_the_corpus(answers):
    labels, predictions = answers
    few = ci95(labels, predictions, list(map(str, range(200))))
    many = ci95(labels * 4, predictions * 4, list(map(str, range(800))))
    for key, value in [
        ("wa", weighted_accuracy(*answers)),
        ("ua", unweighted_accuracy(*answers)),
    ]:
        assert few[key][0] < value < few[key][1]
        width = np.ptp(few[key]) / np.ptp(many[key])
        assert 1.8 < width < 2.2  # the square root of 4
    low, high = wilson95(round(200 * weighted_accuracy(*answers)), 200)
    assert few["wa"] == pytest.approx([low, high], abs=0.01)


def test_the_same_answers_are_less_sure_where_speakers_differ(answers):
    labels, predictions = answers
    by_answer = np.argsort([x == y for x, y in zip(*answers, strict=True)])
    speaker = np.empty(200, int)
    speaker[by_answer] = np.arange(200) // 20  # the first are wrong throughout
    apart = ci95(labels, predictions, list(map(str, speaker)))
    mixed = ci95(labels, predictions, [str(n % 10) for n in range(200)])
    assert np.ptp(apart["wa"]) > 2 * np.ptp(mixed["wa"])


@pytest.mark.parametrize("n_speakers", [1, 3, 6, 10])
@pytest.mark.parametrize("wrong", [0, 1])
def test_what_nobody_changes_is_as_sure_as_its_utterances(n_speakers, wrong):
    # Everybody says as much of each class, with as many errors.
    labels = [name for _ in range(n_speakers) for name in "aaabbb"]
    groups = [str(n // 6) for n in range(len(labels))]
    said = ["c" if wrong and n % 3 == 0 else name for n, name in enumerate(labels)]
    found = ci95(labels, said, groups)
    hits = len(labels) * (2 if wrong else 3) // 3
    assert found["wa"] == pytest.approx(wilson95(hits, len(labels)))
    assert found["ua"] == pytest.approx(wilson95(hits, len(labels)))


@pytest.mark.parametrize(
    ("utt2spk", "groups", "kind"),
    [
        ({"1": "x", "2": "x", "3": "y"}, ["x", "x", "y"], "speakers"),
        ({"1": "x", "2": "2", "3": "y"}, ["f", "f", "g"], "folds"),
        ({}, ["f", "f", "g"], "folds"),
        ({"1": "x", "2": "x", "3": "x"}, ["f", "f", "g"], "folds"),
    ],
)
def test_groups_are_speakers_or_else_folds(utt2spk, groups, kind):
    keys = [("f", "1"), ("f", "2"), ("g", "3")]
    assert speaker_groups(keys, utt2spk) == (groups, kind)


def test_one_fold_of_nobody_who_is_known_is_grouped_by_utterance():
    groups, kind = speaker_groups([("f", "1"), ("f", "2")], None)
    assert kind == "utterances" and len(set(groups)) == 2


@pytest.mark.parametrize(("n_speakers", "said"), [(5, 60), (10, 34), (24, 50)])
def test_intervals_hold_what_they_promise_where_speakers_differ(n_speakers, said):
    rng = np.random.default_rng(0)
    effects = rng.normal(2.5, 0.7, 10**5)
    truth, held = (1 / (1 + np.exp(-effects))).mean(), 0
    for _ in range(300):
        share = 1 / (1 + np.exp(-rng.normal(2.5, 0.7, n_speakers)))
        right = rng.random((n_speakers, said)) < share[:, None]
        labels = rng.choice(["a", "b"], right.size)
        groups = np.repeat(np.arange(n_speakers), said).astype(str)
        guess = np.where(right.ravel(), labels, "c")
        low, high = ci95(labels.tolist(), guess.tolist(), groups.tolist())["wa"]
        held += low <= truth <= high
    assert 0.91 < held / 300 < 0.99


def test_majority_reference_is_the_share_of_the_largest_class():
    assert majority_reference(["a", "a", "a", "b"]) == {"wa": 0.75, "ua": 0.5}


def test_human_reference_is_the_annotators_mean_agreement_with_the_label():
    labels = {"1": "a", "2": "a", "3": "b"}
    votes = {"1": "a a b", "2": "a a a", "3": "b a"}
    human = human_reference(labels, votes)
    assert human["wa"] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert human["ua"] == pytest.approx(((2 / 3 + 1) / 2 + 1 / 2) / 2)
    assert human_reference(labels, {}) is None


def test_a_vote_for_several_classes_agrees_with_each_of_them():
    labels = {"1": "anger", "2": "sadness"}
    votes = {"1": "anger+frustration frustration+anger sadness", "2": "sad+anger"}
    human = human_reference(labels, votes)
    assert human["wa"] == pytest.approx((2 / 3 + 0) / 2)
    assert human_reference({"1": "a+b"}, {"1": "a+b"})["wa"] == 1


def row(utt, label, prediction):
    return {"utt": utt, "label": label, "prediction": prediction}


def test_pooled_scores_are_over_utterances_and_mean_scores_over_folds():
    folds = {
        "1": [row("1", "a", "a"), row("2", "a", "a"), row("3", "b", "a")],
        "2": [row("4", "b", "b")],
    }
    results = score(folds, ["a", "b"], {}, {})
    assert results["n_utterances"] == 4 and results["pooled"]["wa"] == 0.75
    assert results["mean"]["wa"] == pytest.approx((2 / 3 + 1) / 2)
    assert results["mean"]["wa_std"] == pytest.approx(np.std([2 / 3, 1], ddof=1))
    assert results["confusion"] == [[2, 0], [1, 1]]
    assert [fold["n_test"] for fold in results["folds"]] == [3, 1]


def test_the_corpus_table_has_one_row_for_all_seeds_of_a_model():
    def results(seed, ua):
        pooled = {"wa": 0.8, "ua": ua, "ua_ci95": [0.7, 0.9]}
        return {
            "encoder": "enc",
            "sentiment": "dec",
            "seed": seed,
            "pooled": pooled,
            "majority": {"wa": 0.6, "ua": 0.5},
            "asr": {"an4_test": {"wer": 0.25, "cer": 0.125}} if seed else None,
        }

    rows = [results(0, 0.7), results(1, 0.8)]
    table = corpus_table(rows)
    assert table.count("dec") == 1
    assert "| chance: the largest class |  |  | 60.00 | 50.00 |  |  |\n" in table
    assert asr_note(rows) == (
        "enc: an RNN-T with WER 25.00 %, CER 12.50 % on an4_test\n"
    )
    assert "| 0, 1 | 80.00 ± 0.00 | 75.00 ± 7.07 | 70.00 - 90.00 |" in table
