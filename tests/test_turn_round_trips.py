"""What is written of turns is read back, by this project and by others' libraries."""

import dataclasses
import html
import re
import unicodedata
from collections import Counter

import hypothesis
import hypothesis.strategies as st
import praatio.textgrid
import pympi
import pytest
import webvtt
from pyannote.core import Annotation, Segment

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.names import is_name
from espnet_sentiment.turns.palette import COLOURS
from espnet_sentiment.turns.read import read_turns
from espnet_sentiment.turns.turn import Turn, TurnWord
from espnet_sentiment.turns.write import FORMS, write_turns

SUFFIXES = {name: form.suffix for name, form in FORMS.items()}
# What means something in one of the formats, accents in two forms, zero width.
TELLING = st.sampled_from("aÄße\u0301日 \"'<>&:;,|[](){}-=#\\/@+%1\u200c")
PIECES = st.sampled_from(
    ("-->", "<v Ann>", "</c>", "&amp;", "[anger] ", "<i>", "<NA>", "\n", "\r\n", "\t")
)
texts = st.lists(st.one_of(TELLING, PIECES), max_size=8).map("".join)
names = st.text(TELLING, min_size=1, max_size=8).filter(
    lambda name: name.strip() and is_name(name)
)
quick = hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)


@st.composite
def turn_lists(draw, overlapping, some_name, some_text):
    """Draw turns of a few speakers, each label with posteriors."""
    speakers = draw(st.lists(some_name, min_size=1, max_size=3))
    labels = draw(st.lists(some_name, min_size=2, max_size=3, unique_by=spelled))
    turns, at = [], 0
    for _ in range(draw(st.integers(1, 5))):
        gap, length = draw(st.integers(0, 2000)), draw(st.integers(1, 5000))
        begin = at + gap
        # Channels are all known, or none.
        at = begin if overlapping else begin + length
        label = draw(st.one_of(st.none(), st.sampled_from(labels)))
        share = draw(st.floats(0, 1))
        turns.append(
            Turn(
                begin / 1000,
                (begin + length) / 1000,
                draw(st.sampled_from(speakers)),
                text=draw(st.one_of(st.none(), some_text)),
                label=label,
                posteriors=label and {labels[0]: share, labels[1]: 1 - share},
            )
        )
    channels = draw(st.sampled_from((None, "0", "1", "11")))
    return [dataclasses.replace(turn, channel=channels) for turn in turns]


def spelled(name):
    return unicodedata.normalize("NFC", " ".join((name or "").split())) or None


def fields(name):
    """Return a name as formats with blanks between their fields have it."""
    return spelled(name) and re.sub(r"[\s/]+", "_", spelled(name))


def expected(turns, form):
    """Return what is to be read back, by a way of its own."""
    holds, spell = FORMS[form].holds, fields if FORMS[form].has_fields else spelled
    return sorted_rows(
        (
            turn.start,
            turn.end,
            spell(turn.speaker),
            turn.channel if "channel" in holds else None,
            " ".join((turn.text or "").split()) or None if "text" in holds else None,
            spell(turn.label),
            sorted(
                (spelled(c), pytest.approx(p, rel=1e-5))
                for c, p in (turn.posteriors or {}).items()
            )
            if "posteriors" in holds
            else [],
        )
        for turn in turns
    )


def rows(turns):
    return sorted_rows(
        (
            turn.start,
            turn.end,
            turn.speaker,
            turn.channel,
            turn.text,
            turn.label,
            sorted((spelled(c), p) for c, p in (turn.posteriors or {}).items()),
        )
        for turn in turns
    )


def sorted_rows(some):
    return sorted(some, key=lambda row: (row[:2], repr(row[2:6])))


def round_trip(tmp_path, turns, form):
    path = tmp_path / f"made{SUFFIXES[form]}"
    said = write_turns(turns, path, "a call")
    channels = 1 if turns[0].channel is None else 12
    return read_turns(path, "a call", channels=channels)[0], said, path


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"ctm"}))
@hypothesis.given(data=st.data())
@quick
def test_turns_are_read_back_as_they_were_or_refused(tmp_path, form, data):
    turns = data.draw(turn_lists(form not in ("textgrid", "elan"), names, texts))
    try:
        found, _, path = round_trip(tmp_path, turns, form)
    except DataError as error:
        assert "made" in str(error) and ".tmp" not in str(error)
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
        return
    assert rows(found) == expected(turns, form)


# What every format has room for.
NAMES = st.text(st.sampled_from("aÄß日.x-"), min_size=1, max_size=6).filter(
    lambda name: re.match(r"\w", name)
)
TEXTS = {
    # SubRip has neither escapes nor times of its own.
    "srt": st.text(st.sampled_from("aÄ \"'&;,|()=-+@\n\u200c日"), max_size=12),
    "csv": st.lists(st.one_of(TELLING, PIECES), max_size=8).map("".join),
}


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"ctm"}))
@hypothesis.given(data=st.data())
@quick
def test_plain_names_and_any_texts_are_never_refused(tmp_path, form, data):
    text = TEXTS.get(form, texts).filter(lambda text: text.strip() != "[speech]")
    turns = data.draw(turn_lists(form not in ("textgrid", "elan"), NAMES, text))
    found, _, _ = round_trip(tmp_path, turns, form)
    assert rows(found) == expected(turns, form)


@hypothesis.given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from("aß\"'<>&;"), min_size=1, max_size=4),
            st.integers(0, 900),
            st.integers(0, 400),
        ),
        min_size=1,
        max_size=8,
    ),
    st.one_of(st.none(), names),
)
@quick
def test_words_of_a_ctm_are_read_back(tmp_path, given, speaker):
    words, at = [], 0
    for text, gap, length in given:
        at += gap
        words.append(TurnWord(text, at / 1000, (at + length) / 1000))
        at += length
    hypothesis.assume(at > 0 and words[-1].end > words[0].start)
    turn = Turn(words[0].start, words[-1].end, speaker, "1", words=tuple(words))
    try:
        write_turns([turn], tmp_path / "a.ctm", "a")
    except DataError as error:
        # A word that is a turn of its own, and has no length; NIST's own names.
        assert re.search("is empty|<NA>|no type|;;|fields", str(error))
        return
    turns, _ = read_turns(tmp_path / "a.ctm", "a")
    assert [word for turn in turns for word in turn.words] == words
    assert {(t.speaker, t.channel) for t in turns} == {(fields(speaker), "1")}


CALL = [
    Turn(
        0.5,
        1.25,
        "Änne",
        "0",
        'Was "soll" das?',
        label="anger",
        posteriors={"anger": 1},
    ),
    Turn(1.25, 2.0, "Ben", "1", "a <b> & c --> d", label="joy", posteriors={"joy": 1}),
    Turn(2.5, 3.0, "Ben", "1", "ja"),
]


def test_praatio_reads_textgrids_as_they_were_meant(tmp_path):
    path = tmp_path / "a.TextGrid"
    said = write_turns(CALL, path, "a")
    assert said == ["the format holds no channel, posteriors: left out"]
    grid = praatio.textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    tiers = {tier.name: [tuple(e) for e in tier.entries] for tier in grid.tiers}
    assert tiers == {
        "Änne": [(0.5, 1.25, 'Was "soll" das?')],
        "Änne sentiment": [(0.5, 1.25, "anger")],
        "Ben": [(1.25, 2.0, "a <b> & c --> d"), (2.5, 3.0, "ja")],
        "Ben sentiment": [(1.25, 2.0, "joy")],
    }
    # And what it writes, in its short form, is read.
    grid.save(str(path), "short_textgrid", includeBlankSpaces=True)
    assert rows(read_turns(path)[0]) == expected(CALL, "textgrid")


def test_pympi_reads_elan_files_as_they_were_meant(tmp_path):
    path = tmp_path / "a.eaf"
    write_turns(CALL, path, "a")
    eaf = pympi.Eaf(str(path))
    assert sorted(eaf.get_tier_names()) == [
        *("Ben", "Ben sentiment", "Änne", "Änne sentiment"),
    ]
    assert sorted(eaf.get_annotation_data_for_tier("Ben")) == [
        (1250, 2000, "a <b> & c --> d"),
        (2500, 3000, "ja"),
    ]
    (label,) = eaf.get_ref_annotation_data_for_tier("Ben sentiment")
    assert label[:3] == (1250, 2000, "joy")
    assert eaf.get_parameters_for_tier("Änne")["PARTICIPANT"] == "Änne"


def test_webvtt_py_reads_subtitles_as_they_were_meant(tmp_path):
    write_turns(CALL, tmp_path / "a.vtt", "a")
    file = webvtt.read(str(tmp_path / "a.vtt"), strict=True)
    assert [(c.start_in_seconds, html.unescape(c.voice)) for c in file] == [
        *((0, "Änne"), (1, "Ben"), (2, "Ben")),
    ]
    assert html.unescape(file[1].text) == "[joy] a <b> & c --> d"
    assert "<c.anger>[anger] " in file[0].raw_text
    assert [style.text for style in file.styles] == [
        "::cue(.anger) { color: #f0e442; }",
        "::cue(.joy) { color: #56b4e9; }",
    ]
    write_turns([CALL[0], CALL[2]], tmp_path / "a.srt", "a")
    texts = [caption.text for caption in webvtt.from_srt(str(tmp_path / "a.srt"))]
    assert texts == ['[Änne]: (anger) Was "soll" das?', "[Ben]: ja"]


def test_colours_of_labels_can_be_read_on_black():
    for colour in COLOURS:
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares
        ]
        luminance = sum(
            w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
        )
        # https://www.w3.org/TR/WCAG22/#contrast-minimum asks for 4.5.
        assert (luminance + 0.05) / 0.05 >= 5, colour


def test_rttm_is_pyannote_s_but_for_channel_and_label(tmp_path):
    annotation = Annotation(uri="a")
    for number, turn in enumerate(CALL):
        annotation[Segment(turn.start, turn.end), number] = turn.speaker
    bare = [Turn(turn.start, turn.end, turn.speaker) for turn in CALL]
    write_turns(bare, tmp_path / "a.rttm", "a")
    assert (tmp_path / "a.rttm").read_text() == annotation.to_rttm()
    write_turns(CALL, tmp_path / "a.rttm", "a")
    # The columns of load_rttm in pyannote.database.
    lines = [line.split() for line in (tmp_path / "a.rttm").read_text().splitlines()]
    own = [line.split() for line in annotation.to_rttm().splitlines()]
    assert [line[:2] + line[3:6] + line[7:] for line in lines] == [
        line[:2] + line[3:6] + line[7:] for line in own
    ]
    assert [line[6] for line in lines] == ["anger", "joy", "<NA>"]


def test_turns_without_a_channel_stay_so_beside_others(tmp_path):
    turns = [Turn(0, 1, "x"), Turn(1, 2, "y", "1")]
    for form in ("rttm", "kaldi", "csv", "jsonl"):
        found, _, _ = round_trip(tmp_path, [turns[1], turns[0]], form)
        assert [turn.channel for turn in found] == [None, "1"], form


def test_blanks_in_names_are_written_as_low_lines_where_they_end_fields(tmp_path):
    turns = [Turn(0, 1, "Anna Lee"), Turn(1, 2, "Ben")]
    said = write_turns(turns, tmp_path / "a.rttm", "my call")
    assert said == [
        "'my call' is written as my_call",
        "the speaker 'Anna Lee' is written as Anna_Lee",
    ]
    turns.append(Turn(2, 3, "Anna_Lee"))
    with pytest.raises(DataError, match="would both be Anna_Lee: rename one, or write"):
        write_turns(turns, tmp_path / "a.rttm", "my call")
    write_turns(turns, tmp_path / "a.csv", "my call")
    assert Counter(t.speaker for t in read_turns(tmp_path / "a.csv")[0]) == Counter(
        ["Anna Lee", "Ben", "Anna_Lee"]
    )


def test_what_cannot_be_written_is_refused_and_the_old_file_stays(tmp_path):
    one = Turn(0, 1, "x")
    for turns, name, match in (
        ([], "a.csv", "no turns: nothing to write"),
        ([one], "a.ctm", "it has no words with times"),
        ([dataclasses.replace(one, end=0.0001)], "a.csv", "less than a millisecond"),
        ([dataclasses.replace(one, end=float("nan"))], "a.csv", "no time"),
        ([dataclasses.replace(one, channel="A")], "a.csv", "0 is the first"),
        ([dataclasses.replace(one, text="a\x07b")], "a.vtt", r"holds \\x07"),
        ([dataclasses.replace(one, speaker="a\u202eb")], "a.vtt", r"\\u202e"),
        ([dataclasses.replace(one, speaker="<NA>")], "a.rttm", "read back as None"),
        ([dataclasses.replace(one, text="a --> b")], "a.srt", "write JSON lines"),
        ([one, dataclasses.replace(one, start=0.5)], "a.eaf", "write CSV or RTTM"),
        ([one, dataclasses.replace(one, start=0.5)], "a.TextGrid", "overlap"),
    ):
        path = tmp_path / name
        path.write_text("old")
        with pytest.raises(DataError, match=match) as refused:
            write_turns(turns, path, "a")
        assert str(refused.value).startswith(f"{path}: ")
        assert path.read_text() == "old"
    assert {path.suffix for path in tmp_path.iterdir()} <= {
        *(".csv", ".ctm", ".vtt", ".rttm", ".srt", ".eaf", ".TextGrid"),
    }
    with pytest.raises(UserError, match=r"name it \.rttm, \.ctm"):
        write_turns([one], tmp_path / "a.doc", "a")
    with pytest.raises(UserError, match="no format: choose of rttm"):
        write_turns([one], tmp_path / "a", "a", form="doc")


def test_a_folder_of_kaldi_s_is_replaced_but_no_folder_of_data(tmp_path):
    folder = tmp_path / "turns"
    write_turns(CALL, folder, "a")
    tables = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(tables) == {"segments", "utt2spk", "text", "utt2label"}
    assert tables["segments"].splitlines()[0] == (
        "Ben-a-1-0001250-0002000 a 1.250 2.000 1"
    )
    write_turns([Turn(0, 1), Turn(0, 1)], folder, "a")
    assert {path.name for path in folder.iterdir()} == {"segments", "utt2spk"}
    assert [(t.speaker, t.end) for t in read_turns(folder)[0]] == [(None, 1.0)] * 2
    (folder / "wav.scp").write_text("a a.wav\n")
    with pytest.raises(
        DataError, match=r"the folder holds wav\.scp: name a new folder"
    ):
        write_turns(CALL, folder, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["turns"]
