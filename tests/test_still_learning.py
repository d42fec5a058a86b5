"""Trainings that end too early are noticed, and the remedy is one."""

import pytest

from espnet_sentiment.recipe.still_learning import learning_message, still_learning

OPTIONS = {
    "best_model_criterion": [["valid", "ua", "max"]],
    "max_epoch": 30,
    "max_updates": None,
    "patience": None,
}
LEVEL = [0.5] * 5 + [0.9] * 25
RISING = [0.3 + 0.02 * epoch for epoch in range(30)]


def folds(n, valid=LEVEL, train=LEVEL, **more):
    return {
        str(k): {"valid_ua": valid, "train_acc": train, **more} for k in range(1, n + 1)
    }


def late(n, of=10):
    return {**folds(of), **folds(n, valid=RISING)}


def test_level_curves_say_nothing():
    assert still_learning(folds(10), OPTIONS) is None


@pytest.mark.parametrize(("n", "of"), [(4, 10), (1, 1), (2, 5)])
def test_folds_that_are_best_in_the_last_tenth_are_told_once_for_all(n, of):
    found = still_learning(late(n, of), OPTIONS)
    assert found == {
        "late": n,
        "folds": of,
        "rise": None,
        "option": "--max_epoch 60",
    }
    assert learning_message(found) == (
        f"{n} of {of} folds were best in the last tenth of their epochs: train longer, "
        "add --max_epoch 60 to --sentiment_args"
    )


def test_a_few_folds_are_best_at_the_end_by_chance():
    assert still_learning(late(3), OPTIONS) is None


def test_of_equal_epochs_the_first_is_the_best_one():
    assert still_learning(folds(1, valid=[0.1] * 10 + [0.9] * 20), OPTIONS) is None


def test_a_loss_is_best_where_it_is_least():
    options = {**OPTIONS, "best_model_criterion": [("valid", "loss", "min")]}
    falling = [1 / (epoch + 1) for epoch in range(30)]
    curves = {"1": {"valid_loss": falling, "train_acc": LEVEL}}
    assert still_learning(curves, options)["late"] == 1
    curves["1"]["valid_loss"] = falling[::-1]
    assert still_learning(curves, options) is None


def test_of_a_criterion_without_a_curve_nothing_is_said():
    options = {**OPTIONS, "best_model_criterion": [("valid", "acc", "max")]}
    assert still_learning(folds(3, valid=RISING), options) is None


def test_training_accuracy_that_rises_is_told_in_points():
    found = still_learning(folds(3, train=RISING), OPTIONS)
    assert found["late"] == 0 and found["rise"] == pytest.approx(0.12)
    assert learning_message(found).startswith(
        "training accuracy still rises (12.0 points in the last fifth of the epochs)"
    )


@pytest.mark.parametrize(
    ("options", "updates", "option"),
    [
        ({}, None, "--max_epoch 60"),
        ({"max_epoch": 50, "patience": 3}, None, "--patience 7"),
        ({"min_updates": 270}, 270, "--min_updates 540"),
        ({"max_updates": 270}, 270, "--min_updates 540 --max_updates 540"),
        ({"max_updates": 9000, "max_epoch": 30}, 270, "--min_updates 540"),
        ({"patience_updates": 9}, 270, "--min_updates 540"),
    ],
)
def test_the_remedy_doubles_the_budget_that_ended_the_training(
    options, updates, option
):
    more = {"updates": [9 * (epoch + 1) for epoch in range(30)]} if updates else {}
    curves = folds(2, train=RISING, **more)
    assert still_learning(curves, {**OPTIONS, **options})["option"] == option
