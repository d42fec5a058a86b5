import csv
import inspect
import io
import itertools
import json
import os
import re
import resource
import socket
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np
import pytest
import soundfile
from demo_fixture import train_experiment
from sound_files import KINDS, NO_AUDIO, Kind, write_no_audio, write_sound

from espnet_sentiment.cli.inputs import Input
from espnet_sentiment.cli.main import main
from espnet_sentiment.cli.scoring import answer_inputs
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.inference import archive
from espnet_sentiment.inference.batching import WINDOW
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

RATE = 16000
BROKEN = {}


def broken(pattern):
    """Register a function that makes a broken input, and what is said of it."""

    def register(make):
        BROKEN[make.__name__] = (make, pattern)
        return make

    return register


class Folder:
    """A folder to make inputs in, and speech."""

    def __init__(self, root, speech):
        self.root, self.speech = root, speech

    def wav(self, name, samples=None, rate=RATE, **options):
        """Write a recording."""
        path = self.root / name
        samples = self.speech if samples is None else samples
        soundfile.write(path, samples, rate, **options)
        return path

    def bytes(self, name, content):
        """Write any bytes."""
        path = self.root / name
        path.write_bytes(content)
        return path

    def patched(self, name, offset, content):
        """Write a recording whose header is changed."""
        whole = bytearray(self.wav(name).read_bytes())
        whole[offset : offset + len(content)] = content
        return self.bytes(name, whole)


@broken("cannot be read as audio")
def empty_file(folder):
    return folder.bytes("empty.wav", b"")


@broken(r"is cut short: its header promises \d+ bytes, but it has 9000")
def truncated_wav(folder):
    return folder.bytes("cut.wav", folder.wav("cut.wav").read_bytes()[:9000])


@broken("cannot be read as audio")
def header_alone(folder):
    return folder.bytes("header.wav", folder.wav("header.wav").read_bytes()[:20])


@broken("holds no samples")
def no_samples(folder):
    return folder.wav("none.wav", np.zeros(0))


@broken("cannot be read as audio")
def text_named_wav(folder):
    return folder.bytes("text.wav", b"This is a text, and no recording.\n" * 9)


@broken("samples that are not numbers")
def nan_samples(folder):
    samples = folder.speech.copy()
    samples[100] = np.nan
    return folder.wav("nan.wav", samples, subtype="FLOAT")


@broken("samples that are not numbers")
def infinite_samples(folder):
    samples = folder.speech.copy()
    samples[100] = np.inf
    return folder.wav("inf.wav", samples, subtype="FLOAT")


@broken("cannot be read as audio|sample rate of 0 Hz")
def no_sample_rate(folder):
    return folder.patched("0hz.wav", 24, struct.pack("<I", 0))


@broken("sample rate of 50 Hz")
def low_sample_rate(folder):
    return folder.wav("50hz.wav", rate=50)


@broken("is damaged or cut short")
def no_channels(folder):
    return folder.patched("0ch.wav", 22, struct.pack("<H", 0))


@broken("has 8 channels: choose one with --channel")
def eight_channels(folder):
    return folder.wav("8ch.wav", np.tile(folder.speech[:, None], 8))


@broken("too short")
def one_sample(folder):
    return folder.wav("1.wav", folder.speech[:1])


@broken(r"no speech is found in its 10800 s.*\(--cut windows,")
def three_hours_of_silence(folder):
    path = folder.root / "3h.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as stream:
        for _ in range(180):
            stream.write(np.zeros(60 * 8000, np.int16))
    return path


@broken("is a folder without recordings")
def folder_without_audio(folder):
    path = folder.root / "texts.wav"
    path.mkdir()
    (path / "notes.txt").write_text("none here")
    return path


@broken("is a named pipe, not a file")
def named_pipe(folder):
    path = folder.root / "pipe.wav"
    os.mkfifo(path)
    return path


@broken("is a socket, not a file")
def unix_socket(folder):
    path = folder.root / "socket.wav"
    # The name of a socket is short: bound from its folder.
    here = os.getcwd()
    os.chdir(folder.root)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)
    return path


@broken("/dev/null is a device, not a file")
def null_device(folder):
    return Path("/dev/null")


@broken("/dev/zero is a device, not a file")
def endless_device(folder):
    return Path("/dev/zero")


@broken("does not exist: check the name")
def missing_file(folder):
    return folder.root / "missing.wav"


@broken("is a link to .*nowhere.wav, which does not exist")
def dangling_link(folder):
    path = folder.root / "dangling.wav"
    path.symlink_to(folder.root / "nowhere.wav")
    return path


@broken("cannot be opened .*symbolic links")
def loop_of_links(folder):
    path = folder.root / "loop.wav"
    path.symlink_to(path)
    return path


@broken("cannot be opened .*Not a directory")
def path_through_a_file(folder):
    return folder.wav("file.wav") / "inside.wav"


@broken("cannot be opened .*name too long")
def too_long_name(folder):
    return folder.root / ("long" * 100 + ".wav")


@broken("cannot be opened .*null")
def null_byte_in_name(folder):
    return folder.root / "a\0b.wav"


@broken("cannot be read as audio")
def mp3_of_garbage(folder):
    return folder.bytes("garbage.mp3", np.random.default_rng(0).bytes(5000))


@broken("is damaged or cut short")
def truncated_flac(folder):
    whole = folder.wav("cut.flac").read_bytes()
    return folder.bytes("cut.flac", whole[: len(whole) // 2])


@broken(r"is cut short: its header promises 40000000\d\d bytes")
def header_that_promises_4_gb(folder):
    return folder.patched("4gb.wav", 40, struct.pack("<I", 4_000_000_000))


@broken("cannot be read as audio")
def unknown_codec(folder):
    return folder.patched("codec.wav", 20, struct.pack("<H", 0x9999))


@broken("compressed by shorten")
def shorten(folder):
    header = (
        b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"
    )
    return folder.bytes("shorten.sph", header.ljust(1024) + b"ajkg" * 500)


@broken("may not be read: fix its permissions")
def no_permission(folder):
    if os.geteuid() == 0:
        return None
    path = folder.wav("secret.wav")
    path.chmod(0)
    return path


def sound_inputs(folder):
    """Make inputs that look odd and are answered."""
    line_end = folder.wav("line\nend \x1b[31mred.wav")
    loud = folder.wav("loud.wav", 1e4 * folder.speech, subtype="FLOAT")
    text = folder.root / "wav.txt"
    text.write_bytes(folder.wav("wav.wav").read_bytes())
    tree = folder.root / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "link").symlink_to(tree)
    folder.wav("tree/b.FLAC", format="FLAC")
    folder.wav("tree/sub/a.wav")
    (tree / "notes.txt").write_text("skipped")
    return {
        "96 kHz": folder.wav("96khz.wav", rate=96000),
        "8 kHz": folder.wav("8khz.wav", rate=8000),
        "zeros": folder.wav("zeros.wav", 0 * folder.speech),
        "loud": loud,
        "other extension": text,
        "line end in its name": line_end,
        "not ASCII": folder.wav("große Ärzte 语音.wav"),
        "not UTF-8": folder.wav("utf8.wav").rename(
            folder.root / os.fsdecode(b"\xff.wav")
        ),
        "folder": tree,
    }


@pytest.fixture(scope="module", name="experiment")
def trained_experiment(tmp_path_factory, an4_wavs):
    return train_experiment(tmp_path_factory.mktemp("experiment"), an4_wavs)


@pytest.fixture(scope="module", name="speech")
def some_speech(an4_wavs):
    """Return two seconds."""
    utterances = [soundfile.read(path)[0] for path in an4_wavs[:4]]
    return np.concatenate(utterances)[: 2 * RATE]


def call(argv, stdin=b"", wrapper=io.TextIOWrapper):
    """Run the command in this process."""
    out, err = (wrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    streams = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(stdin)), out, err
    try:
        status = main([str(arg) for arg in argv])
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return SimpleNamespace(status=status, out=texts[0], err=texts[1])


@pytest.fixture(scope="module", name="one_run")
def run_on_everything(tmp_path_factory, experiment, speech):
    """Score all inputs, the sound ones between the broken ones, in one process."""
    folder = Folder(tmp_path_factory.mktemp("inputs"), speech)
    made = {name: make(folder) for name, (make, _) in BROKEN.items()}
    made = {name: path for name, path in made.items() if path is not None}
    sound = sound_inputs(folder)
    paths = [*made.values()]
    for place, path in enumerate(sound.values()):
        paths.insert(3 * place, path)
    ran = call(["predict", "--json", "-m", experiment, *paths])
    rows = [json.loads(line) for line in ran.out.splitlines()]
    return SimpleNamespace(
        ran=ran,
        made=made,
        sound=sound,
        paths=paths,
        rows=rows,
        by_path={row["path"]: row for row in rows},
        lines=ran.err.splitlines(),
    )


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_input_has_its_own_clear_line(one_run, kind):
    if kind not in one_run.made:
        pytest.skip("root reads everything")
    pattern = BROKEN[kind][1]
    row = one_run.by_path[str(one_run.made[kind])]
    assert re.search(pattern, row["error"].encode("ascii", "backslashreplace").decode())
    assert "label" not in row
    lines = [line for line in one_run.lines if re.search(pattern, line)]
    assert lines and all(line.startswith("error: ") for line in lines)
    name = one_run.made[kind].name.replace("\0", r"\x00")
    name = name.encode("ascii", "backslashreplace").decode()
    # Of one that is far too long the ends are shown.
    assert any(name[-30:] in line for line in lines)


def test_there_are_25_kinds_of_broken_input():
    assert len(BROKEN) >= 25


def test_the_other_files_are_answered(one_run):
    for path in one_run.sound.values():
        if path.is_file():
            assert sum(one_run.by_path[str(path)]["posteriors"].values()) == (
                pytest.approx(1)
            )


def test_folder_is_searched_sorted_and_without_endless_links(one_run):
    tree = one_run.sound["folder"]
    found = [row["path"] for row in one_run.rows if row["path"].startswith(f"{tree}/")]
    assert found == [f"{tree}/b.FLAC", f"{tree}/sub/a.wav"]


def test_answers_come_in_the_order_of_the_inputs(one_run):
    expected = [str(path) for path in one_run.paths]
    place = expected.index(str(one_run.sound["folder"]))
    expected[place : place + 1] = [
        f"{one_run.sound['folder']}/{name}" for name in ("b.FLAC", "sub/a.wav")
    ]
    assert [row["path"] for row in one_run.rows] == expected


def test_status_is_1_and_every_broken_input_has_one_line(one_run):
    assert one_run.ran.status == 1
    errors = [line for line in one_run.lines if line.startswith("error: ")]
    assert len(errors) == len(one_run.made)
    others = [line for line in one_run.lines if line not in errors]
    (said,) = [line for line in others if line.startswith("warning: ")]
    assert said.endswith("all samples are alike") and "zeros.wav" in said
    # Of the two folders.
    assert sum("passed over 1 that" in line for line in others) == len(others) - 1 == 2
    assert all(map(str.isprintable, one_run.lines))


def test_any_container_and_what_is_none_are_answered_or_named(
    experiment, tmp_path, speech
):
    kinds, broken, wavs = (tmp_path / name for name in ("kinds", "broken", "wavs"))
    for folder in (kinds, broken, wavs):
        folder.mkdir()
    for kind in KINDS:
        path = kinds / f"{kind.name}{kind.suffix}"
        samples = write_sound(path, kind, speech.astype(np.float32))
        soundfile.write(wavs / f"{path.name}.wav", samples, kind.rate)
    names = [write_no_audio(broken, name) for name in NO_AUDIO]
    argv = ["predict", "--json", "--channel", "mix", "-m", experiment]
    ran = call([*argv, kinds, *names, wavs])
    rows = {row["path"]: row for row in map(json.loads, ran.out.splitlines())}
    assert len(rows) == 2 * len(KINDS) + len(NO_AUDIO) >= 120
    for path in names:
        assert str(path) in rows[str(path)]["error"]
    for kind in KINDS:
        name = f"{kind.name}{kind.suffix}"
        found = rows[str(kinds / name)]["posteriors"]
        if kind.bits == 16:
            expected = rows[str(wavs / f"{name}.wav")]["posteriors"]
            assert found == pytest.approx(expected, abs=1e-3)
    assert ran.err.count("error: ") == len(NO_AUDIO)


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


@pytest.fixture(name="files")
def two_files(tmp_path, speech):
    folder = Folder(tmp_path, speech)
    return [folder.wav("a.wav"), folder.wav("b.wav", speech[:RATE])]


def test_table_is_aligned_and_plain_off_a_terminal(experiment, files):
    ran = call(["predict", "-m", experiment, *files])
    head, *rows = ran.out.splitlines()
    assert (ran.status, ran.err) == (0, "")
    assert len(rows) == 2 and ran.out.isascii() and "\x1b" not in ran.out
    for row, path, seconds in zip(rows, files, ("2.0", "1.0"), strict=True):
        assert row[head.index("file") :] == str(path)
        assert row[: head.index("file")].endswith(f"{seconds}  ")


def test_terminal_gets_colours_unless_no_color_is_set(experiment, files, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    argv = ["predict", "-m", experiment, "missing.wav", files[0]]
    coloured = call(argv, wrapper=Terminal)
    assert "\x1b[1m" in coloured.out and "\x1b[31merror:" in coloured.err
    monkeypatch.setenv("NO_COLOR", "1")
    plain = call(argv, wrapper=Terminal)
    assert "\x1b" not in plain.out and "\x1b[31m" not in plain.err
    assert "error: missing.wav does not exist" in plain.err


def test_json_csv_and_table_agree(experiment, files):
    argv = ["predict", "-m", experiment, *files]
    rows = [json.loads(line) for line in call([*argv, "--json"]).out.splitlines()]
    of_csv = list(csv.DictReader(io.StringIO(call([*argv, "--csv"]).out)))
    table = call(argv).out.splitlines()[1:]
    for row, cells, line in zip(rows, of_csv, table, strict=True):
        assert (cells["path"], cells["label"]) == (row["path"], row["label"])
        assert line.split()[0] == row["label"]
        for name, posterior in row["posteriors"].items():
            assert float(cells[name]) == pytest.approx(posterior, rel=1e-5)
            assert f"{100 * posterior:.1f}" in line


def test_csv_keeps_a_broken_input_in_its_place(experiment, files, tmp_path):
    name = tmp_path / 'no "such", file.wav'
    ran = call(["predict", "--csv", "-m", experiment, files[0], name, files[1]])
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [row["path"] for row in rows] == [str(files[0]), str(name), str(files[1])]
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert (ran.status, rows[1]["label"]) == (1, "")


def test_paths_come_from_standard_input(experiment, files, tmp_path):
    lines = f"# mine\n{files[1]}\r\n\n{tmp_path}\n#a.wav\nmissing.wav"
    ran = call(["predict", "--json", "-m", experiment, "-"], lines.encode())
    paths = [json.loads(line)["path"] for line in ran.out.splitlines()]
    assert paths == [*map(str, [files[1], *files]), "missing.wav"]
    assert ran.status == 1


STREAMS = ("wav", "flac", "ogg", "aiff", "au", "caf", "mp3", "nist", "rf64", "w64")


@pytest.mark.parametrize("name", [f"stream.{extension}" for extension in STREAMS])
def test_recording_comes_from_standard_input(experiment, tmp_path, speech, name):
    path = Folder(tmp_path, speech).wav(name)
    argv = ["predict", "--json", "-m", experiment]
    piped = json.loads(call([*argv, "-"], path.read_bytes()).out)
    assert piped == json.loads(call([*argv, path]).out) | {"path": "-"}


@pytest.mark.parametrize(
    "kind",
    [
        Kind(".webm", "webm", "libopus", 48000),
        Kind(".mkv", "matroska", "flac", 16000, 1, 16),
        Kind(".aac", "adts", "aac", 16000),
        Kind(".ac3", "ac3", "ac3", 48000),
        Kind(".wv", "wv", "wavpack", 16000, 1, 16),
        Kind(".mp4", "mp4", "aac", 44100),
    ],
    ids=lambda kind: kind.name,
)
def test_a_container_comes_from_standard_input(experiment, tmp_path, speech, kind):
    path = tmp_path / f"stream{kind.suffix}"
    write_sound(path, kind, speech.astype(np.float32))
    argv = ["predict", "--json", "-m", experiment]
    piped = json.loads(call([*argv, "-"], path.read_bytes()).out)
    assert piped == json.loads(call([*argv, path]).out) | {"path": "-"}


def test_amr_on_standard_input_is_no_comment(experiment):
    amr = b"#!AMR\n" + 99 * (b"\x3c" + bytes(range(1, 32)))
    ran = call(["predict", "--json", "-m", experiment, "-"], amr)
    assert json.loads(ran.out)["duration"] == pytest.approx(99 * 0.02)


def test_what_is_wrong_with_standard_input_is_said_of_standard_input(experiment, files):
    wav = files[0].read_bytes()
    ran = call(["predict", "--json", "-m", experiment, "-"], wav[: len(wav) // 2])
    message = json.loads(ran.out)["error"]
    assert message.startswith("standard input is cut short") and "/" not in message


def test_wav_of_unknown_length_comes_from_standard_input(experiment, files):
    content = bytearray(files[0].read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    ran = call(["predict", "--json", "-m", experiment, "-"], bytes(content))
    assert json.loads(ran.out)["duration"] == pytest.approx(2.0)


def test_a_size_that_looks_like_a_line_end_makes_no_list(experiment, tmp_path, speech):
    for name, at in (("a.wav", 4), ("b.aiff", 4)):
        content = bytearray(Folder(tmp_path, speech).wav(name).read_bytes())
        content[at : at + 4] = b"\n\n\n\n"
        ran = call(["predict", "--json", "-m", experiment, "-"], bytes(content))
        assert [json.loads(line)["path"] for line in ran.out.splitlines()] == ["-"]


def test_mp3_with_tags_comes_from_standard_input(experiment, tmp_path, speech):
    tag = b"ID3\x04\0\0" + bytes((0, 0, 0, 20)) + b"TIT2\0\0\0\x0a\0\0\3Sentences"
    mp3 = Folder(tmp_path, speech).wav("a.mp3").read_bytes()
    for stream in (tag + mp3, mp3[mp3.index(b"\xff", 4) :]):
        ran = call(["predict", "--json", "-m", experiment, "-"], stream)
        assert json.loads(ran.out)["path"] == "-"


def test_binary_standard_input_that_is_no_audio_is_one_error(experiment):
    for content in (b"FORM\n\0" + 99 * b"\0a\n", b"\xff\xfb\n" * 9, b"a.wav\0b.wav\0"):
        ran = call(["predict", "--json", "-m", experiment, "-"], content)
        [line] = ran.err.splitlines()
        assert line.startswith("error: standard input cannot be read as audio")
        assert "pipe paths, one a line" in line
        assert (ran.status, len(ran.out.splitlines())) == (1, 1)


@pytest.mark.parametrize("magic", ["RIFF", "OggS", "FORM", "ID3", "fLaC", "NIST_1A"])
def test_a_list_may_begin_like_a_recording(
    experiment, tmp_path, speech, monkeypatch, magic
):
    monkeypatch.chdir(tmp_path)
    names = [magic, f"{magic}-take.wav", "other.wav"]
    for name in names:
        Folder(tmp_path, speech).wav("other.wav").rename(name)
    ran = call(["predict", "--json", "-m", experiment, "-"], "\n".join(names).encode())
    assert [json.loads(line)["path"] for line in ran.out.splitlines()] == names
    assert ran.status == 0


def test_nothing_on_standard_input_is_said(experiment, files, tmp_path):
    for stdin in (b"", b"\n\r\n"):
        out = tmp_path / "out.txt"
        ran = call(["predict", "-m", experiment, "--out", out, "-"], stdin)
        assert (ran.status, ran.out, out.exists()) == (2, "", False)
        assert ran.err.startswith("error: nothing is named on standard input")
        assert ran.err.count("\n") == 1
    assert call(["predict", "-m", experiment, files[0], "-"]).status == 0


def test_broken_inputs_are_told_as_they_come(experiment):
    drawn = itertools.count()
    missing = (
        Input(f"{number}.wav", Path(f"{number}.wav"), DataError(f"{number} is missing"))
        for number in drawn
    )
    model = Speech2Sentiment.from_pretrained(experiment)
    ahead = 0
    told = itertools.islice(answer_inputs(model, missing, False), 3000)
    for number, (name, error) in enumerate(told):
        assert (name, str(error)) == (f"{number}.wav", f"{number} is missing")
        ahead = max(ahead, int(repr(drawn)[6:-1]) - number)
    assert number == 2999 and ahead <= 3 * WINDOW


def test_out_is_written_when_all_is_done(experiment, files, tmp_path):
    out = tmp_path / "answers" / "all.jsonl"
    argv = ["predict", "--json", "-m", experiment, *files]
    ran = call([*argv, "--out", out])
    assert (ran.status, ran.out) == (0, "")
    assert out.read_text() == call(argv).out
    assert os.listdir(out.parent) == ["all.jsonl"]


def test_out_that_cannot_be_written_is_refused_first(experiment, files, tmp_path):
    for out in (tmp_path, files[0] / "below" / "a.csv"):
        ran = call(["predict", "-m", experiment, "--out", out, files[0]])
        assert ran.status == 2 and ran.err.startswith(f"error: --out {out}")


def test_out_replaces_nothing_that_is_read(experiment, files, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{files[1]}\n")
    for read, out in ((files[0], files[0]), (listed, listed), (listed, files[1])):
        before = out.read_bytes()
        ran = call(["predict", "-m", experiment, "--out", out, read])
        assert ran.status == 2 and f"--out {out} would replace" in ran.err
        assert ran.err.endswith("name another\n") and out.read_bytes() == before


def test_out_that_cannot_hold_the_answers_is_named(experiment, files, tmp_path):
    out = tmp_path / "full" / "a.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        ran = call(["predict", "--json", "-m", experiment, "--out", out, files[0]])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ran.status == 2
    assert re.fullmatch(rf"error: --out {out} cannot be written .*\n", ran.err)
    assert os.listdir(out.parent) == []


def test_other_errors_are_not_those_of_out(files, tmp_path, monkeypatch):
    def find_model(*args):
        raise OSError("the disk of the model is gone")

    monkeypatch.setattr("espnet_sentiment.pack.find.find_model", find_model)
    with pytest.raises(OSError, match="^the disk of the model is gone$"):
        call(["predict", "-m", "x", "--out", tmp_path / "a.txt", files[0]])
    assert not any(tmp_path.glob("*a.txt*"))


def test_transcript_shows_words_by_attention(experiment, files, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    argv = ["predict", "-m", experiment, "--transcript", files[0]]
    row = json.loads(call([*argv, "--json"]).out)
    assert [word["text"] for word in row["words"]] == row["text"].split()
    shown = call(argv).out.splitlines()[2].split()
    strongest = [word["level"] == 3 for word in row["words"]]
    assert [word.startswith("*") for word in shown] == strongest
    painted = call(argv, wrapper=Terminal).out
    assert painted.count("\x1b[1m") == 1 + sum(strongest)
    of_csv = list(csv.DictReader(io.StringIO(call([*argv, "--csv"]).out)))
    assert of_csv[0]["text"] == row["text"]


def test_long_recording_is_answered_by_segment_and_in_all(experiment, files):
    options = ["--max_seconds", "1", "--cut", "windows"]
    argv = ["predict", "-m", experiment, *options, files[0]]
    row = json.loads(call([*argv, "--json"]).out)
    assert [(s["start"], s["end"]) for s in row["segments"]] == [(0, 1), (1, 2)]
    lines = call(argv).out.splitlines()
    assert len(lines) == 4 and lines[2].endswith("0.0 to 1.0 s")


def test_channel_is_chosen(experiment, tmp_path, speech):
    left, right = np.split(speech, 2)
    stereo = Folder(tmp_path, speech).wav("stereo.wav", np.stack([left, right], 1))
    mono = Folder(tmp_path, speech).wav("mono.wav", right)
    argv = ["predict", "--json", "-m", experiment]
    chosen = json.loads(call([*argv, "--channel", "1", stereo]).out)
    assert chosen["posteriors"] == json.loads(call([*argv, mono]).out)["posteriors"]


def test_model_comes_from_the_environment(experiment, files, monkeypatch):
    monkeypatch.delenv("ESPNET_SENTIMENT_MODEL", raising=False)
    ran = call(["predict", files[0]])
    assert ran.status == 2 and "ESPNET_SENTIMENT_MODEL" in ran.err
    monkeypatch.setenv("ESPNET_SENTIMENT_MODEL", str(experiment))
    assert call(["predict", files[0]]).status == 0


def test_model_that_is_not_there_is_said_before_anything_else(files):
    ran = call(["predict", "-m", "/no/such/model", files[0]])
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: /no/such/model does not exist")


def test_timing_goes_to_standard_error(experiment, files):
    ran = call(["predict", "--json", "--timing", "-m", experiment, files[0]])
    assert len(ran.out.splitlines()) == 1
    for phase in ("imports", "model", "first answer", "in all"):
        assert re.search(rf"{phase} \d+\.\d\d s", ran.err)


def test_progress_is_shown_where_answers_go_elsewhere(experiment, files, tmp_path):
    argv = ["predict", "-m", experiment, *files]
    assert "file/s" not in call(argv, wrapper=Terminal).err
    bar = call([*argv, "--out", tmp_path / "out.txt"], wrapper=Terminal).err
    assert "/2 [" in bar


def test_cluster_wants_a_list_and_a_folder(files):
    for options in (
        ["--cluster", "x.yaml"],
        ["--cluster", "x.yaml", "--out", "o", "b"],
        ["--cluster", "x.yaml", "--out", "o", "--timing"],
        ["--cluster", "x.yaml", "--out", "o", "--speakers", "channel"],
        ["--cluster", "x.yaml", "--out", "o", "--speaker_statistics", "x.npz"],
    ):
        with pytest.raises(SystemExit) as error:
            call(["predict", "-m", "x", *options, files[0]])
        assert error.value.code == 2


def test_cluster_is_given_the_list_and_all_options(files, tmp_path, monkeypatch):
    # The scoring itself has tests of its own.
    summary = archive.Summary(3, 1, tmp_path / "predictions.jsonl")
    score_archive = create_autospec(archive.score_archive, return_value=summary)
    monkeypatch.setattr(archive, "score_archive", score_archive)
    argv = ["predict", "-m", "model", "--fold", "2", "--transcript"]
    argv += ["--dtype", "bfloat16", "--channel", "mix", "--encoder_model", "moved"]
    ran = call([*argv, "--cluster", "local.yaml", "--out", tmp_path, "list.txt"])
    assert (ran.status, ran.err) == (1, "")
    assert "3 recordings, 1 of them without an answer" in ran.out
    positional, options = score_archive.call_args
    assert positional == ("model", "list.txt", str(tmp_path), "local.yaml")
    assert (options.pop("fold"), options.pop("transcript")) == ("2", True)
    assert (options["dtype"], options["channel"]) == ("bfloat16", "mix")
    assert options["encoder_model"] == "moved"
    assert options.keys() <= inspect.signature(Speech2Sentiment).parameters.keys()


def test_what_is_odd_is_said_once_on_a_terminal(experiment, tmp_path):
    path = tmp_path / "zeros.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    argv = ["predict", "-m", experiment, path]
    ran, shown = call(argv), call(argv, wrapper=Terminal)
    assert ran.out.count("digital silence") == ran.err.count("digital silence") == 1
    assert (shown.out + shown.err).count("digital silence") == 1
