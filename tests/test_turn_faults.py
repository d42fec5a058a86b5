"""Files of turns that cannot be used are refused by line and remedy, all at once."""

import json
import re

import hypothesis
import hypothesis.strategies as st
import pytest
from turn_samples import (
    CTM,
    ELAN,
    LONG,
    RTTM,
    SEGMENTS,
    SHORT,
    SRT,
    VTT,
    WHISPER_CPP,
    WHISPERX,
)

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.turns.read import read_turns


def speaker(start, duration, channel="1", name="x"):
    return f"SPEAKER a {channel} {start} {duration} <NA> <NA> {name} <NA> <NA>\n"


def cue(times, text="hi"):
    return f"WEBVTT\n\n{times}\n{text}\n"


def whisper(**values):
    segment = {"start": 0.5, "end": 1.0, "text": "hi"} | values
    return json.dumps({"segments": [segment]})


FAULTS = [
    # Name, content, and for each fault its place and what is said, the remedy last.
    ("a.rttm", speaker(0.5, 1) + speaker(-1, 2), r":2: starts at -1 s.*fix the times"),
    ("a.rttm", speaker(0.5, 0), r":1: is empty, from 0\.5 to 0\.5 s.*take it out"),
    ("a.rttm", speaker(0.5, -0.1), r":1: ends before it starts"),
    ("a.rttm", speaker("nan", 1), r":1: start 'nan' is not a time: write seconds"),
    ("a.rttm", speaker("1_0", 1), r":1: start '1_0' is not a time"),
    ("a.rttm", speaker(2, 1.2), r":1: goes to 3\.2 s, but the recording has 3 s: fix"),
    ("a.rttm", speaker(3, 0.05), r":1: goes to 3\.05 s"),
    ("a.rttm", speaker(0, 1, "3"), r":1: channel '3' is number 3, .* has 2 channels"),
    ("a.rttm", speaker(0, 1, "x"), r":1: channel 'x' is none: write 1 or A"),
    (
        "a.rttm",
        speaker(0, 1, "0") + speaker(0, 1, "1"),
        r":1: channel '0' is none: write 1 or A for the first",
    ),
    ("a.rttm", speaker(0, 1, name="Anna Lee X"), r":1: 12 fields: .*no blanks"),
    ("a.rttm", "SPEKER a 1 0 1 <NA> <NA> x <NA> <NA>\n", r":1: 'SPEKER' is no type"),
    ("a.rttm", speaker(0, 1, name="a\u200bb"), r":1: the speaker .*u200b.*without"),
    ("a.rttm", ";; nobody speaks\n", r" holds no turns: name the file that does"),
    ("a.rttm", "", r" holds no turns"),
    ("a.ctm", "a 1 0.5 0.2\n", r":1: 4 fields: write FILE CHANNEL START"),
    ("a.ctm", "a 1 -0.5 0.2 hi\n", r":1: from -0\.5 s.*never negative"),
    ("a.ctm", "a 1 * * <ALT_BEGIN>\n", r":1: <ALT_BEGIN>: .*keep one of them"),
    ("segments", "u a 0.5\n", r":1: 3 fields: write UTTERANCE RECORDING START END"),
    ("segments", "u a 0 1\nu a 1 2\n", r":2: u stands there twice, see .*:1: keep one"),
    ("segments", "u a 0 1 2\n", r":1: channel '2' is number 3"),
    ("a.vtt", "00:00.000 --> 00:01.000\nhi\n", r":1: WebVTT begins with a line WEBVTT"),
    (
        "a.vtt",
        cue("00:00.0 --> 00:01.000"),
        r":3: .* are no times: write 00:00:01\.000",
    ),
    ("a.vtt", cue("00:01.000 --> 00:01.000"), r":3: is empty"),
    ("a.vtt", cue("00:01.000 --> 00:02.000", "a\n\nb"), r":6: 'b' belongs to no cue"),
    ("a.vtt", cue("00:01.000 --> 00:02.000", "a --> b"), r":4: .*no --> in texts"),
    ("a.srt", "hello\n\n" + SRT, r":1: 'hello' belongs to no cue"),
    ("a.json", whisper(end=0.25), r": segments 1: ends before it starts"),
    ("a.json", whisper(start=None), r": segments 1: start is None, which is no time"),
    ("a.json", whisper(start=float("nan")), r": segments 1: start 'nan' is not a time"),
    ("a.json", whisper(text=7), r": segments 1: text is '7', which is no text"),
    ("a.json", '{"segments": [}', r":1: not valid JSON"),
    ("a.json", '{"segments": []}', r" holds no turns"),
    (
        "a.csv",
        "start,speaker\n0,x\n",
        r":1: columns start and end: give both of them, in seconds "
        r"\(--map end=COLUMN; there are start, speaker\)$",
    ),
    ("a.csv", "who,text\nx,y\n", r":1: column start is missing.*--map start=COLUMN"),
    ("a.csv", "start,end\n0,1\n,2\n", r":3: column start: no time: write seconds"),
    ("a.csv", "start,end\n0,1\n2,1\n", r":3: ends before it starts"),
    ("a.csv", "start,end,channel\n0,1,5\n", r":2: channel '5' is number 6"),
    ("a.csv", "start,end,posteriors.joy\n0,1,7\n", r":2: column posteriors\.joy: '7'"),
    ("a.csv", "start,end,text\n0,1,#REF!\n", r":2: column text: #REF! is a formula"),
    ("a.TextGrid", LONG.replace("xmax = 1.25", "xmax = "), r":18: its end is missing"),
    ("a.TextGrid", SHORT.replace("\n0\n1.5", "\n-1\n1.5"), r":13: starts at -1 s"),
    ("a.TextGrid", SHORT.replace("\n1.5\n2.5", ""), r":16: an interval's start is mi"),
    (
        "a.TextGrid",
        LONG.replace("<exists> \nsize = 2", "<exists> \nsize = 3"),
        r"a tier's class is missing, there is 'the end'",
    ),
    ("a.TextGrid", SHORT + "7\n", r":19: more than the file says that it holds"),
    (
        "a.TextGrid",
        SHORT.replace("Bén", "Bén - words"),
        r" the tiers Bén - words are of",
    ),
    ("a.TextGrid", "ooBinaryFile\x08TextGrid", r"save it as a text file in Praat"),
    ("a.eaf", ELAN[:400], r" is no ELAN file that can be read .*open it in ELAN"),
    ("a.eaf", "<html/>", r" is a web page|is no ELAN file that can be read"),
    ("a.eaf", ELAN.replace(' TIME_VALUE="1730"', ""), r"annotation a1: has no times"),
    (
        "a.eaf",
        ELAN.replace('"1730"', '"400"'),
        r"tier 'A-utt', annotation a1: ends bef",
    ),
    ("a.txt", "", r" is empty: name a file of turns"),
    ("a.doc", "x", r": unknown format of turns: name it \.rttm, \.ctm, segments"),
]


@pytest.mark.parametrize(("name", "content", "fault"), FAULTS)
def test_a_fault_is_refused_by_its_place_and_a_remedy(tmp_path, name, content, fault):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as refused:
        read_turns(path, duration=3.0, channels=2)
    assert re.search(fault, str(refused.value)) and str(path) in str(refused.value)
    assert ": " in str(refused.value).splitlines()[-1]


def test_all_faults_are_named_at_once_up_to_twenty(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text("".join(speaker(i, -1) for i in range(25)) + speaker(40, 1))
    with pytest.raises(DataError, match="26 faults") as refused:
        read_turns(path, duration=30.0)
    lines = str(refused.value).splitlines()
    assert len(lines) == 22 and lines[-1].strip() == "... and 6 more"
    assert all(f"{path}:{i}: " in line for i, line in enumerate(lines[1:-1], 1))


def test_what_ends_a_little_late_was_rounded_and_is_cut(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text(speaker(0.5, 1) + speaker(1.5, 1.55))
    turns, said = read_turns(path, duration=3.0)
    assert turns[1].end == 3.0
    assert "cut to the recording's 3 s, as they end after it: 1 turn" in said


def test_the_last_cue_may_stand_longer_than_the_recording_but_not_begin_after(tmp_path):
    path = tmp_path / "a.vtt"
    path.write_text(cue("00:02.000 --> 00:09.000", "<v A>hi</v><v B>ho</v>"))
    turns, _ = read_turns(path, duration=3.0)
    assert [turn.end for turn in turns] == [3.0, 3.0]
    path.write_text(cue("00:03.000 --> 00:09.000"))
    with pytest.raises(DataError, match=r"a\.vtt:3: goes to 9 s"):
        read_turns(path, duration=3.0)


def test_speakers_over_each_other_are_fine_and_over_themselves_are_said(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text(speaker(0, 2) + speaker(1, 2, name="y") + speaker(2.001, 1))
    turns, said = read_turns(path)
    assert len(turns) == 3 and said == []
    path.write_text(speaker(0, 2) + speaker(0.5, 0.2) + speaker(1, 2))
    turns, said = read_turns(path)
    assert len(turns) == 3 and len(said) == 1
    assert "2 turns; the first: x, 0 to 2 s and 0.5 to 0.7 s" in said[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.rttm",
            RTTM.replace("SPEAKER_01", "Jörg")
            .replace("3.250", "0.5")
            .replace("3.500", "1"),
        ),
        ("a.ctm", CTM.replace("anna", "Jörg")),
        ("segments", SEGMENTS.replace("anna", "Jörg")),
        ("a.TextGrid", LONG.replace("Anna", "Jörg")),
        ("a.vtt", VTT),
        ("a.srt", SRT.replace("was", "wäs")),
        ("a.csv", "start,end,speaker\n0,1,Jörg\n"),
    ],
)
def test_other_encodings_are_refused_with_how_to_convert_them(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode("cp1252"))
    with pytest.raises(
        DataError, match=r":\d+ is not UTF-8 .*iconv -f cp1252"
    ) as error:
        read_turns(path, "call", duration=3.0)
    assert (
        "Jörg" in str(error.value)
        or "ü" in str(error.value)
        or "wäs" in str(error.value)
    )
    # As iconv does.
    path.write_bytes(path.read_bytes().decode("cp1252").encode())
    assert read_turns(path, "call", duration=3.0)[0]


def test_missing_files_and_folders_are_refused(tmp_path):
    for name in ("a.rttm", "a.eaf", "a.json", "a.csv", "segments", "turns"):
        with pytest.raises(DataError, match=r"does not exist|is not a file"):
            read_turns(tmp_path / name)
    with pytest.raises(DataError, match="a folder without a file segments"):
        read_turns(tmp_path)


def test_utterances_without_a_speaker_in_utt2spk_are_refused(tmp_path):
    (tmp_path / "segments").write_text("u a 0 1\nv a 1 2\n")
    (tmp_path / "utt2spk").write_text("u anna\n")
    with pytest.raises(DataError, match=r"segments:2: v is not in .*utt2spk: add it"):
        read_turns(tmp_path)


def test_entities_of_entities_do_not_fill_the_memory(tmp_path):
    entities = '<!ENTITY a "0123456789">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    )
    bomb = ELAN.replace(
        "<ANNOTATION_DOCUMENT", f"<!DOCTYPE x [{entities}]>\n<ANNOTATION_DOCUMENT"
    )
    path = tmp_path / "a.eaf"
    path.write_text(bomb.replace("was &amp; wer?", "&j;"))
    with pytest.raises(DataError, match="no ELAN file that can be read"):
        read_turns(path)


SAMPLES = {
    "a.rttm": RTTM,
    "a.ctm": CTM,
    "segments": SEGMENTS,
    "long.TextGrid": LONG,
    "short.TextGrid": SHORT,
    "a.eaf": ELAN,
    "a.vtt": VTT,
    "a.srt": SRT,
    "x.json": json.dumps(WHISPERX),
    "cpp.json": json.dumps(WHISPER_CPP),
    "a.csv": "start,end,speaker,posteriors.joy\n0,1,x,0.5\n1,2,,\n",
    "a.txt": CTM,
}
DAMAGE = st.sampled_from(
    (
        "",
        "\n",
        " ",
        "\t",
        "0",
        "-1",
        "nan",
        '"',
        "<",
        ">",
        "&",
        "{",
        "]",
        ":",
        ",",
        "\0",
    )
    + ("null", "1e999", "\u2028", "é", "-->", "item [")
)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@hypothesis.given(data=st.data())
@hypothesis.settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
def test_damaged_files_are_read_or_refused_but_nothing_else(tmp_path, name, data):
    text = SAMPLES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(at + 12, len(text))))
        text = text[:at] + data.draw(DAMAGE) + text[end:]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    try:
        turns, _ = read_turns(path, duration=60.0, channels=2)
    except DataError as error:
        assert str(path) in str(error)
        return
    assert turns == sorted(turns, key=lambda turn: (turn.start, turn.end))
    assert all(0 <= turn.start < turn.end <= 60 for turn in turns)
    assert {turn.channel for turn in turns} <= {None, "0", "1"}
