"""Files of turns as their makers write them."""

RTTM = """\
;; made by a diarizer
SPKR-INFO call <NA> <NA> <NA> unknown adult_female SPEAKER_01 <NA> <NA>
SPEAKER call 1 3.250 1.500 <NA> <NA> SPEAKER_01 <NA> <NA>
SPEAKER call 1 0.031 2.500 <NA> <NA> SPEAKER_00 <NA> <NA>
SPEAKER other 1 9.000 2.000 <NA> <NA> SPEAKER_00 <NA> <NA>
SPEAKER call 2 3.500 0.500 <NA> <NA> <NA> 0.91
"""
CTM = """\
call A 0.50 0.20 guten 0.98 lex anna
call A 0.75 0.25 Tag 0.97 lex anna
call A 1.00 0.10 %HESITATION 0.5 non-lex null
call B 1.10 0.40 hallo 0.99 lex unknown
call A 1.51 0.20 ja 0.90 lex anna
"""
SEGMENTS = """\
anna-call-1 call 0.50 1.25 0
ben-call-1 call 1.00 2.50 1
call-3 call 2.75 -1
"""
# Praat ends lines with a blank.
LONG = """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "Anna"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.25
            text = "She said ""item [2]:"", and
intervals [7]: no"
        intervals [2]:
            xmin = 1.25
            xmax = 2
            text = ""
        intervals [3]:
            xmin = 2
            xmax = 2.5
            text = " "
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 0.7
            mark = "click"
""".replace("\n", " \n")
SHORT = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.5\n<exists>\n1\n'
    '"IntervalTier"\n"Bén"\n0\n2.5\n2\n0\n1.5\n"Grüße"\n1.5\n2.5\n""\n'
)
ELAN = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-02T10:11:12+01:00" FORMAT="3.0"
    VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER>
  <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/>
  <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1730"/>
  <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1500"/>
  <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2200"/>
</TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" PARTICIPANT="Anna" TIER_ID="A-utt">
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1"
    TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>was &amp; wer?</ANNOTATION_VALUE>
  </ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="Ben">
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3"
    TIME_SLOT_REF2="ts4"><ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
<TIER LINGUISTIC_TYPE_REF="tr" PARENT_REF="A-utt" TIER_ID="A-translation">
  <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
    <ANNOTATION_VALUE>what and who?</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
</TIER>
<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt"
  TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""
VTT = """\
WEBVTT - a meeting
Kind: captions

NOTE made by a meeting's software
in two lines

STYLE
::cue { color: white; }

7f1c/12-0
00:00:00.500 --> 00:00:01.730 align:start position:0%
<v Anna Müller>was &amp; <i>wer</i>?
ja</v>

00:01.500 --> 00:02.200
<v.loud Ben>&lt;lacht&gt;<00:00:01.900><c> nein</c></v><v Anna Müller>doch</v>

00:02.300 --> 00:02.400

"""
SRT = """\
1
00:00:00,500 --> 00:00:01,730
[SPEAKER_00]: <i>was</i> & wer?

2
00:00:01,500 --> 00:00:02,200
[SPEAKER_01]: nein,

doch
3
00:00:02,300 --> 00:00:03,000
[Musik] {\\an8}ohne Namen
"""
WHISPERX = {
    "segments": [
        {
            "start": 0.5,
            "end": 1.73,
            "text": " Was 2 wer?",
            "words": [
                {"word": "Was", "start": 0.5, "end": 0.8, "speaker": "SPEAKER_00"},
                {"word": "2"},
                {"word": "wer?", "start": 1.2, "end": 1.73, "speaker": "SPEAKER_01"},
            ],
            "speaker": "SPEAKER_00",
        },
        {"start": 2.0, "end": 2.5, "text": " Ja.", "words": []},
    ],
    "word_segments": [],
    "language": "de",
}
WHISPER = {
    "text": " Was? Ja.",
    "segments": [
        {
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": 1.5,
            "text": " Was?",
            "temperature": 0,
        },
        {"id": 1, "seek": 0, "start": 1.5, "end": 1.5, "text": ""},
        {
            "id": 2,
            "seek": 0,
            "start": 1.5,
            "end": 30.0,
            "text": " Ja.",
            "temperature": 0,
        },
    ],
    "language": "de",
}
WHISPER_CPP = {
    "systeminfo": "AVX = 1",
    "transcription": [
        {
            "timestamps": {"from": "00:00:00,000", "to": "00:00:01,500"},
            "offsets": {"from": 0, "to": 1500},
            "text": " Was?",
            "speaker": "1",
        },
        {
            "timestamps": {"from": "00:00:01,500", "to": "00:00:02,000"},
            "offsets": {"from": 1500, "to": 2000},
            "text": " Ja.",
            "speaker": "?",
        },
    ],
}
