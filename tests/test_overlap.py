"""What folds share between their parts, and files of the same content."""

import dataclasses
import shutil

import pytest
import soundfile

from espnet_sentiment.data import same_content as content
from espnet_sentiment.data.folds import Fold, leave_one_speaker_out
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.overlap import EXAMPLES, overlap
from espnet_sentiment.data.overlap_text import cell, lines
from espnet_sentiment.data.same_content import same_content


@pytest.fixture
def utterances(an4_wavs):
    """Return the first eight of AN4, two of each of four speakers."""
    return [
        Utterance(f"s{i // 2}-{i}", str(wav), f"s{i // 2}", "joy", text=f"Say {i % 2}")
        for i, wav in enumerate(an4_wavs[:8])
    ]


def fold(train, valid, test, name="1"):
    """Return a fold of utterances."""
    return Fold(name, *([u.utt for u in part] for part in (train, valid, test)))


def counted(utterances, folds, kind):
    return overlap(utterances, folds)["all"]["test"][kind]


def test_tested_speakers_that_train_and_validate_are_counted_once(utterances):
    a, b = fold(utterances[2:], [], utterances[:2]), utterances
    assert counted(b, [a], "speakers")["train"] == 0
    mixed = fold([b[0], b[2], b[4]], [b[6]], [b[1], b[3], b[7]])
    assert counted(b, [mixed], "speakers") == {
        "n": 3,
        "train": 2,
        "valid": 1,
        "utterances": 2,
        "n_utterances": 3,
    }
    twice = [mixed, dataclasses.replace(mixed, name="2")]
    found = overlap(b, twice)
    assert found["all"]["test"]["speakers"] == {
        "n": 3,
        "train": 2,
        "valid": 1,
        "utterances": 4,
        "n_utterances": 6,
    }
    assert list(found["folds"]) == ["1", "2"]
    assert found["folds"]["2"]["test"]["speakers"]["utterances"] == 2


def test_leaving_one_speaker_out_shares_texts_alone_and_does_not_warn(utterances):
    folds = leave_one_speaker_out({u.utt: u.speaker for u in utterances})
    found = overlap(utterances, folds)
    assert list(lines(found)) == [
        "tested that also train: speakers 0 of 4, recordings 0 of 8, texts 2 of 2"
    ]
    assert cell(found) == "0 of 4"


def test_validating_speakers_that_train_are_said_without_a_warning(utterances):
    given = fold(utterances[2:], utterances[1:2], utterances[:1])
    assert list(lines(overlap(utterances, [given]))) == [
        "tested that also train: speakers 0 of 1, recordings 0 of 1, texts 1 of 1",
        "tested that also validate: speakers 1 of 1",
    ]
    given = fold(utterances[3:], utterances[2:3], utterances[:2])
    assert "validating that also train: speakers 1 of 1" in lines(
        overlap(utterances, [given])
    )


def test_a_recording_under_two_names_is_found_and_both_are_named(utterances, tmp_path):
    copy = shutil.copy(utterances[0].wav, tmp_path / "other.wav")
    utterances.append(Utterance("s9-again", str(copy), "s9", "joy"))
    given = fold(utterances[:6], utterances[6:8], utterances[8:])
    found = overlap(utterances, [given])
    assert found["all"]["test"]["recordings"]["train"] == 1
    assert found["same_recordings"] == [["s9-again", "s0-0"]]
    said = list(lines(found))
    assert (
        "WARNING: 1 of 1 tested recordings also train (100.0 % of the tested "
        "utterances): the model has learned them"
    ) in said
    assert said[-1] == "the same sound, held out and training: s9-again = s0-0"
    assert cell(found) == "0 of 1; recordings 1 of 1"
    # One sample is another: it is another recording.
    samples, rate = soundfile.read(utterances[0].wav, dtype="int16")
    for name, first in (("a", samples[0]), ("b", samples[0] + 1)):
        samples[0] = first
        soundfile.write(tmp_path / f"{name}.wav", samples, rate)
    pair = [Utterance(x, str(tmp_path / f"{x}.wav"), x) for x in "ab"]
    assert counted(pair, [fold(pair[:1], [], pair[1:])], "recordings")["train"] == 0


def test_a_stretch_half_of_which_trains_is_the_same_recording(an4_wavs):
    def cut(name, start, end, channel=None):
        return Utterance(
            name, str(an4_wavs[0]), name[0], start=start, end=end, channel=channel
        )

    train = [cut("a1", 0.0, 1.0), cut("a2", 1.0, 1.5), cut("a3", 3.0, 3.5)]
    for start, end, same in [
        (0.0, 1.0, True),
        (1.2, 1.8, True),
        (1.3, 1.8, False),
        (1.5, 3.0, False),
        (2.9, 3.6, True),
        (0.5, 1.5, True),
        (9.0, 9.5, False),
    ]:
        test = cut("b1", start, end)
        found = overlap([*train, test], [fold(train, [], [test])])
        assert found["all"]["test"]["recordings"]["train"] == same, (start, end)
        # All of one recording are of one conversation.
        assert found["all"]["test"]["conversations"]["train"] == 1
    # Named is the one that shares most.
    test = cut("b1", 0.9, 1.5)
    found = overlap([*train, test], [fold(train, [], [test])])
    assert found["same_recordings"] == [["b1", "a2"]]
    # The other side of a call is another recording of the same conversation.
    sides = [cut("a1", 0.0, 1.0, "A"), cut("b1", 0.0, 1.0, "B")]
    found = overlap(sides, [fold(sides[:1], [], sides[1:])])["all"]["test"]
    assert found["recordings"]["train"] == 0 and found["conversations"]["train"] == 1


def test_a_conversation_that_the_corpus_names_is_counted(utterances):
    named = [dataclasses.replace(u, conversation=u.utt[-1]) for u in utterances]
    named[7] = dataclasses.replace(named[7], conversation="0")
    given = fold(named[:4], named[4:6], named[6:])
    found = overlap(named, [given])
    assert found["all"]["test"]["conversations"]["train"] == 1
    assert any("1 of 2 tested conversations also train" in x for x in lines(found))
    assert counted(utterances, [given], "conversations") is None


def test_groups_of_content_are_counted_by_utterances_in_train_and_in_valid(utterances):
    grouped = [
        dataclasses.replace(u, group=f"g{i % 3}") for i, u in enumerate(utterances)
    ]
    given = fold(grouped[:2], grouped[2:4], grouped[4:])  # g0 g1, g2 g0, g1 g2 g0 g1
    found = overlap(grouped, [given])
    assert found["all"]["test"]["groups"] == {
        "n": 3,
        "train": 2,
        "valid": 2,
        "utterances": 3,
        "n_utterances": 4,
        "valid_utterances": 2,
    }
    assert cell(found) == "0 of 2; groups 2 of 3"
    said = list(lines(found))
    assert said[0].endswith(", groups 2 of 3")
    assert "of 4 tested utterances, 3 have their group in train, 2 in valid" in said
    apart = fold(grouped[:2], grouped[3:4], [grouped[5]])
    assert cell(overlap(grouped, [apart])) == "0 of 1; groups 0 of 1"


def test_a_corpus_without_groups_has_no_word_of_them(utterances):
    given = fold(utterances[:4], utterances[4:6], utterances[6:])
    found = overlap(utterances, [given])
    assert "groups" not in found["all"]["test"] and "groups" not in cell(found)
    assert not any("group" in line for line in lines(found))
    # Whose are not all known, these alone are counted.
    some = [dataclasses.replace(utterances[0], group="g"), *utterances[1:7]]
    some.append(dataclasses.replace(utterances[7], group="g"))
    groups = counted(some, [given], "groups")
    assert (groups["n"], groups["utterances"], groups["n_utterances"]) == (1, 1, 2)


def test_texts_are_the_same_whatever_their_case_and_form(utterances):
    texts = ["Où  est-il", "ou\u0300 EST-IL".upper(), "", "other"]
    some = [
        dataclasses.replace(u, text=text)
        for u, text in zip(utterances, texts, strict=False)
    ]
    assert counted(some, [fold(some[:1], [], some[1:])], "texts") == {
        "n": 2,
        "train": 1,
        "valid": 0,
        "utterances": 1,
        "n_utterances": 3,
    }


def test_unknown_speakers_are_said_and_are_none_to_share(utterances):
    alone = [dataclasses.replace(u, speaker=u.utt) for u in utterances]
    found = overlap(alone, [fold(alone[:4], alone[4:6], alone[6:])])
    assert found["all"]["test"]["speakers"] is None and cell(found) == "unknown"
    assert "the speakers of all utterances are not known: they may test and train" in (
        lines(found)
    )
    # So they are where each utterance has another.
    each = [dataclasses.replace(u, speaker=f"x{u.utt}") for u in utterances]
    found = overlap(each, [fold(each[:4], each[4:6], each[6:])])
    assert cell(found) == "unknown" and found["unknown_speakers"] == 8
    some = [*alone[:1], *utterances[1:]]
    found = overlap(some, [fold(some[:4], some[4:6], some[6:])])
    assert cell(found) == "0 of 1" and found["unknown_speakers"] == 1
    assert "the speakers of 1 utterances are not known: they may test and train" in (
        lines(found)
    )


@pytest.mark.parametrize(
    "other", [None, {}, [], "x", {"all": None}, {"all": {"test": {"speakers": 3}}}]
)
def test_what_nobody_counted_is_unknown(other):
    assert cell(other) == "unknown"


def test_some_examples_of_the_same_recordings_are_kept(utterances):
    many = [
        dataclasses.replace(utterances[0], utt=f"{n:02d}", speaker=f"s{n}")
        for n in range(EXAMPLES + 5)
    ]
    found = overlap(many, [fold(many[:2], [], many[2:])])
    assert len(found["same_recordings"]) == EXAMPLES
    assert list(lines(found))[-1].endswith(", ...")


def test_files_are_read_only_where_size_and_use_leave_a_doubt(tmp_path, monkeypatch):
    files = {}
    for name, text, use in [
        ("a", b"one", "train"),
        ("b", b"two", "test"),
        ("c", b"one", "test"),
        ("d", b"longer", "test"),
        ("e", b"fourth", "test"),
    ]:
        (tmp_path / name).write_bytes(text)
        files[str(tmp_path / name)] = use
    files[str(tmp_path / "gone")] = "test"
    hashed = []
    monkeypatch.setattr(
        content, "_sha256", lambda path: hashed.append(path.name) or path.read_bytes()
    )
    found = same_content(files)
    firsts = {path.rpartition("/")[2]: first[-1] for path, first in found.items()}
    assert firsts == {"a": "a", "b": "b", "c": "a", "d": "d", "e": "e", "gone": "e"}
    assert found[str(tmp_path / "gone")] == str(tmp_path / "gone")
    assert sorted(hashed) == ["a", "c"]
    # Middles that are the same do not make two files the same.
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode() + bytes(3 * content.CHUNK))
    found = same_content({str(tmp_path / name): name for name in "ab"})
    assert len(set(found.values())) == 2
