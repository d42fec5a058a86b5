"""The command ``stream``: WAV and raw PCM from a pipe, lines as turns end, Ctrl-C."""

import contextlib
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from test_stream import (  # noqa: F401
    by_speaker,
    conf,
    model,
    rows,
    spans,
    talk,
)

from espnet_sentiment.cli.main import main
from espnet_sentiment.cli.pcm import PCM, open_pcm
from espnet_sentiment.cli.pcm import chunks as pcm_chunks
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics

pytestmark = pytest.mark.espnet
RATE = 16000


def wav_bytes(samples, rate=RATE, **options):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="WAV", **options)
    return stream.getvalue()


def endless(wav):
    """As a program that cannot know the length writes it into a pipe."""
    at = wav.index(b"data")
    unknown = struct.pack("<I", 0xFFFFFFFF)
    return wav[:4] + unknown + wav[8 : at + 4] + unknown + wav[at + 8 :]


def pipe_in(monkeypatch, content):
    """Write into a pipe that is standard input, bit by bit."""
    reader, writer = os.pipe()

    def write():
        # Who refuses the head reads no more.
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as stream:
            for first in range(0, len(content), 3001):
                stream.write(content[first : first + 3001])

    threading.Thread(target=write).start()
    monkeypatch.setattr("sys.stdin", os.fdopen(reader))


def folder_of(model):  # noqa: F811
    return str(model._classifier.name.parent)


@pytest.mark.parametrize("raw", [False, True])
def test_each_turn_is_a_line_whatever_is_piped(
    model,  # noqa: F811
    talk,  # noqa: F811
    raw,
    monkeypatch,
    capsys,
):
    pcm = (talk * 32768).astype("<i2")
    pipe_in(monkeypatch, pcm.tobytes() if raw else endless(wav_bytes(pcm)))
    rate = ["--rate", str(RATE)] if raw else []
    command = ["stream", "--model", folder_of(model), "--json", *rate]
    assert main(command) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = list(model.stream()([talk]))
    assert [(line["start"], line["end"]) for line in lines] == spans(expected)
    found = [list(line["posteriors"].values()) for line in lines]
    np.testing.assert_allclose(found, rows(expected), atol=1e-6)
    assert all(line["final"] for line in lines)


def test_a_table_shows_partial_answers_and_speakers_are_kept(
    by_speaker,  # noqa: F811
    talk,  # noqa: F811
    monkeypatch,
    capsys,
    tmp_path,
):
    pipe_in(monkeypatch, wav_bytes(talk, subtype="FLOAT"))
    kept = tmp_path / "known.npz"
    command = ["stream", "-m", folder_of(by_speaker), "--speaker", "anna", "-"]
    assert main([*command, "--speaker_statistics", str(kept)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["label", *by_speaker.classes, "seconds", "turn"]
    expected = list(by_speaker.stream(speaker="anna")([talk]))
    assert [line.split()[0] for line in lines] == [turn.label for turn in expected]
    assert lines[0].endswith(f"{expected[0].start:.1f} to {expected[0].end:.1f} s")
    assert list(SpeakerStatistics.load(kept)) == ["anna"]


def test_ctrl_c_answers_the_last_turn_and_ends(model, talk):  # noqa: F811
    """In another process, whose standard input stays open."""
    code = "from espnet_sentiment.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "stream", "-m", folder_of(model), "--json"]
    process = subprocess.Popen(
        [*command, "--partial", "0.3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    # Up to within the third utterance.
    first = list(model.stream()([talk]))
    upto = round((first[2].start + 0.75 * (first[2].end - first[2].start)) * RATE)
    process.stdin.write(endless(wav_bytes(talk[:upto])))
    process.stdin.flush()
    # A partial answer to that turn: by now all has been read.
    for line in process.stdout:
        row = json.loads(line)
        if not row["final"] and row["start"] == first[2].start:
            break
    process.send_signal(signal.SIGINT)
    rest = [json.loads(line) for line in process.stdout]
    assert process.wait(timeout=60) == 0
    assert rest[-1]["final"] and rest[-1]["start"] == first[2].start
    process.stdin.close()


def test_what_is_wrong_is_refused_before_the_model_is_loaded(monkeypatch, capsys):
    pcm = np.zeros(800, np.int16)
    for content, options, said in (
        (b"", [], "nothing comes on standard input"),
        (pcm.tobytes(), [], "say --rate HZ if it is raw"),
        (b"fLaC" + bytes(99), ["--rate", "16000"], "compressed"),
        (wav_bytes(pcm), ["--rate", "8000"], "leave --rate out"),
        (wav_bytes(pcm, subtype="PCM_24"), [], "with 24 bits.*pcm_s16le"),
        (wav_bytes(pcm)[:30], [], "broken header"),
        (wav_bytes(pcm)[:38], [], "without samples"),
        (b"RIFF1234AVI " + bytes(99), [], "no WAV"),
        (pcm.tobytes(), ["--rate", "0"], "4000 or more"),
        (pcm.tobytes(), ["--rate", "-1"], "4000 or more"),
        *(
            (wav_bytes(pcm), ["--partial", value], r"\(--partial\): give 0.1 or more")
            for value in ("0", "-1", "nan", "inf")
        ),
        (wav_bytes(pcm), ["--min_pause", "nan"], r"\(--min_pause\): give 0.2 or more"),
    ):
        pipe_in(monkeypatch, content)
        assert main(["stream", "--model", "/no/such/model", *options]) == 2
        error = capsys.readouterr().err
        assert re.search(said, error), error
    assert main(["stream", "a.wav"]) == 2
    assert "< FILE.wav" in capsys.readouterr().err


def test_samples_are_read_as_their_format_says():
    said = []
    for subtype, dtype in (("PCM_U8", "u1"), ("PCM_32", "<i4"), ("FLOAT", "<f4")):
        stereo = np.stack([np.linspace(-1, 0.9, 50), np.zeros(50)], axis=1)
        pipe = io.BytesIO(wav_bytes(stereo, 8000, subtype=subtype) + b"\1")
        pcm, first = open_pcm(pipe, 8000)
        assert pcm == PCM(8000, 2, dtype)
        found = np.concatenate(list(pcm_chunks(pipe, pcm, first, said.append)))
        assert found.shape == (50, 2) and len(set(found[:, 1].tolist())) == 1
        assert (np.diff(found[:, 0].astype(float)) > 0).all()
    assert said == ["the last 1 bytes are no whole sample: they are left out"] * 3
    with pytest.raises(DataError, match="no WAV"):
        open_pcm(io.BytesIO(b"abcdef"), None)
