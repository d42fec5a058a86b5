"""A sample of the tested utterances."""

from espnet_sentiment.scoring.sample import draw_sample, sample_text

KEYS = [(f"fold{i % 2}", f"u{i:02d}") for i in range(40)]
SPEAKERS = {utt: f"s{i % 4}" for i, (_, utt) in enumerate(KEYS)}


def test_each_speaker_gives_as_many_and_a_larger_sample_holds_a_smaller_one():
    before = set()
    for n in (1, 3, 9):
        drawn = draw_sample(KEYS, SPEAKERS, n)
        spoken = [SPEAKERS[utt] for utt in drawn]
        assert {who: spoken.count(who) for who in spoken} == dict.fromkeys(spoken, n)
        assert len(set(spoken)) == 4 and before < drawn
        before = drawn
    assert draw_sample(KEYS, SPEAKERS, 11) == draw_sample(KEYS, SPEAKERS, None)
    assert draw_sample(KEYS[::-1], SPEAKERS, 9) == before


def test_it_is_drawn_of_folds_where_nobody_is_known():
    drawn = draw_sample(KEYS, {utt: utt for _, utt in KEYS}, 2)
    assert sorted(int(utt[1:]) % 2 for utt in drawn) == [0, 0, 1, 1]


def test_it_is_drawn_of_all_where_one_speaker_is_tested():
    one = [("fold1", utt) for _, utt in KEYS]
    drawn = draw_sample(one, dict.fromkeys(SPEAKERS, "s0"), 5)
    assert len(drawn) == 5
    found = {"n_utterances": 5, "n_tested": 40, "groups": "utterances"}
    text = "5 of 40 tested utterances, drawn by chance"
    assert sample_text({**found, "per_speaker": 5}) == text


def test_an_utterance_that_two_folds_test_counts_once():
    twice = [*KEYS, ("fold2", "u00")]
    assert draw_sample(twice, SPEAKERS, 3) == draw_sample(KEYS, SPEAKERS, 3)


def test_what_was_drawn_is_told():
    found = {"n_utterances": 900, "n_tested": 4481, "groups": "speakers"}
    assert sample_text(found) == "900 tested utterances"
    assert sample_text({**found, "per_speaker": 100}) == (
        "900 of 4,481 tested utterances, drawn by chance, at most 100 of each of the "
        "speakers"
    )
