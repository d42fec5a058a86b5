"""Folds by groups, by k parts, and a part of training held out."""

from collections import Counter

import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import write_table
from espnet_sentiment.data.folds import (
    Fold,
    hold_out,
    k_fold,
    leave_one_group_out,
    read_folds,
    write_folds,
)


def corpus(sizes, classes="abc"):
    """Return label and speaker of utterances; sizes per speaker and class."""
    utt2label, utt2spk = {}, {}
    for speaker, counts in sizes.items():
        for label, count in zip(classes, counts, strict=True):
            for i in range(count):
                utt2label[f"{speaker}-{label}{i}"] = label
                utt2spk[f"{speaker}-{label}{i}"] = speaker
    return utt2label, utt2spk


TEN = {f"s{i}": (3 + i % 3, 4, 2 + i % 2) for i in range(10)}


def test_groups_with_numbers_are_tested_in_numerical_order():
    folds = leave_one_group_out({f"u{i}": str(i) for i in range(1, 13)}, what="session")
    assert [f.test for f in folds[:3]] == [["u1"], ["u2"], ["u3"]]
    assert folds[9].test == ["u10"] and folds[8].valid == ["u10"]


def test_messages_say_what_the_groups_are():
    with pytest.raises(DataError, match="leave-one-session-out needs at least 3 sess"):
        leave_one_group_out({"a": "1", "b": "2"}, what="session")


@pytest.mark.parametrize("valid", ["a", "z"])
def test_a_group_that_cannot_validate_is_refused(valid):
    groups = {"u1": "a", "u2": "b", "u3": "c"}
    with pytest.raises(DataError, match=f"{valid!r} cannot validate while speaker 'a'"):
        leave_one_group_out(groups, {"a": valid})


@pytest.mark.parametrize("k", [3, 5, 10])
def test_k_fold_tests_every_utterance_once_and_shares_no_speaker(k):
    utt2label, utt2spk = corpus(TEN)
    folds = k_fold(utt2label, utt2spk, k)
    assert [f.name for f in folds] == [str(i + 1) for i in range(k)]
    assert sorted(u for f in folds for u in f.test) == sorted(utt2label)
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        parts = [{utt2spk[u] for u in p} for p in (fold.train, fold.valid, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 10
        assert fold.valid == following.test


def test_k_fold_balances_the_classes():
    utt2label, utt2spk = corpus(
        {f"s{i}": (8, 0) if i % 2 else (0, 8) for i in range(8)}, "ab"
    )
    for fold in k_fold(utt2label, utt2spk, 4):
        assert Counter(utt2label[u] for u in fold.test) == {"a": 8, "b": 8}


def test_k_fold_over_utterances_deals_out_every_class():
    utt2label, _ = corpus({"s": (9, 6, 3)})
    folds = k_fold(utt2label, None, 3)
    for fold in folds:
        assert Counter(utt2label[u] for u in fold.test) == {"a": 3, "b": 2, "c": 1}
    assert folds == k_fold(dict(reversed(utt2label.items())), None, 3)


@pytest.mark.parametrize(
    ("speakers", "k", "message"),
    [
        (True, 2, "2 folds are too few"),
        (True, 11, "10 speakers are too few for 11 folds: ask for fewer"),
        (False, 500, "utterances are too few for 500 folds: ask for fewer"),
        (False, 80, "class b has 40 utterances and no class more, too few for 80 fold"),
    ],
)
def test_too_many_folds_are_refused(speakers, k, message):
    utt2label, utt2spk = corpus(TEN)
    with pytest.raises(DataError, match=message):
        k_fold(utt2label, utt2spk if speakers else None, k)


def test_two_speakers_are_too_few_for_any_folds():
    utt2label, utt2spk = corpus({"s": (9, 9), "t": (9, 9)}, "ab")
    with pytest.raises(DataError, match="2 speakers are too few for 3 folds: add some"):
        k_fold(utt2label, utt2spk, 3)


@pytest.mark.filterwarnings("error")
def test_a_rare_class_is_dealt_out_without_a_library_warning():
    utt2label, utt2spk = corpus({f"s{i}": (4, int(i < 2)) for i in range(5)}, "ab")
    for speakers in (utt2spk, None):
        folds = k_fold(utt2label, speakers, 5)
        tested = Counter(utt2label[u] for fold in folds for u in fold.test)
        assert tested == {"a": 20, "b": 2}


def test_hold_out_takes_whole_speakers():
    utt2label, utt2spk = corpus(TEN)
    train, valid, what = hold_out(utt2label, utt2spk)
    assert sorted(train + valid) == sorted(utt2label)
    assert not {utt2spk[u] for u in train} & {utt2spk[u] for u in valid}
    assert len({utt2spk[u] for u in valid}) == 2 and what == "whole speakers"


def test_hold_out_leaves_the_speaker_with_most_utterances_in_training():
    utt2label, utt2spk = corpus({"unknown": (200, 100, 50)} | TEN)
    _, valid, _ = hold_out(utt2label, utt2spk)
    assert "unknown" not in {utt2spk[u] for u in valid}


@pytest.mark.parametrize("speakers", [True, False])
def test_hold_out_of_two_or_unknown_speakers_takes_utterances(speakers):
    utt2label, utt2spk = corpus({"s": (10, 10, 5), "t": (10, 5, 5)})
    _, valid, what = hold_out(utt2label, utt2spk if speakers else None)
    assert Counter(utt2label[u] for u in valid) == {"a": 4, "b": 3, "c": 2}
    assert what == "single utterances"


def test_hold_out_of_a_tiny_corpus_takes_a_larger_part():
    utt2label, utt2spk = corpus({"s": (2, 2), "t": (2, 1)}, "ab")
    train, valid, _ = hold_out(utt2label, utt2spk)
    assert len(valid) in (1, 2) and len(train) + len(valid) == 7
    with pytest.raises(DataError, match="1 training utterances are too few to take"):
        hold_out({"u": "a"}, None)


def test_speakers_called_by_any_digits_are_sorted():
    long = "9" * 5000
    names = ["\u00b2", long, "10", "09", "9", "\u0663", "b"]
    folds = leave_one_group_out({f"u-{name}": name for name in names})
    tested = [fold.test[0].removeprefix("u-") for fold in folds]
    assert tested == ["09", "9", "10", long, "b", "\u00b2", "\u0663"]


def test_all_faults_of_folds_are_named_with_their_lines(tmp_path):
    write_folds(tmp_path, [Fold(name, ["a"], ["b"], ["c"]) for name in ("1", "2", "3")])
    write_table(tmp_path / "utt2spk", dict.fromkeys("abc", "s"))
    root = tmp_path / "folds"
    (root / "1" / "train").write_text("a\na\nz\n")
    (root / "1" / "valid").write_text("b c\n")
    (root / "2" / "test").write_text("c\n\na\n")
    (root / "2" / "valid").write_text("\n")
    (root / "3" / "train").unlink()
    (root / "4 x").mkdir()
    with pytest.raises(DataError, match=f"{root}: 7 faults") as error:
        read_folds(tmp_path)
    _, *lines = str(error.value).splitlines()
    expected = [
        f"{root}/1/train:2: 'a' stands there twice, see line 1",
        f"{root}/1/train:3: utterance z is not in utt2spk",
        f"{root}/1/valid:1: 'b c' is no id: write one id a line",
        f"{root}/2/valid is empty",
        f"{root}/2/test:3: utterance a stands in two parts, see {root}/2/train",
        f"{root}/3/train is missing",
        f"{root}: the fold '4 x' is no name of a folder",
    ]
    for line, begin in zip(lines, expected, strict=True):
        assert line.strip().startswith(begin)


def test_folds_in_both_forms_of_unicode_fit_their_set(tmp_path):
    write_folds(tmp_path, [Fold("jose\u0301", ["e\u0301"], ["b"], ["c"])])
    write_table(tmp_path / "utt2spk", dict.fromkeys(["\u00e9", "b", "c"], "s"))
    (tmp_path / "folds" / "jos\u00e9" / "train").write_text("e\u0301\n")
    (fold,) = read_folds(tmp_path)
    assert (fold.name, fold.train) == ("jos\u00e9", ["\u00e9"])
    (tmp_path / "folds" / "jos\u00e9").rename(tmp_path / "folds" / "jose\u0301")
    assert read_folds(tmp_path) == [fold]
    write_folds(tmp_path / "other", [fold])
    (tmp_path / "other" / "folds" / "jos\u00e9").rename(
        tmp_path / "folds" / "jos\u00e9"
    )
    with pytest.raises(DataError, match="two folds are called .*accents"):
        read_folds(tmp_path)


def test_two_folds_of_one_name_are_not_written(tmp_path):
    folds = [Fold(n, ["a"], ["b"], ["c"]) for n in ("jose\u0301", "jos\u00e9")]
    with pytest.raises(DataError, match="2 folds are called 'jos\u00e9'"):
        write_folds(tmp_path, folds)
