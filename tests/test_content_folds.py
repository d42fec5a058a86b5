"""Folds that keep sentences, scenarios or conversations apart besides speakers."""

import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.content_folds import (
    keep_apart,
    leave_content_out,
    leave_parts_out,
)
from espnet_sentiment.data.folds import Fold, leave_one_group_out, let_train


def test_parts_that_are_left_out_share_neither_group_nor_part_with_what_is_tested():
    utts = [f"{s}-{n}" for s in "abcd" for n in range(9)]
    speaker, part = ({u: u[0] for u in utts}, {u: str(int(u[2:]) % 3) for u in utts})
    folds = leave_parts_out(leave_one_group_out(speaker), part)
    assert [f.name for f in folds] == [str(i + 1) for i in range(12)]
    assert sorted(u for f in folds for u in f.test) == utts
    for fold in folds:
        (tested,), (spoken,) = ({of[u] for u in fold.test} for of in (part, speaker))
        others = {*fold.train, *fold.valid}
        assert {part[u] for u in others} == {"0", "1", "2"} - {tested}
        assert spoken not in {speaker[u] for u in others}
        assert (len(fold.train), len(fold.valid), len(fold.test)) == (12, 6, 3)


def test_a_corpus_of_one_part_cannot_leave_it_out():
    folds = leave_one_group_out({u: u for u in "abc"})
    message = "valid of fold 1 has no sentences but those that are tested, such as that"
    with pytest.raises(DataError, match=message):
        leave_parts_out(folds, {"a": "1", "b": "1", "c": "2"}, what="sentence")


def test_groups_are_dealt_out_in_turn_and_never_split():
    utts = [f"{s}-{n}" for s in "abc" for n in range(1, 11)]
    speaker, group = ({u: u[0] for u in utts}, {u: u[2:] for u in utts})
    folds = leave_content_out(leave_one_group_out(speaker), group, "sentence")
    assert len(folds) == 9
    tested = [{group[u] for u in f.test} for f in folds[:3]]
    assert tested == [{"3", "6", "9"}, {"1", "4", "7", "10"}, {"2", "5", "8"}]
    assert sorted(u for f in folds for u in f.test) == sorted(utts)
    for fold in folds:
        others = {group[u] for u in (*fold.train, *fold.valid)}
        assert not others & {group[u] for u in fold.test} and len(others) in (6, 7)


def test_two_groups_make_two_parts_and_one_is_refused():
    utts = [f"{s}{n}" for s in "abc" for n in "12"]
    folds = leave_one_group_out({u: u[0] for u in utts})
    assert len(leave_content_out(folds, {u: u[1] for u in utts})) == 6
    message = "leaving scenarios out needs at least 2, but all utterances are of scena"
    with pytest.raises(DataError, match=message):
        leave_content_out(folds, dict.fromkeys(utts, "impro01"), "scenario")


def test_what_has_no_majority_does_not_train_where_its_part_is_tested():
    utts = [f"{s}{n}" for s in "abc" for n in "12"]
    extra = ["c1x", "c2x"]
    speaker, part = ({u: u[i] for u in [*utts, *extra]} for i in (0, 1))
    folds = let_train(leave_one_group_out({u: u[0] for u in utts}), speaker)
    assert [f.no_majority for f in folds] == [extra, [], []]
    assert [f.no_majority for f in leave_parts_out(folds, part)[:2]] == [
        ["c2x"],
        ["c1x"],
    ]


def test_keeping_groups_apart_leaves_out_what_shares_one_with_what_is_scored():
    group = {"t1": "1", "t2": "2", "v2": "2", "v3": "3", "x3": "3", "x1": "1"}
    group |= {"x4": "4", "n3": "3", "n4": "4", "x2": "2"}
    fold = Fold("1", ["x1", "x2", "x3", "x4"], ["v2", "v3"], ["t1", "t2"], ["n3", "n4"])
    assert keep_apart(fold, group) == Fold("1", ["x4"], ["v3"], ["t1", "t2"], ["n4"])
    # A group that is taken out of valid is no scored one on its account.
    fold = Fold("1", ["x4"], ["v2"], ["t2"])
    assert keep_apart(fold, group) == Fold("1", ["x4"], [], ["t2"])
