"""Attention over words: means, bins, ranks; and the time of a frame."""

import numpy as np
import pytest

from espnet_sentiment.asr.word_attention import (
    Segment,
    bin_edges,
    quantize,
    top_words,
    word_attention,
)
from espnet_sentiment.asr.words import Word
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.report.frames import frame_shift

# Eight frames of 0.1 s, two heads.
ATTENTION = np.array(
    [[0.0, 0.1, 0.3, 0.2, 0.1, 0.1, 0.2, 0.0], [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]]
)
WORDS = [Word(0.1, 0.3, "so"), Word(0.3, 0.6, "good")]


def segment(word, *weights):
    return Segment(0.0, 1.0, word, np.array(weights), 0.0)


def test_word_weight_is_the_mean_of_its_frames_in_units_of_even_attention():
    found = word_attention(ATTENTION, 0.1, WORDS)
    assert [s.word for s in found] == [None, "so", "good", None]
    head = ATTENTION[0]
    means = [head[0], head[1:3].mean(), head[3:6].mean(), head[6:].mean()]
    assert [s.weight(0) for s in found] == pytest.approx([8 * m for m in means])
    assert found[1].weight() == pytest.approx(8 * 0.2 / 2)


def test_no_attention_is_lost_outside_words():
    rng = np.random.default_rng(0)
    for _ in range(20):
        attention = rng.dirichlet(np.ones(30), size=4)
        times = np.sort(rng.uniform(-0.2, 3, size=(6, 2)), axis=0)
        words = [Word(start, start + 0.3, "w") for start, _ in times]
        found = word_attention(attention, 0.08, words)
        assert sum(s.share for s in found) == pytest.approx(1)
        assert found[0].start == 0
        assert found[-1].end == pytest.approx(30 * 0.08)
        ends = [s.end for s in found[:-1]]
        assert ends == pytest.approx([s.start for s in found[1:]])


def test_even_attention_weighs_one_in_utterances_of_any_length():
    for n_frames in (7, 40):
        even = np.full((2, n_frames), 1 / n_frames)
        found = word_attention(even, 0.08, [Word(0.13, 0.31, "a"), Word(0.4, 0.5, "b")])
        assert [s.weight() for s in found] == pytest.approx([1] * len(found))


def test_frame_on_a_boundary_counts_for_both_words_by_its_overlap():
    attention = np.array([[0.5, 0.5, 0.0]])
    found = word_attention(
        attention, 0.1, [Word(0.0, 0.125, "a"), Word(0.125, 0.3, "b")]
    )
    assert [s.share for s in found] == pytest.approx([0.625, 0.375])


def test_word_shorter_than_a_frame_has_a_weight():
    found = word_attention(ATTENTION, 0.1, [Word(0.22, 0.26, "a")])
    assert found[1].word == "a"
    assert found[1].weight(0) == pytest.approx(8 * 0.3)


def test_gap_shorter_than_half_a_frame_goes_to_the_next_word():
    found = word_attention(ATTENTION, 0.1, [Word(0.0, 0.3, "a"), Word(0.34, 0.8, "b")])
    assert [(s.word, s.start) for s in found] == [("a", 0.0), ("b", 0.3)]


def test_words_that_overlap_or_end_late_are_cut():
    found = word_attention(ATTENTION, 0.1, [Word(0.0, 0.5, "a"), Word(0.4, 2.0, "b")])
    assert [(s.word, s.start) for s in found] == [("a", 0.0), ("b", 0.5)]
    assert found[-1].end == pytest.approx(0.8)


def test_utterance_without_words_is_one_segment():
    (only,) = word_attention(ATTENTION, 0.1, [])
    assert (only.word, only.share) == (None, pytest.approx(1))


def test_attention_over_no_frames_is_refused():
    with pytest.raises(DataError, match="run stage 5"):
        word_attention(np.zeros((2, 0)), 0.1, WORDS)


def test_bins_hold_a_third_of_the_words_each():
    weights = np.random.default_rng(1).exponential(size=300)
    utterances = [
        [segment(f"w{i}", w), segment(None, 99)] for i, w in enumerate(weights)
    ]
    edges = bin_edges(utterances)
    assert np.bincount([quantize(w, edges) for w in weights]).tolist() == [100] * 3


def test_edge_belongs_to_the_higher_bin():
    assert [quantize(w, [1.0, 2.0]) for w in (0.9, 1.0, 1.9, 2.0)] == [0, 1, 1, 2]


def test_bins_of_one_head_have_its_own_edges():
    utterances = [[segment(f"w{i}", i, 10 * i) for i in range(4)]]
    assert bin_edges(utterances, head=0) == pytest.approx([1, 2])
    assert bin_edges(utterances, head=1) == pytest.approx([10, 20])


def test_words_are_ranked_by_mean_attention_within_their_class():
    utterances = [
        ("happy", [segment("Great!", 3), segment("the", 1), segment(None, 9)]),
        ("happy", [segment("great", 1), segment("the", 1.5), segment("rare", 9)]),
        ("angry", [segment("the", 4), segment("the", 2)]),
    ]
    found = top_words(utterances, min_count=2)
    ranks = {k: [(m.word, m.weight, m.count) for m in v] for k, v in found.items()}
    assert ranks == {
        "angry": [("THE", 3, 2)],
        "happy": [("GREAT", 2, 2), ("THE", 1.25, 2)],
    }


@pytest.mark.parametrize("lost", [0, 3])
def test_frame_shift_is_found_although_frames_are_rounded_and_lost(lost):
    durations = np.random.default_rng(2).uniform(1, 8, size=200)
    n_frames = [int(d / 0.08) - lost for d in durations]
    assert frame_shift(durations, n_frames) == pytest.approx(0.08, rel=5e-3)


def test_frame_shift_of_few_utterances_is_their_ratio():
    assert frame_shift([1.0, 2.0], [10, 20]) == pytest.approx(0.1)
    with pytest.raises(DataError, match="no utterance"):
        frame_shift([], [])
