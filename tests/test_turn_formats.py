"""Turns of conversations in the formats of diarizers, recognisers and people."""

import codecs
import json
import subprocess
import sys

import pytest
from pyannote.core import Annotation, Segment
from turn_samples import (
    CTM,
    ELAN,
    LONG,
    RTTM,
    SEGMENTS,
    SHORT,
    SRT,
    VTT,
    WHISPER,
    WHISPER_CPP,
    WHISPERX,
)

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.turns.annotation import to_annotation
from espnet_sentiment.turns.read import read_turns
from espnet_sentiment.turns.turn import TurnWord


@pytest.fixture
def write(tmp_path):
    """Return what writes a file and gives its path."""

    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(text.encode(encoding))
        return path

    return write


def plain(turns):
    return [(t.start, t.end, t.speaker, t.channel, t.text) for t in turns]


def test_rttm_is_read_of_one_recording_by_start(write):
    path = write("all.rttm", RTTM)
    turns, said = read_turns(path, "folder/call.wav", duration=5.0, channels=2)
    assert plain(turns) == [
        (0.031, 2.531, "SPEAKER_00", "0", None),
        (3.25, 4.75, "SPEAKER_01", "0", None),
        (3.5, 4.0, None, "1", None),
    ]
    assert turns[0].place == f"{path}:4"
    assert said == ["lines of other types are no turns: SPKR-INFO (1)"]
    with pytest.raises(DataError, match="no turns of 'third', but of 'call', 'other'"):
        read_turns(path, "third.wav")
    with pytest.raises(DataError, match=r"2 recordings \('call', 'other'\)"):
        read_turns(path)


def test_the_only_recording_is_taken_and_said_if_it_is_called_otherwise(write):
    path = write("a.rttm", "SPEAKER my_call 1 0.5 1 <NA> <NA> a <NA> <NA>\n")
    for name in (None, "my_call", "x/my_call.flac", "my call.wav"):
        assert read_turns(path, name)[1] == []
    said = read_turns(path, "x/holiday.wav")[1]
    assert said == ["its only recording, my_call, is taken as holiday"]


def test_channels_of_nist_count_from_one_and_mono_has_none(write):
    line = "SPEAKER a {} 0.5 1 <NA> <NA> x <NA> <NA>\n"
    for field, channels, channel in (
        ("1", None, "0"),
        ("A", 2, "0"),
        ("2", 2, "1"),
        ("B", None, "1"),
        ("1", 1, None),
        ("A", 1, None),
        ("<NA>", 2, None),
        ("0", 2, None),
    ):
        turns, _ = read_turns(write("a.rttm", line.format(field)), channels=channels)
        assert turns[0].channel == channel, (field, channels)
    path = write("a.rttm", line.format("1"))
    said = read_turns(path, channels=2)[1]
    assert "the first of 2" in said[0] and "--map channel=" in said[0]
    turns, said = read_turns(path, channels=2, columns={"channel": ""})
    assert turns[0].channel is None and said == []


def test_words_of_a_ctm_are_turns_by_speaker_channel_and_pauses(write):
    turns, said = read_turns(write("a.ctm", CTM), "call")
    assert plain(turns) == [
        (0.5, 1.0, "anna", "0", "guten Tag"),
        (1.1, 1.5, None, "1", "hallo"),
        (1.51, 1.71, "anna", "0", "ja"),
    ]
    assert turns[0].words == (TurnWord("guten", 0.5, 0.7), TurnWord("Tag", 0.75, 1.0))
    assert said == [
        "4 words are put together to 3 turns, which pauses of more than 0.5 s end",
        "lines of other types are no words: non-lex (1)",
    ]
    # Half a second is no end yet.
    turns, _ = read_turns(write("a.ctm", "c 1 0 .3 a\nc 1 .8 .2 b"))
    assert [turn.text for turn in turns] == ["a b"]


def test_segments_take_speakers_texts_and_labels_from_beside(write, tmp_path):
    path = write("segments", SEGMENTS)
    turns, said = read_turns(path, "call", duration=3.0)
    assert [t.speaker for t in turns] == [None] * 3 and "no utt2spk" in said[0]
    write("utt2spk", "anna-call-1 anna\nben-call-1 ben\ncall-3 call-3\n")
    write("text", "anna-call-1 guten  Tag\ncall-3 ja\n")
    write("utt2label", "ben-call-1 joy\n")
    for named in (path, tmp_path):
        turns, said = read_turns(named, "call.wav", duration=3.0)
        assert said == [] and plain(turns) == [
            (0.5, 1.25, "anna", "0", "guten Tag"),
            (1.0, 2.5, "ben", "1", None),
            (2.75, 3.0, None, None, "ja"),
        ]
        assert [t.label for t in turns] == [None, "joy", None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_textgrids_are_read_long_and_short_in_utf_8_and_utf_16(write, encoding):
    turns, said = read_turns(write("a.TextGrid", LONG, encoding))
    text = 'She said "item [2]:", and intervals [7]: no'
    assert plain(turns) == [(0.0, 1.25, "Anna", None, text)]
    assert turns[0].place.endswith("a.TextGrid:16")
    assert said == ["tiers of points are no turns: clicks"]
    turns, said = read_turns(write("b.textgrid", SHORT, encoding))
    assert plain(turns) == [(0.0, 1.5, "Bén", None, "Grüße")] and said == []


def test_tiers_of_elan_are_speakers_by_their_participants(write):
    turns, said = read_turns(write("a.eaf", ELAN))
    assert plain(turns) == [
        (0.5, 1.73, "Anna", None, "was & wer?"),
        (1.5, 2.2, "Ben", None, None),
    ]
    assert said == [
        "tiers are called by their participants: A-utt is Anna",
        "tiers that depend on others are no turns: A-translation",
    ]


def test_voices_of_webvtt_are_speakers(write):
    turns, said = read_turns(write("a.vtt", VTT))
    assert plain(turns) == [
        (0.5, 1.73, "Anna Müller", None, "was & wer? ja"),
        (1.5, 2.2, "Ben", None, "<lacht> nein"),
        (1.5, 2.2, "Anna Müller", None, "doch"),
    ]
    assert said[0] == "no turns, as they have no text: 1 cue"
    assert "several voices" in said[1] and "overlap" in said[2]


def test_captions_of_youtube_are_read(write):
    vtt = (
        "WEBVTT\nKind: captions\nLanguage: en\n\n"
        "00:00:00.160 --> 00:00:02.470 align:start position:0%\n \n"
        "so<00:00:00.400><c> what</c><00:00:00.640><c> now</c>\n\n"
        "00:00:02.470 --> 00:00:02.480 align:start position:0%\nso what now\n \n"
    )
    assert plain(read_turns(write("a.vtt", vtt))[0]) == [
        (0.16, 2.47, None, None, "so what now"),
        (2.47, 2.48, None, None, "so what now"),
    ]


def test_names_in_brackets_are_speakers_of_subtitles(write):
    turns, _ = read_turns(write("a.srt", SRT))
    assert plain(turns) == [
        (0.5, 1.73, "SPEAKER_00", None, "was & wer?"),
        (1.5, 2.2, "SPEAKER_01", None, "nein, doch"),
        (2.3, 3.0, None, None, "[Musik] ohne Namen"),
    ]
    # As WhisperX writes it, without voices.
    vtt = "WEBVTT\n\n00:00.500 --> 00:01.730\n[SPEAKER_00]: was?\n"
    assert plain(read_turns(write("a.vtt", vtt))[0])[0][2:] == (
        *("SPEAKER_00", None, "was?"),
    )


def test_names_before_a_colon_are_speakers_if_every_text_has_one(write):
    srt = "1\n00:00:00,500 --> 00:00:01,000\nAnna: Hi\n\n"
    srt += "2\n00:00:01,000 --> 00:00:02,000\n"
    turns, said = read_turns(write("a.srt", srt + "Ben B.: Note: no\n"))
    assert [(t.speaker, t.text) for t in turns] == [
        ("Anna", "Hi"),
        ("Ben B.", "Note: no"),
    ]
    assert said == [
        "what stands before the colon is taken as the speaker: Anna, Ben B."
    ]
    turns, said = read_turns(write("a.srt", srt + "at 12:30\n"))
    assert [(t.speaker, t.text) for t in turns] == [
        (None, "Anna: Hi"),
        (None, "at 12:30"),
    ]
    assert "1 of 2 texts" in said[0]


def test_segments_of_whisper_and_its_kin_are_turns(write):
    turns, said = read_turns(write("a.json", WHISPERX))
    assert plain(turns) == [
        (0.5, 1.73, "SPEAKER_00", None, "Was 2 wer?"),
        (2.0, 2.5, None, None, "Ja."),
    ]
    assert turns[0].words == (TurnWord("Was", 0.5, 0.8), TurnWord("wer?", 1.2, 1.73))
    assert said == [
        "in texts only, as they have no times: 1 word",
        "with words of another speaker than the whole has, which is taken: 1 segment",
    ]
    # Its windows have 30 s, whatever the recording has.
    turns, said = read_turns(write("a.json", WHISPER), duration=2.75)
    assert plain(turns) == [
        (0.0, 1.5, None, None, "Was?"),
        (1.5, 2.75, None, None, "Ja."),
    ]
    assert said[1] == "cut to the recording's 2.75 s, as they end after it: 1 turn"
    turns, _ = read_turns(write("a.json", WHISPER_CPP))
    assert plain(turns) == [
        (0.0, 1.5, "1", None, "Was?"),
        (1.5, 2.0, None, None, "Ja."),
    ]


def test_tables_of_turns_are_read_by_their_columns(write):
    csv = "Anfang;duration;spk;channel;sentence;emotion\n"
    csv += "0,5;1,25;Änne;A;so;joy\n2,0;1,0;;1;;\n"
    turns, said = read_turns(write("a.csv", csv), columns={"start": "Anfang"})
    assert plain(turns) == [
        (0.5, 1.75, "Änne", "0", "so"),
        (2.0, 3.0, None, "1", None),
    ]
    assert [t.label for t in turns] == ["joy", None]
    assert any("commas are taken as points" in line for line in said)
    rows = [{"path": f"{n}.wav", "start": 0, "end": 1, "text": n} for n in "ab"]
    turns, _ = read_turns(write("a.json", rows), "sounds/b.wav")
    assert [t.text for t in turns] == ["b"]


def test_annotations_of_pyannote_are_turns_and_back():
    annotation = Annotation(uri="call")
    annotation[Segment(1.0, 2.5), "_"] = "SPEAKER_01"
    annotation[Segment(0.5, 2.0), "_"] = "SPEAKER_00"
    annotation[Segment(0.5, 2.0), "x"] = "SPEAKER_01"
    turns, said = read_turns(annotation, duration=3.0)
    assert [(t.start, t.end, t.speaker) for t in turns] == [
        (0.5, 2.0, "SPEAKER_00"),
        (0.5, 2.0, "SPEAKER_01"),
        (1.0, 2.5, "SPEAKER_01"),
    ]
    assert len(said) == 1 and "overlap another one of the same speaker" in said[0]
    back = to_annotation(turns, "call")
    assert back.uri == "call" and back.rename_tracks() == annotation.rename_tracks()
    with pytest.raises(DataError, match=r"annotation call: track 3: goes to 2\.5 s"):
        read_turns(annotation, duration=2.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", RTTM.replace("other", "call")),
        ("a.txt", CTM),
        ("turns", "utt call 0.5 1.25\n"),
        ("a.txt", LONG),
        ("a.txt", VTT),
        ("turns", SRT),
        ("turns", WHISPER),
        ("a.txt", "start\tend\n0.5\t1\n"),
    ],
)
def test_without_a_suffix_that_tells_the_content_does(write, name, content):
    assert read_turns(write(name, content))[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.rttm", RTTM), ("a.ctm", CTM), ("a.vtt", VTT), ("a.srt", SRT)],
)
def test_byte_order_marks_tell_the_encoding_of_any_text(write, name, content):
    expected = read_turns(write(name, content), "call")
    for encoding in ("utf-8-sig", "utf-16"):
        assert read_turns(write(name, content, encoding), "call") == expected
    path = write(name, content.replace("\n", "\r\n"))
    assert read_turns(path, "call") == expected
    assert codecs.BOM_UTF8 not in path.read_bytes()


def test_options_of_tables_are_refused_for_others(write):
    path = write("a.rttm", RTTM)
    with pytest.raises(UserError, match="leave out --map, but for --map channel="):
        read_turns(path, "call", columns={"start": "begin"})
    with pytest.raises(UserError, match="leave out --sheet"):
        read_turns(path, "call", sheet="one")


def test_libraries_of_formats_are_imported_when_they_are_needed():
    code = (
        "import sys, espnet_sentiment.turns.read, espnet_sentiment.turns.write\n"
        "late = {'praatio', 'pympi', 'webvtt', 'pyannote.core', 'numpy'}\n"
        "assert not late & set(sys.modules), late & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
