"""Whether knowing the speaker tells the class."""

import pytest

from espnet_sentiment.data.speaker_classes import speaker_classes


def measure(rows):
    """Measure pairs of speaker and class."""
    utts = [f"u{i}" for i in range(len(rows))]
    speakers, labels = (
        dict(zip(utts, x, strict=True)) for x in zip(*rows, strict=True)
    )
    return speaker_classes(utts, speakers, labels)


def test_speakers_of_one_class_each_tell_all():
    rows = [(f"s{i}", "ab"[i % 2]) for i in range(6) for _ in range(4)]
    assert measure(rows).told == pytest.approx(1)


def test_speakers_that_show_all_classes_alike_tell_nothing():
    rows = [(f"s{i}", label) for i in range(6) for label in "abc" * 3]
    assert measure(rows).told == 0


def test_speakers_of_one_utterance_tell_nothing():
    rows = [(f"s{i}", "aab"[i % 3]) for i in range(30)]
    assert measure(rows).told == pytest.approx(0)


def test_one_class_alone_leaves_nothing_to_tell():
    assert measure([("s", "a"), ("t", "a")]).told == 0
