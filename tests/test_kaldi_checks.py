"""What is wrong with a Kaldi directory, all of it with its lines; and what is right."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet_sentiment.bin import make_features
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data import dump
from espnet_sentiment.data.audio import read_audio
from espnet_sentiment.data.dump import check_audio, dump_audio, dump_fbank
from espnet_sentiment.data.kaldi_dir import (
    Utterance,
    read_kaldi_dir,
    utterance_audio,
    write_kaldi_dir,
)

JOSE, JOSE_NFD = "jos\u00e9", "jose\u0301"


def write(folder, **tables):
    """Write tables as a stranger would; ``wav_scp`` is ``wav.scp``."""
    folder.mkdir(exist_ok=True)
    for name, lines in tables.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / name.replace("wav_scp", "wav.scp")).write_text(text, "utf-8")
    return folder


@pytest.fixture
def cut(tmp_path, an4_wavs):
    """Write two segments of a recording."""
    return write(
        tmp_path / "set",
        wav_scp=[f"rec {an4_wavs[0]}"],
        segments=["s-1 rec 0.0 0.5", "s-2 rec 0.5 1.0"],
        utt2spk=["s-1 s", "s-2 s"],
    )


def faults(folder):
    """Return the lines that name faults, without the folder before each."""
    with pytest.raises(DataError) as error:
        read_kaldi_dir(folder)
    head, *lines = str(error.value).splitlines()
    assert head.startswith(f"{folder}: there ") and str(len(lines)) in head.split()
    return [line.strip().removeprefix(f"{folder}/") for line in lines]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("s-1 no 0 1", "is cut out of the recording 'no', which wav.scp lacks: add it"),
        ("s-1 rec 0", "has 3 fields: write the utterance, its recording, start and"),
        ("s-1 rec 0 1 0 x", "has 6 fields: write"),
        ("s-1 rec 0,0 1", "has the start '0,0', which is no time: write seconds with"),
        ("s-1 rec 0 nan", "has the end 'nan', which is no time"),
        ("s-1 rec 0 inf", "has the end 'inf', which is no time"),
        ("s-1 rec 0 1_0", "has the end '1_0', which is no time"),
        ("s-1 rec 0:01 1", "has the start '0:01', which is no time"),
        ("s-1 rec -0.5 1", "starts at -0.5 s, before its recording: write 0 or later"),
        ("s-1 rec 1.0 0.5", "ends at 0.5 s, not after its start, 1.0 s: fix them"),
        ("s-1 rec 0.5 0.5", "ends at 0.5 s, not after its start"),
        ("s-1 rec 0 -2", "ends at -2 s, not after its start"),
        ("s-1 rec 0 1 2", "has the channel '2': write 0 for the first, 1 for the"),
    ],
)
def test_a_segment_that_is_none_is_named_by_its_line(cut, line, fault):
    write(cut, segments=["s-2 rec 0.5 1.0", line])
    (found,) = faults(cut)
    assert found.startswith(f"segments:2: utterance s-1 {fault}")


def test_kaldis_end_of_a_segment_is_that_of_the_recording(cut, an4_wavs, tmp_path):
    write(cut, segments=["s-1 rec 0.25 -1", "s-2 rec 0.25 -1.0"])
    data = read_kaldi_dir(cut)
    assert utterance_audio(data, "s-1", None)[1:] == (None, 0.25, None)
    check_audio(data, None)
    (wav_scp, _), _ = dump_audio(data, tmp_path / "out")
    expected = read_audio(an4_wavs[0], 16000)[4000:]
    for flac in read_table(wav_scp).values():
        samples = soundfile.read(flac, dtype="float32")[0]
        np.testing.assert_allclose(samples, expected, atol=2**-15)


def test_kaldis_channel_of_a_segment_is_read(cut, tmp_path):
    sides = np.stack([np.full(16000, 0.25), np.full(16000, -0.5)], axis=1)
    soundfile.write(tmp_path / "call.wav", sides, 16000)
    write(
        cut,
        wav_scp=[f"rec {tmp_path / 'call.wav'}"],
        segments=["s-1 rec 0 0.5 0", "s-2 rec 0 0.5 1"],
    )
    data = read_kaldi_dir(cut)
    check_audio(data, None)
    means = [utterance_audio(data, u, None).read().mean() for u in ("s-1", "s-2")]
    assert means == [0.25, -0.5]


def test_a_channel_that_a_recording_lacks_is_refused_before_work(cut):
    write(cut, segments=["s-1 rec 0 0.5 1", "s-2 rec 0 0.5 0"])
    with pytest.raises(DataError, match="has 1 channel, but"):
        check_audio(read_kaldi_dir(cut), None)


def test_all_segments_past_the_end_are_named_with_their_lines(cut):
    write(cut, segments=["s-1 rec 0.5 99", "s-2 rec 0.5 1", "s-3 rec 98 -1"])
    write(cut, utt2spk=["s-1 s", "s-2 s", "s-3 s"])
    with pytest.raises(DataError, match="2 of 3 segments do not lie in") as error:
        check_audio(read_kaldi_dir(cut), None)
    _, *lines = str(error.value).splitlines()
    assert [line.split(" is cut")[0].rsplit("/", 1)[1] for line in lines] == [
        "segments:1: utterance s-1",
        "segments:3: utterance s-3",
    ]


def test_all_missing_recordings_are_named_with_their_lines(tmp_path, an4_wavs):
    folder = write(
        tmp_path / "set",
        wav_scp=["a gone.wav", f"b {an4_wavs[0]}", f"c {'x' * 5000}.wav"],
        utt2spk=["a s", "b s", "c s"],
    )
    with pytest.raises(DataError, match=r"2 of 3 recordings do not exist") as error:
        check_audio(read_kaldi_dir(folder), None)
    text = str(error.value)
    assert "wav.scp:1: 'gone.wav'" in text and "wav.scp:3: 'xxx" in text
    assert len(text) < 1000


def test_faults_of_all_tables_are_named_at_once(tmp_path, an4_wavs):
    wav = an4_wavs[0]
    folder = write(
        tmp_path / "set",
        wav_scp=[f"a {wav}", f"b {wav}", f"c {wav}", "d", f"a {wav}"],
        reco2file_and_channel=["b file 2", "z file A"],
        utt2spk=["a s", "b two words", "c", "z s"],
        text=["a some words", "y others"],
        spk2utt=["s a b"],
        utt2label=["a joy", "b very good", "q joy", "c rage"],
        classes=["joy", "very good"],
    )
    assert [fault[:46] for fault in faults(folder)] == [
        fault[:46]
        for fault in (
            "wav.scp:5: 'a' stands there twice, see line 1: keep",
            "wav.scp:4: recording d has no path: write it after",
            "reco2file_and_channel:1: recording b has 'file 2': write",
            "reco2file_and_channel:2: recording z is not in wav.scp: take",
            "utt2spk:2: utterance b has the speaker 'two words', which",
            "utt2spk:3: utterance c has no speaker: write it",
            "utt2spk:4: utterance z has no audio in wav.scp: fix its",
            "text:2: utterance y has no audio in wav.scp: fix its id",
            "utt2label:3: utterance q has no audio in wav.scp: fix",
            "wav.scp:4: utterance d has no speaker in utt2spk: add",
            "spk2utt:1: utterance b is of speaker two words in utt2spk",
            "utt2spk:3: utterance c is not in spk2utt: fix the wrong",
            "utt2spk:4: utterance z is not in spk2utt: fix the wrong",
            "utt2label:2: utterance b has the label 'very good', which",
            "utt2label:4: utterance c has the unknown label 'rage'; the",
            "classes:2: the class 'very good' holds spaces: write",
        )
    ]


def test_twenty_of_many_faults_are_shown_and_the_number_of_all(tmp_path):
    folder = write(
        tmp_path / "set",
        wav_scp=[f"u{i}" for i in range(50)],
        utt2spk=[f"u{i} s" for i in range(50)],
    )
    with pytest.raises(DataError, match=r"set: there are 50 faults\n") as error:
        read_kaldi_dir(folder)
    assert len(str(error.value).splitlines()) == 22
    assert str(error.value).endswith("... and 30 more")


def test_a_pipe_is_not_run_and_its_remedy_works(tmp_path, an4_wavs):
    command = f"touch {tmp_path}/ran; cat {an4_wavs[0]}"
    folder = write(
        tmp_path / "set", wav_scp=[f"a {command} |", "b -"], utt2spk=["a s", "b s"]
    )
    pipe, stdin = faults(folder)
    assert pipe.startswith("wav.scp:1: recording a is a command, ")
    assert stdin.startswith("wav.scp:2: recording b is standard input, which is not")
    assert not (tmp_path / "ran").exists()
    remedy = pipe.split("run it once into a file, ")[1].split(", and write")[0]
    assert remedy == f"{command} > FILE.wav"
    subprocess.run(["sh", "-c", remedy], cwd=tmp_path, check=True)
    file = tmp_path / "FILE.wav"
    write(folder, wav_scp=[f"a {file}", f"b {file}"])
    check_audio(read_kaldi_dir(folder), None)


def test_a_place_in_an_ark_is_not_read_and_its_remedy_works(tmp_path, an4_wavs):
    import kaldiio

    samples, _ = soundfile.read(an4_wavs[0], dtype="int16")
    kaldiio.save_ark(str(tmp_path / "wav.ark"), {"a": (16000, samples)})
    place = f"{tmp_path}/wav.ark:2"
    folder = write(tmp_path / "set", wav_scp=[f"a {place}"], utt2spk=["a s"])
    (fault,) = faults(folder)
    assert fault.startswith("wav.scp:1: recording a lies in an ark, ")
    remedy = fault.split('python -c "')[1].split('", and')[0]
    subprocess.run([sys.executable, "-c", remedy], cwd=tmp_path, check=True)
    write(folder, wav_scp=[f"a {tmp_path / 'FILE.wav'}"])
    found = utterance_audio(read_kaldi_dir(folder), "a", None).read()
    np.testing.assert_array_equal(found, read_audio(an4_wavs[0], 16000))


def test_a_file_that_looks_like_a_pipe_or_a_place_is_a_file(tmp_path, an4_wavs):
    names = ["a.ark:12", "b|"]
    for name in names:
        (tmp_path / name).write_bytes(an4_wavs[0].read_bytes())
    utterances = [
        Utterance(f"u{i}", str(tmp_path / name), "s") for i, name in enumerate(names)
    ]
    write_kaldi_dir(tmp_path / "set", utterances)
    found = list(read_kaldi_dir(tmp_path / "set").wav_scp.values())
    assert found == [u.wav for u in utterances]


@pytest.mark.parametrize("kind", ["audio", "fbank"])
def test_a_directory_of_kaldi_runs_stage_1(
    tmp_path, an4_wavs, monkeypatch, capsys, kind
):
    """Relative paths, tables of Kaldi's that mean nothing here, BOM, CRLF, no order."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wav").mkdir()
    utts = ["fash-an251", "cen8/fbbh", "fclc-an.1"]
    for i, wav in enumerate(an4_wavs[:3]):
        (tmp_path / "wav" / f"{i}.sph").write_bytes(wav.read_bytes())
    folder = write(
        tmp_path / "train",
        wav_scp=[f"{utt} wav/{i}.sph" for i, utt in enumerate(utts)],
        utt2spk=[f"{utt}\t{utt[:4]}" for utt in utts],
        text=[f"{utt} YES" for utt in reversed(utts)],
        spk2utt=[f"{utt[:4]} {utt}" for utt in utts],
        utt2label=["cen8/fbbh joy", "fash-an251 anger", "fclc-an.1 joy"],
        utt2dur=[f"{utt} 0.01" for utt in utts],
        utt2num_frames=["x"],
        frame_shift=["0.01"],
        feats_type=["raw"],
    )
    for name in ("wav.scp", "utt2label"):
        table = folder / name
        data = b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n")
        table.write_bytes(data)
    data = read_kaldi_dir(folder)
    assert data.utts == sorted(utts) and data.classes == ["anger", "joy"]
    model = {"audio": "torchaudio\nencoder_conf: {model: HUBERT_BASE}", "fbank": "none"}
    encoder = tmp_path / "encoder.yaml"
    encoder.write_text(f"encoder: {model[kind]}\n")
    options = ["--data_dir", "train", "--dump", "dump", "--encoder", str(encoder)]
    make_features.main([*options, "--nj", "1"])
    assert "the labels of utt2label, anger, joy" in capsys.readouterr().err
    sizes = {"audio": "utt2num_samples", "fbank": "utt2num_frames"}[kind]
    assert list(read_table(tmp_path / "dump" / kind / "train" / sizes)) == sorted(utts)


def test_ids_with_slashes_become_names_of_files(tmp_path, an4_wavs):
    ids = ["../../a", "a/b", "a.b", "."]
    cut = [Utterance(i, str(an4_wavs[0]), "s", start=0.0, end=0.5) for i in ids]
    write_kaldi_dir(tmp_path / "set", cut)
    out = tmp_path / "deep" / "out"
    (wav_scp, _), files = dump_audio(read_kaldi_dir(tmp_path / "set"), out)
    assert sorted(read_table(wav_scp)) == sorted(ids) and len(set(files)) == 4
    assert {path.parent for path in files} == {out / "wav"}
    assert all(path.is_file() for path in files)


def test_what_is_converted_is_not_opened_again(tmp_path, an4_wavs, monkeypatch):
    samples, _ = soundfile.read(an4_wavs[0])
    soundfile.write(tmp_path / "low.wav", samples[::2], 8000)
    write_kaldi_dir(tmp_path / "set", [Utterance("a", str(tmp_path / "low.wav"), "s")])
    data, out = read_kaldi_dir(tmp_path / "set"), tmp_path / "out"
    tables, files = dump_audio(data, out, of="x")
    monkeypatch.setattr(dump, "open_audio", None)
    assert dump_audio(data, out, of="x") == (tables, files)


def test_no_copy_at_another_speed_replaces_an_utterance(tmp_path, an4_wavs):
    ids = ["a", "sp0.9-a"]
    write_kaldi_dir(
        tmp_path / "set", [Utterance(i, str(an4_wavs[0]), "s") for i in ids]
    )
    copies = {"sp0.9-a": ("a", 0.9)}
    with pytest.raises(
        DataError, match="called as copies at other speeds.*\n  sp0.9-a"
    ):
        dump_fbank(read_kaldi_dir(tmp_path / "set"), tmp_path, perturbed=copies)


def test_one_speaker_and_one_class_in_both_forms_of_unicode_are_one(tmp_path, an4_wavs):
    given = [
        Utterance(f"{name}-{i}", str(an4_wavs[i]), name, label=f"col\u00e8re{name}")
        for i, name in enumerate((JOSE, JOSE_NFD))
    ]
    write_kaldi_dir(tmp_path / "set", given)
    data = read_kaldi_dir(tmp_path / "set")
    assert data.utt2spk == {f"{JOSE}-0": JOSE, f"{JOSE}-1": JOSE}
    assert data.classes == [f"col\u00e8re{JOSE}"]


def test_strangers_tables_in_both_forms_of_unicode_fit(tmp_path, an4_wavs):
    wav = an4_wavs[0]
    folder = write(
        tmp_path / "set",
        wav_scp=[f"{JOSE}1 {wav}", f"{JOSE_NFD}2 {wav}"],
        utt2spk=[f"{JOSE_NFD}1 {JOSE_NFD}", f"{JOSE}2 {JOSE}"],
        spk2utt=[f"{JOSE_NFD} {JOSE}1 {JOSE_NFD}2"],
        utt2label=[f"{JOSE}1 {JOSE_NFD}", f"{JOSE_NFD}2 {JOSE}"],
    )
    data = read_kaldi_dir(folder)
    assert data.utts == [f"{JOSE}1", f"{JOSE}2"] and data.classes == [JOSE]
    assert set(data.utt2spk.values()) == {JOSE}


def test_two_entries_that_differ_in_unicodes_form_only_are_refused(tmp_path, an4_wavs):
    folder = write(
        tmp_path / "set",
        wav_scp=[f"{JOSE} {an4_wavs[0]}", f"{JOSE_NFD} {an4_wavs[1]}"],
        utt2spk=[f"{JOSE} s"],
    )
    (fault,) = faults(folder)
    assert fault.startswith(f"wav.scp:2: '{JOSE_NFD}' differs only in how its accents")
    assert "see line 1" in fault


def test_paths_are_not_normalised(tmp_path, an4_wavs):
    path = tmp_path / f"{JOSE_NFD}.sph"
    path.write_bytes(an4_wavs[0].read_bytes())
    cut = [Utterance("u", str(path), "s", start=0.0, end=0.5)]
    write_kaldi_dir(tmp_path / "set", cut)
    data = read_kaldi_dir(tmp_path / "set")
    assert data.wav_scp == {JOSE: str(path)}
    check_audio(data, None)


def test_a_recording_with_blanks_in_its_name_can_be_cut(tmp_path, an4_wavs):
    path = tmp_path / "my  call.sph"
    path.write_bytes(an4_wavs[0].read_bytes())
    cut = Utterance("u", str(path), "s", start=0.0, end=0.5, channel="A")
    write_kaldi_dir(tmp_path / "set", [cut])
    data = read_kaldi_dir(tmp_path / "set")
    assert data.wav_scp == {"my_call-A": str(path)}
    assert data.channels == {"my_call-A": "A"}


def test_all_faults_of_utterances_are_named_before_anything_is_written(tmp_path):
    bad = [
        Utterance("a b", "gone.wav", "s"),
        Utterance("c", "gone.wav", "s", label="d e", start=2.0, end=1.0),
        Utterance("x" * 201, " blank.wav", "s\ud800", text="\udc80"),
    ]
    with pytest.raises(DataError) as error:
        write_kaldi_dir(tmp_path / "set", bad)
    for part in (
        "hold spaces: ",
        "utterance c: bad label 'd e'",
        "utterance c ends at 1.000 s, not after its start",
        "has 201 bytes in UTF-8, more than the 200",
        "the speaker 's\\ud800' holds \\ud800",
        "its text '\\udc80' cannot be written as UTF-8",
        "begins or ends in a blank",
        "gone.wav does not exist",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "set").exists()


def test_a_line_break_in_a_transcript_does_not_end_its_row(tmp_path, an4_wavs):
    u = Utterance("u", str(an4_wavs[0]), "s", text="one\ntwo\u2028three ")
    write_kaldi_dir(tmp_path / "set", [u])
    assert read_kaldi_dir(tmp_path / "set").text == {"u": "one two three"}
