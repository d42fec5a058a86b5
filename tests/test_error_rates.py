"""Word and character error rates."""

import random

import pytest
from torchaudio.functional import edit_distance

from espnet_sentiment.scoring.error_rates import Errors, align, error_rate


def test_words_and_characters_are_counted_apart():
    alignment = align("THE CAT SAT", "THE BAT SAT DOWN")
    assert alignment.words == Errors(2, 1, 0, 1)
    assert alignment.characters == Errors(10, 1, 0, 5)
    assert (alignment.words.n_reference, alignment.words.total) == (3, 2)
    assert align("A B C", "A C").words == Errors(2, 0, 1, 0)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "characters"),
    [
        ("", "", Errors(0, 0, 0, 0), Errors(0, 0, 0, 0)),
        ("", "NO ONE", Errors(0, 0, 0, 2), Errors(0, 0, 0, 6)),
        ("NO ONE", "", Errors(0, 0, 2, 0), Errors(0, 0, 6, 0)),
    ],
)
def test_references_and_hypotheses_may_be_empty(
    reference, hypothesis, words, characters
):
    alignment = align(reference, hypothesis)
    assert (alignment.words, alignment.characters) == (words, characters)


def test_errors_are_the_edit_distance_and_hits_the_rest():
    draw = random.Random(0)
    for _ in range(200):
        ref, hyp = (
            " ".join(draw.choices(["A", "AB", "BA", "B'"], k=draw.randrange(8)))
            for _ in range(2)
        )
        alignment = align(ref, hyp)
        assert alignment.words.total == edit_distance(ref.split(), hyp.split())
        assert alignment.characters.total == edit_distance(ref, hyp)
        for errors, r, h in (
            (alignment.words, ref.split(), hyp.split()),
            (alignment.characters, ref, hyp),
        ):
            assert errors.n_reference == len(r)
            assert errors.hits + errors.substitutions + errors.insertions == len(h)


def test_more_spaces_than_one_are_no_error():
    assert align("GO ON", " GO  ON ").characters == Errors(5, 0, 0, 0)


def test_reference_and_hypothesis_stand_one_above_the_other():
    assert align("GO HOME", "GO ON HOME").picture.splitlines() == [
        "REF: GO ** HOME",
        "HYP: GO ON HOME",
        "         I     ",
    ]


def test_the_rate_is_over_all_tokens_not_over_utterances():
    rate = error_rate([Errors(9, 0, 1, 0), Errors(0, 1, 0, 0)])
    assert rate["rate"] == pytest.approx(2 / 11)
    assert (rate["hits"], rate["substitutions"], rate["deletions"]) == (9, 1, 1)


def test_insertions_into_an_empty_reference_count():
    rate = error_rate([Errors(4, 0, 0, 0), Errors(0, 0, 0, 2)])
    assert rate["rate"] == 0.5 and rate["insertions"] == 2


def test_without_reference_tokens_there_is_no_rate():
    rate = error_rate([Errors(0, 0, 0, 3)])
    assert rate["rate"] is None and rate["ci95"] is None and rate["insertions"] == 3


def test_the_interval_repeats_and_narrows_with_more_utterances():
    few = [Errors(8, 1, 1, 0), Errors(5, 0, 0, 2), Errors(9, 0, 1, 0)] * 3
    first, second = error_rate(few), error_rate(few * 10)
    assert first == error_rate(few)
    for rate in (first, second):
        assert rate["ci95"][0] < rate["rate"] < rate["ci95"][1]
    widths = [rate["ci95"][1] - rate["ci95"][0] for rate in (first, second)]
    # By the square root of ten, were the bootstrap exact.
    assert widths[0] / widths[1] == pytest.approx(10**0.5, rel=0.2)
