"""The course of a conversation: what is weighted by what, and how sure it is."""

import json
import math

import numpy as np
import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.scoring.course import course
from espnet_sentiment.scoring.intervals import wilson95
from espnet_sentiment.scoring.turning_points import find_changes, find_trends

CLASSES = ["anger", "neutral"]


def turn(start, end, anger, speaker=None, **more):
    posteriors = {"anger": anger, "neutral": 1 - anger}
    return {"start": start, "end": end, "posteriors": posteriors, **more} | (
        {} if speaker is None else {"speaker": speaker}
    )


def call(anger, seconds=4.0):
    """Return turns one after the other, of one speaker."""
    return [turn(n * seconds, (n + 1) * seconds, p, "Ada") for n, p in enumerate(anger)]


def test_share_is_weighted_by_seconds_and_expected_by_posteriors():
    found = course([turn(0, 9, 0.2, "Ada"), turn(9, 10, 0.8, "Ada")], CLASSES, 10)
    share, low, high = found["all"]["shares"]["anger"]
    assert share == pytest.approx(0.26)
    # 10^2 / (9^2 + 1^2) turns.
    assert [low, high] == pytest.approx(wilson95(0.26 * 100 / 82, 100 / 82), abs=1e-4)
    assert found["all"]["seconds"] == 10


def test_times_near_a_turn_are_as_it_is():
    found = course([turn(0, 45, 1.0), turn(55, 100, 0.0)], CLASSES, 100, width=5)
    at = dict(zip(found["times"], found["all"]["mean"]["anger"], strict=True))
    assert at[0] == at[20] == 1 and at[80] == at[100] == 0
    assert at[50] == pytest.approx(0.5, abs=1e-3)
    effective = dict(zip(found["times"], found["all"]["effective"], strict=True))
    assert effective[20] == pytest.approx(1, abs=0.01)
    assert effective[50] == pytest.approx(2, abs=0.01)


def test_nothing_is_said_where_nobody_speaks():
    found = course([turn(0, 10, 1.0)], CLASSES, 100, width=5)
    curve = found["all"]["mean"]["anger"]
    assert curve[0] == 1 and curve[-1] is None
    assert found["all"]["low"]["anger"][-1] is None
    assert found["all"]["last"]["anger"] is None
    assert found["all"]["difference"]["anger"] is None
    json.dumps(found, allow_nan=False)


def test_more_turns_and_surer_ones_have_a_narrower_band():
    def width_of(turns):
        part = course(turns, CLASSES, 40, width=10)["all"]
        middle = len(part["low"]["anger"]) // 2
        return part["high"]["anger"][middle] - part["low"]["anger"][middle]

    many, few = call([0.99] * 20, 2.0), call([0.99] * 5, 8.0)
    assert width_of(many) < width_of(few)
    assert width_of(few) < width_of(call([0.6] * 5, 8.0))


def test_thirds_take_the_part_of_a_turn_that_is_in_them():
    found = course([turn(0, 20, 1.0), turn(20, 30, 0.0)], CLASSES, 30)["all"]
    assert found["first"]["anger"][0] == 1 and found["last"]["anger"][0] == 0
    difference, low, high = found["difference"]["anger"]
    assert difference == low == -1 < high < 1


def test_interval_of_the_difference_is_newcombes():
    # His example (a): 56 of 70 and 48 of 80; 0.2, from 0.0524 to 0.3339.
    first = [turn(n, n + 1, float(n < 48)) for n in range(80)]
    starts = np.linspace(160, 240, 71).tolist()
    last = [
        turn(start, end, float(n < 56))
        for n, (start, end) in enumerate(zip(starts, starts[1:], strict=False))
    ]
    found = course([*first, *last], CLASSES, 240)["all"]
    assert found["difference"]["anger"] == [0.2, 0.0524, 0.3339]


def test_people_are_speakers_or_else_channels():
    turns = [
        turn(0, 1, 0.5, "Ada", channel="0"),
        turn(1, 2, 0.5, "Ada", channel="1"),
        turn(2, 3, 0.5, channel="1"),
        turn(3, 4, 0.5),
    ]
    people = course(turns, CLASSES, 4)["people"]
    names = [(p["speaker"], p["channel"], p["turns"]) for p in people]
    assert names == [("Ada", None, 2), (None, "1", 1), (None, None, 1)]


def test_change_is_found_where_it_is_and_named():
    found = course(call([0.1] * 12 + [0.9] * 8), CLASSES, 80)["people"][0]
    [point] = found["turning_points"]
    assert point["time"] == 48 and point["after"] == 48
    assert point["before"]["anger"] == pytest.approx(0.1)
    assert point["since"]["anger"] == pytest.approx(0.9)
    assert found["trends"]["anger"]["direction"] == "up"
    assert found["trends"]["neutral"]["direction"] == "down"


def test_two_changes_are_both_found():
    posteriors = np.array([[p, 1 - p] for p in [0.1] * 15 + [0.9] * 15 + [0.2] * 15])
    changes = find_changes(posteriors, np.zeros(45, int))
    assert [(c.turn, c.first, c.last) for c in changes] == [(15, 0, 30), (30, 15, 45)]


def test_unchanged_turns_have_turning_points_as_seldom_as_the_level_says():
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        anger = rng.beta(0.3, 0.6, 24)
        posteriors = np.stack([anger, 1 - anger], axis=1)
        alarms += bool(find_changes(posteriors, np.zeros(24, int)))
    # 5 % of 200 is 10; more than 20 has a chance below 0.001.
    assert alarms <= 20


def test_who_speaks_when_is_no_change():
    # Ada is calm and Bob is angry, all the time; Bob speaks more in the end.
    rng = np.random.default_rng(0)
    speakers = (rng.random(60) < np.linspace(0, 1, 60)).astype(int)
    anger = np.where(speakers, 0.9, 0.1) + rng.uniform(-0.05, 0.05, 60)
    posteriors = np.stack([anger, 1 - anger], axis=1)
    assert find_changes(posteriors, np.zeros(60, int))
    assert not find_changes(posteriors, speakers)


def test_few_turns_have_neither_changes_nor_trends():
    found = course(call([0.0, 0.0, 1.0, 1.0, 1.0]), CLASSES, 20)["all"]
    assert found["turning_points"] == []
    assert {trend["direction"] for trend in found["trends"].values()} == {"none"}
    empty = course([], CLASSES, 20)["all"]
    assert empty["shares"]["anger"] is None and empty["turns"] == 0


def test_classes_have_an_order_only_where_it_is_given():
    turns = [
        {
            "start": n,
            "end": n + 1,
            "speaker": "Ada",
            "posteriors": {"bad": 1 - n / 30, "fair": 0.0, "good": n / 30},
        }
        for n in range(30)
    ]
    classes = ["fair", "bad", "good"]
    assert course(turns, classes, 30)["all"]["order_trend"] is None
    ordered = course(turns, classes, 30, order=["bad", "fair", "good"])
    assert ordered["all"]["order_trend"]["direction"] == "up"
    with pytest.raises(DataError, match="name each once, the lowest first"):
        course(turns, classes, 30, order=["bad", "good"])


def test_trends_of_classes_are_tested_together():
    values = np.random.default_rng(0).dirichlet([1, 1, 1], 40)
    found = find_trends(values, np.zeros(40, int), np.arange(40.0), np.eye(3))
    alone = find_trends(values, np.zeros(40, int), np.arange(40.0), np.eye(3)[:, :1])
    assert found[0].p >= alone[0].p


@pytest.mark.parametrize(
    "turns, more, message",
    [
        ([{"start": 3, "end": 4}], {}, "from 3 to 4 s has no posteriors of anger"),
        ([turn(4, 4, 0.5)], {}, "from 4 to 4 s has no duration"),
        ([], {"width": 0}, "width 0: give a finite number"),
        ([], {"duration": math.inf}, "duration inf: give"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(turns, more, message):
    with pytest.raises(DataError, match=message):
        course(turns, CLASSES, **{"duration": 10, **more})
