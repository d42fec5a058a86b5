"""Turns of calls of real speech: answered as predict does, cut, joined, by speaker."""

import dataclasses
import re

import numpy as np
import pytest
import soundfile
import yaml
from demo_fixture import loaded_model, trained_experiment  # noqa: F401
from stage_world import World
from test_speaker_mvn import BY_SPEAKER

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.speaker_statistics import (
    BY_ALL,
    SPEAKER_NORMALISED,
    SpeakerStatistics,
)
from espnet_sentiment.inference.call_turns import VOICE_ACTIVITY
from espnet_sentiment.inference.short_turns import join_short
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.inference.waveform import Excerpt
from espnet_sentiment.turns.turn import Turn, TurnWord

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]
RATE = 16000


@dataclasses.dataclass
class Made:
    """A call, and its true turns."""

    path: object
    turns: list[Turn]
    duration: float


def make_call(path, wavs, channels=1, pause=0.7, rate=RATE, **options):
    """Write utterances one after the other, by two speakers in turn."""
    gap, at, turns, rows = int(pause * RATE), 0, [], []
    for number, wav in enumerate(wavs):
        samples = soundfile.read(wav)[0]
        side = number % 2
        channel = str(side) if channels > 1 else None
        turns.append(Turn(at / RATE, (at + len(samples)) / RATE, "ab"[side], channel))
        row = np.zeros((len(samples) + gap, channels))
        row[: len(samples), side if channels > 1 else 0] = samples
        rows.append(row)
        at += len(row)
    rng = np.random.default_rng(0)
    whole = np.concatenate(rows)
    whole += 1e-4 * rng.standard_normal(whole.shape)  # no line is silent
    soundfile.write(path, whole[:: RATE // rate], rate, **options)
    return Made(path, turns, at / RATE)


@pytest.fixture(name="call")
def mono_call(tmp_path, an4_wavs):
    return make_call(tmp_path / "call.wav", an4_wavs[:6])


@pytest.fixture(name="stereo")
def call_of_two_channels(tmp_path, an4_wavs):
    return make_call(tmp_path / "stereo.wav", an4_wavs[:6], channels=2)


def posteriors(answers):
    return [list(answer.posteriors.values()) for answer in answers]


def check(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_turns_have_the_posteriors_of_predict(model, call, stereo):
    for made in (call, stereo):
        found = model.conversation(made.path, made.turns)
        expected = model.predict(
            [Excerpt(made.path, t.start, t.end, t.channel) for t in made.turns]
        )
        check(posteriors(found.turns), posteriors(expected))
        assert [t.speaker for t in found.turns] == list("ababab")
        assert [t.channel for t in found.turns] == [t.channel for t in made.turns]
        assert found.duration == pytest.approx(made.duration)
        assert (found.turns_from, found.notes) == ("a list of turns", [])
        assert not any(turn.notes or turn.overlap for turn in found.turns)


def test_arrays_and_bytes_are_calls_too(model, stereo):
    expected = posteriors(model.conversation(stereo.path, stereo.turns).turns)
    samples, rate = soundfile.read(stereo.path, dtype="float32")
    for speech in ((samples, rate), stereo.path.read_bytes(), stereo.path.open("rb")):
        found = model.conversation(speech, stereo.turns)
        check(posteriors(found.turns), expected)
        assert found.channels == 2


def test_every_channel_is_a_speaker(model, stereo):
    found = model.conversation(stereo.path, channel="each")
    assert {t.speaker for t in found.turns} == {"channel 0", "channel 1"}
    assert found.turns_from == VOICE_ACTIVITY
    assert "no turns were given" in found.notes[0]
    starts = [turn.start for turn in found.turns]
    assert starts == sorted(starts)
    for turn in found.turns:
        # It lies in true turns of its channel, but for the detector's pads.
        heard = sum(
            max(0, min(turn.end, true.end) - max(turn.start, true.start))
            for true in stereo.turns
            if true.channel == turn.channel
        )
        assert heard > 0.6 * (turn.end - turn.start)
    # Given turns keep their speakers, and those without one have their channel's.
    turns = [dataclasses.replace(turn, speaker=None) for turn in stereo.turns]
    turns[0] = stereo.turns[0]
    found = model.conversation(stereo.path, turns, channel="each")
    assert [t.speaker for t in found.turns][:3] == ["a", "channel 1", "channel 0"]
    check(
        posteriors(found.turns),
        posteriors(model.conversation(stereo.path, stereo.turns).turns),
    )


def test_a_silent_channel_is_told_and_a_silent_call_refused(model, tmp_path, stereo):
    samples, rate = soundfile.read(stereo.path)
    samples[:, 1] = 0
    soundfile.write(tmp_path / "half.wav", samples, rate)
    found = model.conversation(tmp_path / "half.wav", channel="each")
    assert {turn.speaker for turn in found.turns} == {"channel 0"}
    assert "no speech is found on channel 1" in found.notes
    soundfile.write(tmp_path / "silent.wav", 0 * samples, rate)
    with pytest.raises(DataError, match=r"no speech is found in its \d+ s"):
        model.conversation(tmp_path / "silent.wav", channel="each")


def test_voice_activity_without_speakers(model, call):
    found = model.conversation(call.path)
    assert {turn.speaker for turn in found.turns} == {None}
    assert "who speaks is open" in found.notes[0]
    expected = model.predict([Excerpt(call.path, t.start, t.end) for t in found.turns])
    check(posteriors(found.turns), posteriors(expected))


def test_several_channels_need_a_choice(model, stereo):
    plain = [dataclasses.replace(turn, channel=None) for turn in stereo.turns]
    with pytest.raises(DataError, match="--channel each"):
        model.conversation(stereo.path)
    # Which would not help turns without a channel.
    with pytest.raises(DataError, match="--channel 0 or --channel 1") as refused:
        model.conversation(stereo.path, plain)
    assert "each" not in str(refused.value)
    with pytest.raises(DataError, match="names no channel"):
        model.conversation(stereo.path, plain, channel="each")
    found = model.conversation(stereo.path, plain, channel="mix")
    expected = model.predict(
        [Excerpt(stereo.path, t.start, t.end, "mix") for t in plain]
    )
    check(posteriors(found.turns), posteriors(expected))
    with pytest.raises(UserError, match="choose one of"):
        model.conversation(stereo.path, plain, channel="left")
    third = dataclasses.replace(plain[0], channel="2", place="t.rttm:7")
    with pytest.raises(DataError, match=r"t\.rttm:7: .* is on channel 2, but .* 0, 1"):
        model.conversation(stereo.path, [third])


def test_a_channel_that_turns_do_not_name_is_not_heard_and_that_is_said(model, stereo):
    found = model.conversation(stereo.path, stereo.turns, channel="1")
    assert {turn.channel for turn in found.turns} == {"0", "1"}
    assert any("name a channel (0) are heard on it" in note for note in found.notes)
    seconds = [turn for turn in stereo.turns if turn.channel == "1"]
    assert model.conversation(stereo.path, seconds, channel="1").notes == []


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        (Turn(0.0, 1.0), "is no list: give a list of Turn"),
        ([(0.0, 1.0)], "give a file, a list of Turn or an Annotation"),
        (5, "5 is no turn"),
        ([Turn("0", "1")], "start is '0': give seconds"),
        ([Turn(0.0, None)], "end is None: give seconds"),
        ([Turn(0.0, 1.0, 7)], "speaker is 7: give a string"),
        ([Turn(0.0, 1.0, channel=0.0)], "channel is 0.0: give a string"),
    ],
)
def test_what_is_no_list_of_turns_is_refused(model, call, turns, said):
    with pytest.raises(UserError, match=re.escape(said)):
        model.conversation(call.path, turns)


def test_channels_may_be_numbers(model, stereo):
    turns = [dataclasses.replace(t, channel=int(t.channel)) for t in stereo.turns]
    found = model.conversation(stereo.path, turns)
    assert [t.channel for t in found.turns] == [t.channel for t in stereo.turns]


def test_a_third_channel_is_heard(model, an4_wavs, tmp_path):
    samples, rate = soundfile.read(an4_wavs[0])
    rows = np.zeros((len(samples), 3))
    rows[:, 2] = samples
    soundfile.write(tmp_path / "three.wav", rows, rate)
    found = model.conversation(tmp_path / "three.wav", [Turn(0, 1, "c", "2")])
    expected = model.predict([Excerpt(an4_wavs[0], 0, 1)])
    check(posteriors(found.turns), posteriors(expected))


def test_long_turns_are_cut(experiment, call):
    model = Speech2Sentiment.from_pretrained(experiment, max_seconds=2)
    whole = Turn(0, call.duration, "a")
    found = model.conversation(call.path, [whole]).turns[0]
    assert found.notes[0].startswith("cut into ")
    expected = next(model.predict([Excerpt(call.path, 0, call.duration)]))
    check(*posteriors([found, expected]))


def test_a_turn_without_an_answer_is_told(model, call):
    tiny = Turn(0.5, 0.501, "c", place="t.csv:9")
    found = model.conversation(call.path, [*call.turns, tiny])
    assert len(found.turns) == 6
    assert "a turn has no answer" in found.notes[0]
    assert "too short for the encoder" in found.notes[0]
    with pytest.raises(DataError, match="none of its 1 turns can be answered"):
        model.conversation(call.path, [tiny])


def test_turns_beyond_the_end(model, call):
    last = dataclasses.replace(call.turns[-1], end=call.duration + 0.4)
    found = model.conversation(call.path, [last])
    assert found.turns[0].end == pytest.approx(call.duration)
    assert "is cut where the recording ends" in found.notes[0]
    beyond = Turn(99, 101, "a", place="t.rttm:3")
    with pytest.raises(DataError, match=r"t\.rttm:3: from 99 to 101 s lies beyond"):
        model.conversation(call.path, [*call.turns, beyond])
    for times in ((1, 1), (-1, 1), (float("nan"), 1), (0, float("inf"))):
        with pytest.raises(DataError, match="no stretch of time"):
            model.conversation(call.path, [Turn(*times)])
    with pytest.raises(DataError, match="has no turn of"):
        model.conversation(call.path, [])


def test_texts_stay_and_words_have_the_levels_of_the_conversation(model, call):
    turns = [dataclasses.replace(call.turns[0], text="as written"), *call.turns[1:]]
    found = model.conversation(call.path, turns, transcript=True)
    assert found.turns[0].text == "as written"
    answers = list(
        model.predict(
            [Excerpt(call.path, t.start, t.end) for t in turns], transcript=True
        )
    )
    assert [t.text for t in found.turns[1:]] == [a.text for a in answers[1:]]
    words = [word for turn in found.turns for word in turn.words]
    assert len(words) >= 6
    for turn, answer in zip(found.turns, answers, strict=True):
        for one, other in zip(turn.words, answer.words, strict=True):
            assert one.start == pytest.approx(turn.start + other.start)
            assert one.weight == pytest.approx(other.weight, abs=1e-5)
    ranked = [word.level for word in sorted(words, key=lambda word: word.weight)]
    assert ranked == sorted(ranked)
    assert max(ranked.count(n) for n in (1, 2, 3)) <= len(words) / 3 + 1
    assert found.as_dict()["turns"][0]["words"][0]["text"] == words[0].text


def test_mu_law_of_a_telephone(model, tmp_path, an4_wavs):
    made = make_call(tmp_path / "tel.wav", an4_wavs[:4], 2, rate=8000, subtype="ULAW")
    found = model.conversation(made.path, made.turns)
    expected = model.predict(
        [Excerpt(made.path, t.start, t.end, t.channel) for t in made.turns]
    )
    check(posteriors(found.turns), posteriors(expected))
    assert model.conversation(made.path, channel="each").turns


def spans(found):
    return [(one.turn.speaker, one.turn.start, one.turn.end) for one in found]


def test_short_turns_join_the_nearer_neighbour():
    turns = [
        Turn(0, 2, "a", text="one"),
        Turn(2.4, 2.6, "a", text="two", words=(TurnWord("two", 2.4, 2.6),)),
        Turn(2.7, 4, "a", text="three"),
        Turn(6, 6.2, "a"),
        Turn(9, 9.3, None),
        Turn(9.4, 12, None),
    ]
    found = join_short(turns, 0.5, 0.5)
    assert spans(found) == [
        *(("a", 0, 2), ("a", 2.4, 4), ("a", 6, 6.2)),
        *((None, 9, 9.3), (None, 9.4, 12)),
    ]
    assert found[1].turn.text == "two three" and len(found[1].turn.words) == 1
    assert found[1].notes == ("joined of 2 turns, for those of less than 0.5 s",)
    assert [one.notes for one in found[2:4]] == [
        ("short: 0.20 s",),
        ("short: 0.30 s",),
    ]
    # Short ones join each other, until they are long, or too long.
    steps = [Turn(n, n + 0.3, "a") for n in np.arange(0, 5, 0.4).round(1).tolist()]
    assert all(end - start >= 1 for _, start, end in spans(join_short(steps, 1)))
    assert max(e - s for _, s, e in spans(join_short(steps, 5, 1, 2.0))) <= 2.0
    assert len(join_short(steps, 0)) == len(steps)


def test_nothing_is_joined_across_another_speaker():
    turns = [Turn(0, 2, "a"), Turn(2.1, 2.4, "b"), Turn(2.4, 2.6, "a")]
    assert len(join_short(turns)) == 3
    # On another channel he is not heard.
    apart = [dataclasses.replace(t, channel=str("ab".index(t.speaker))) for t in turns]
    assert len(join_short(apart)) == 2


def test_overlaps_are_those_of_other_speakers():
    turns = [
        Turn(0, 10, "a"),
        Turn(1, 3, "b"),
        Turn(2, 4, "c"),
        Turn(8, 12, "a"),
        Turn(9, 9.5, None),
    ]
    found = {one.turn: one.overlap for one in join_short(turns)}
    assert [found[turn] for turn in turns] == [3.5, 2, 2, 0.5, 0.5]


@pytest.fixture(scope="module", name="by_speaker")
def model_by_speaker(tmp_path_factory, an4_wavs):
    """Return a model that is normalised by speaker."""
    world = World(tmp_path_factory.mktemp("world"), an4_wavs[:10])
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, config | BY_SPEAKER)
    world.run()
    fold = next((world.root / "exp").glob("*/fold1"))
    return Speech2Sentiment.from_pretrained(fold)


def test_speakers_of_turns_are_those_of_predict(by_speaker, call, stereo):
    excerpts = [Excerpt(call.path, t.start, t.end) for t in call.turns]
    found = by_speaker.conversation(call.path, call.turns)
    expected = list(by_speaker.predict(excerpts, speakers=list("ababab")))
    check(posteriors(found.turns), posteriors(expected))
    said = f"{SPEAKER_NORMALISED}: a, "
    assert found.turns[0].normalisation.startswith(said)
    # Nobody who is known.
    plain = [dataclasses.replace(turn, speaker=None) for turn in call.turns]
    found = by_speaker.conversation(call.path, plain)
    check(posteriors(found.turns), posteriors(by_speaker.predict(excerpts)))
    assert {turn.normalisation for turn in found.turns} == {BY_ALL}
    found = by_speaker.conversation(stereo.path, channel="each")
    assert "channel 1" in {
        turn.normalisation.split(": ")[1][:9] for turn in found.turns
    }


def test_a_caller_who_returns(by_speaker, model, call, stereo):
    excerpts = [Excerpt(call.path, t.start, t.end) for t in call.turns]
    first, second = SpeakerStatistics(), SpeakerStatistics()
    by_speaker.conversation(call.path, call.turns, speaker_statistics=first)
    found = by_speaker.conversation(call.path, call.turns, speaker_statistics=first)
    for _ in range(2):
        expected = list(
            by_speaker.predict(
                excerpts, speakers=list("ababab"), speaker_statistics=second
            )
        )
    check(posteriors(found.turns), posteriors(expected))
    # A channel of a call is nobody who returns.
    by_speaker.conversation(stereo.path, channel="each", speaker_statistics=first)
    assert list(first) == [
        *("a", "b"),
        *(f"{stereo.path} (channel {n})" for n in (0, 1)),
    ]
    with pytest.raises(UserError, match="not normalised by speaker"):
        model.conversation(call.path, call.turns, speaker_statistics=first)
