"""What recipes for users' own corpora choose by the number of training utterances."""

import pytest
from recipe_fixtures import ROOT

from espnet_sentiment.core.config import read_config
from espnet_sentiment.recipe.by_size import (
    FEW,
    by_size,
    by_size_message,
    training_utterances,
)

PAPER = read_config(ROOT / "conf" / "sentiment" / "rnn_attention.yaml")
DECAY = ["--optim_conf", "weight_decay=0.000778"]
RATE = ["--optim_conf", "lr=0.00208", *DECAY]
DROPOUT = ["--decoder_conf", "dropout=0.263"]
BUDGET = ["--min_updates", "540"]


def test_few_utterances_get_another_rate_dropout_and_enough_updates():
    assert by_size(60, PAPER, []) == [*RATE, *DROPOUT, *BUDGET]
    assert by_size(FEW - 1, PAPER, []) == [*RATE, *DROPOUT, *BUDGET]


def test_as_many_as_the_papers_are_trained_as_there():
    assert by_size(FEW, PAPER, []) == []
    assert "5000 training utterances a fold: the config" in by_size_message(5000, [])


@pytest.mark.parametrize(
    ("config", "extra", "expected"),
    [
        ({"optim_conf": {"lr": 0.01}}, [], [*DECAY, *DROPOUT, *BUDGET]),
        ({"optim_conf": {"weight_decay": 0}}, [], [*RATE[:2], *DROPOUT, *BUDGET]),
        ({"optim": "sgd"}, [], [*DROPOUT, *BUDGET]),
        ({"optim_conf": {"eps": 1e-6}}, [], [*RATE, *DROPOUT, *BUDGET]),
        ({"decoder_conf": {"dropout": 0}}, [], [*RATE, *BUDGET]),
        ({"max_epoch": 9}, [], [*RATE, *DROPOUT]),
        ({}, ["--patience", "3"], [*RATE, *DROPOUT]),
        ({}, ["--max_ep=9"], [*RATE, *DROPOUT]),
        # What is named later wins.
        ({}, ["--optim_conf", "lr=0.1"], [*RATE, *DROPOUT, *BUDGET]),
    ],
)
def test_what_a_user_names_stays_as_it_is(config, extra, expected):
    assert by_size(300, config, extra) == expected


def test_all_folds_have_one_number():
    assert training_utterances([[""] * 3, [""] * 9, [""] * 4]) == 4


@pytest.mark.parametrize("name", ["emobox", "TEMPLATE", "manifest"])
def test_recipes_for_own_corpora_choose_by_size(name):
    assert "\nby_size=true\n" in (ROOT / "egs" / name / "run.sh").read_text()


@pytest.mark.parametrize("name", ["iemocap", "swbd_sentiment"])
def test_recipes_of_the_paper_keep_its_settings(name):
    text = (ROOT / "egs" / name / "run.sh").read_text()
    assert "by_size" not in text and "recipe_args" not in text
