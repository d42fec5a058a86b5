"""The door for sound: lengths, ways in, what is odd, and what is no recording."""

import io
import os
import struct
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile
from sound_files import NO_AUDIO, Kind, write_no_audio, write_sound

from espnet_sentiment.bin import make_features
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data import decoded
from espnet_sentiment.data.audio import audio_info, hear, read_audio
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir
from espnet_sentiment.data.source import Source
from espnet_sentiment.data.suffixes import RECORDING_SUFFIXES

RATE = 16000


@pytest.fixture(scope="module", name="speech")
def some_speech(an4_wavs):
    """Return a second."""
    speech = soundfile.read(an4_wavs[0], dtype="float32")[0][:RATE]
    return 0.5 * speech / np.abs(speech).max()


def encoded(speech, container="WAV", subtype="PCM_16", rate=RATE):
    stream = io.BytesIO()
    soundfile.write(stream, speech, rate, format=container, subtype=subtype)
    return bytearray(stream.getvalue())


SIZES = [0, 0x7FFFF000, 0x7FFFFFFF, 0x7FFFFFFE, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF]


@pytest.mark.parametrize("size", SIZES, ids=hex)
@pytest.mark.parametrize("more", [0, 36])
def test_a_wav_whose_writer_did_not_know_its_length_is_read_to_the_end(
    speech, size, more
):
    wav = encoded(speech)
    wav[4:8] = struct.pack("<I", (size + more) & 0xFFFFFFFF)
    wav[40:44] = struct.pack("<I", size)
    np.testing.assert_array_equal(
        read_audio(bytes(wav), RATE), read_audio(bytes(encoded(speech)), RATE)
    )


@pytest.mark.parametrize(
    ("container", "chunk", "offset", "sizes"),
    [
        ("RF64", b"ds64", 8, [b"\0" * 24, b"\xff" * 24]),
        ("W64", b"data", 16, [b"\0" * 8, b"\x18" + b"\0" * 7, b"\xff" * 8]),
        ("AU", b".snd", 8, [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"]),
        ("CAF", b"data", 4, [b"\xff" * 8]),
    ],
)
def test_other_headers_without_a_length_are_read_to_the_end(
    speech, container, chunk, offset, sizes
):
    for size in sizes:
        content = encoded(speech, container)
        begin = content.index(chunk) + offset
        content[begin : begin + len(size)] = size
        if container == "W64":
            content[16:24] = size
        assert audio_info(bytes(content)).frames == len(speech)
        np.testing.assert_allclose(
            read_audio(bytes(content), RATE), speech, atol=2.0**-15
        )


def test_a_flac_without_a_length_is_read_to_the_end(speech):
    flac = encoded(speech, "FLAC")
    # The lower 36 bits of these bytes count samples (RFC 9639, section 8.2).
    flac[21] &= 0xF0
    flac[22:26] = b"\0" * 4
    np.testing.assert_allclose(read_audio(bytes(flac), RATE), speech, atol=2.0**-15)


@pytest.mark.parametrize("suffix", sorted(RECORDING_SUFFIXES))
def test_a_file_of_no_bytes_is_empty_whatever_its_name(tmp_path, capfd, suffix):
    path = tmp_path / f"x{suffix}"
    path.touch()
    with pytest.raises(DataError) as error:
        audio_info(path)
    assert str(error.value) == (
        f"{path} cannot be read as audio (empty): restore it, or leave it out"
    )
    assert capfd.readouterr() == ("", "")


def test_an_empty_recording_with_a_chunk_behind_holds_no_samples(speech):
    wav = encoded(speech[:0]) + b"LIST\x04\0\0\0INFO"
    wav[4:8] = struct.pack("<I", len(wav) - 8)
    with pytest.raises(DataError, match="holds no samples"):
        audio_info(bytes(wav))


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        *((name, "PCM_16") for name in ("WAV", "RF64", "W64", "AU", "AIFF", "CAF")),
        *(("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_what_is_cut_short_is_refused(speech, container, subtype):
    content = encoded(speech, container, subtype)
    message = r"the recording is (damaged or )?cut short.*: restore it, or leave it out"
    with pytest.raises(DataError, match=message):
        read_audio(bytes(content[: len(content) * 2 // 3]), RATE)


@pytest.mark.parametrize(
    "kind",
    [
        Kind(".m4a", "ipod", "aac", 16000),
        Kind(".mkv", "matroska", "flac", 16000),
        Kind(".mkv", "matroska", "aac", 44100, 1, picture=True),
        Kind(".webm", "webm", "libopus", 48000),
        Kind(".wma", "asf", "wmav2", 44100),
        Kind(".avi", "avi", "pcm_s16le", 16000, 1, 16, picture=True),
    ],
    ids=lambda kind: kind.name,
)
def test_a_container_that_is_cut_short_is_refused_by_name(tmp_path, speech, kind):
    path = tmp_path / f"cut{kind.suffix}"
    write_sound(path, kind, speech)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match=rf"{path} .*(cut short|damaged).*restore it"):
        audio_info(path)


def test_a_stream_of_matroska_has_no_size_and_is_read_to_its_end(tmp_path, speech):
    path = tmp_path / "a.webm"
    write_sound(path, Kind(".webm", "webm", "libopus", 48000), speech)
    content, frames = bytearray(path.read_bytes()), audio_info(path).frames
    begin = content.index(b"\x18S\x80g") + 4
    assert content[begin] == 1  # a size of eight bytes
    content[begin : begin + 8] = b"\x01" + b"\xff" * 7
    assert audio_info(bytes(content)).frames == frames


def mp3(path, samples, bit_rate):
    """Write an MP3 without a Xing tag; return its bytes."""
    with av.open(str(path), "w", "mp3", {"write_xing": "0", "id3v2_version": "0"}) as c:
        stream = c.add_stream("libmp3lame", RATE, layout="mono")
        stream.codec_context.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "fltp", "mono")
        frame.sample_rate = RATE
        fifo = av.AudioFifo()
        fifo.write(frame)
        size = stream.codec_context.frame_size
        while (part := fifo.read(size)) or (part := fifo.read(0, partial=True)):
            c.mux(stream.encode(part))
        c.mux(stream.encode(None))
    return path.read_bytes()


def test_an_mp3_of_changing_bit_rate_without_a_tag_is_read_to_its_end(tmp_path, speech):
    path = tmp_path / "vbr.mp3"
    loud = mp3(path, speech, 160_000)
    path.write_bytes(loud + 4 * mp3(path, speech, 16_000))
    # By the first frame's rate libsndfile takes it for shorter.
    assert soundfile.info(path).frames < 4 * len(speech)
    assert abs(audio_info(path).frames - 5 * len(speech)) < 10 * 1152
    end = read_audio(path, RATE, start=4.2, end=5.0)
    assert np.abs(end).max() > 0.1


def test_bytes_and_file_objects_are_read_as_the_file_is(tmp_path, speech):
    for name in ("a.wav", "a.ogg", "a.mp3", "a.m4a"):
        path = tmp_path / name
        if name == "a.m4a":
            write_sound(path, Kind(".m4a", "ipod", "aac", 16000), speech)
        else:
            soundfile.write(path, speech, RATE)
        expected = read_audio(path, RATE)
        np.testing.assert_array_equal(read_audio(path.read_bytes(), RATE), expected)
        with path.open("rb") as stream:
            np.testing.assert_array_equal(read_audio(stream, RATE), expected)


def test_a_file_object_with_nothing_left_or_of_text_gets_the_remedy(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("text")
    with path.open() as text, pytest.raises(DataError, match="open it for bytes"):
        audio_info(text)
    with path.open("rb") as stream:
        stream.read()
        with pytest.raises(DataError, match=r"a.wav has nothing left.*seek\(0\)"):
            audio_info(stream)


def test_a_macos_note_beside_a_recording_does_no_harm(tmp_path, speech):
    # libsndfile takes ._NAME for the resource fork of NAME when it opens by name.
    path = tmp_path / "a.mp3"
    soundfile.write(path, speech, RATE)
    (tmp_path / "._a.mp3").write_bytes(b"\x00\x05\x16\x07" + bytes(4000))
    assert len(read_audio(path, RATE)) > 0.9 * len(speech)
    with pytest.raises(DataError, match="macOS's notes on a file .*leave it out"):
        audio_info(tmp_path / "._a.mp3")


@pytest.mark.parametrize("name", ["große Ärzte 语音.wav", "caf\udce9.wav"])
def test_any_name_is_opened_in_any_locale(tmp_path, speech, name):
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, RATE)
    path = path.rename(tmp_path / name)
    program = (
        "import os, sys; from espnet_sentiment.data.audio import audio_info; "
        "print(audio_info(sys.argv[1]).frames)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, path],
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=True,
    )
    assert int(ran.stdout) == len(speech)


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_is_no_recording_is_named_with_its_remedy(tmp_path, name):
    message, path = NO_AUDIO[name][1], write_no_audio(tmp_path, name)
    with pytest.raises(DataError, match=rf"(?s){path} .*{message}") as error:
        audio_info(path, "mix")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "<?xml version='1.0'?><MPD type='static'><BaseURL>{}</BaseURL></MPD>",
        "[playlist]\nFile1={}\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".sdp", ".ffconcat", ".mpd"])
def test_a_playlist_opens_nothing_else(tmp_path, speech, text, suffix):
    other = tmp_path / "other.wav"
    soundfile.write(other, speech, RATE)
    path = tmp_path / f"list{suffix}"
    path.write_text(text.format(other))
    with pytest.raises(DataError, match="cannot be read as audio"):
        audio_info(path)


def test_of_several_sounds_the_default_one_is_read_and_it_is_said(tmp_path, speech):
    path = tmp_path / "two.mka"
    pcm = np.round(32767 * speech).astype(np.int16).reshape(1, -1)
    with av.open(str(path), "w", format="matroska") as container:
        streams = [
            container.add_stream("pcm_s16le", RATE, layout="mono") for _ in range(2)
        ]
        for stream, language in zip(streams, ("eng", "deu"), strict=True):
            stream.metadata["language"] = language
        streams[0].disposition = 0
        streams[1].disposition = av.stream.Disposition.default
        for stream, scale in zip(streams, (1, 2), strict=True):
            frame = av.AudioFrame.from_ndarray(pcm // scale, "s16", "mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    found = hear(path, RATE)
    np.testing.assert_allclose(found.samples, pcm[0] // 2 / 32768, atol=2.0**-15)
    assert found.notes == ("2 sounds (eng, deu) are in it: number 2 is read",)


def test_segments_of_a_container_are_cut_from_one_decoding(
    tmp_path, speech, monkeypatch
):
    path = tmp_path / "a.m4a"
    kind = Kind(".m4a", "ipod", "alac", 16000, 1, 16)
    whole = write_sound(path, kind, speech)[:, 0]
    opened, decode = [], decoded._decode
    monkeypatch.setattr(decoded, "_decode", lambda *a: opened.append(1) or decode(*a))
    for start in (0.0, 0.2, 0.5):
        part = read_audio(path, RATE, start=start, end=start + 0.25)
        first = round(start * RATE)
        np.testing.assert_allclose(part, whole[first : first + 4000], atol=2.0**-15)
    assert len(opened) == 1
    os.utime(path, (1, 1))
    read_audio(path, RATE)
    assert len(opened) == 2


def test_short_recordings_whose_lengths_were_asked_for_are_not_decoded_again(
    tmp_path, speech, monkeypatch
):
    soundfile.write(tmp_path / "0.mp3", speech, 16000)
    paths = [tmp_path / f"{n}.mp3" for n in range(12)]
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    read, decode = [], decoded._decode
    monkeypatch.setattr(
        decoded,
        "_decode",
        lambda source, *rest: read.append(1) or decode(source, *rest),
    )
    for path in (*paths, *reversed(paths)):
        audio_info(path)
    assert len(read) == 12
    # Where they are too many, the latest are kept.
    monkeypatch.setattr(decoded, "TOGETHER", 0)
    audio_info(paths[0])
    assert len(decoded._entries) == decoded.KEPT


def test_a_long_recording_is_decoded_into_a_file(tmp_path, speech, monkeypatch):
    monkeypatch.setattr(decoded, "IN_MEMORY", 3000)
    path = tmp_path / "a.m4a"
    kind = Kind(".m4a", "ipod", "alac", 16000, 1, 16)
    whole = write_sound(path, kind, speech)[:, 0]
    np.testing.assert_allclose(read_audio(path, RATE), whole, atol=2.0**-15)
    assert isinstance(decoded.decode(Source("a", path), None).samples, np.memmap)


def test_antiphase_and_silence_are_said(speech):
    pair = np.stack([speech, -speech], 1)
    noisy = pair + 0.001 * np.random.default_rng(0).standard_normal(pair.shape)
    for samples in (pair, noisy):
        for form in ("WAV", "MP3"):
            content = bytes(
                encoded(samples, form, {"MP3": "MPEG_LAYER_III"}.get(form, "PCM_16"))
            )
            (note,) = hear(content, RATE, "mix").notes
            assert note.startswith("its 2 channels cancel each other out")
            assert "--channel 0" in note
            assert not hear(content, RATE, "0").notes
    for form in ("WAV", "FLAC"):
        silence = bytes(encoded(0 * speech, form))
        assert hear(silence, RATE).notes == ("digital silence: all samples are alike",)
    alike = np.stack([speech, 0 * speech], 1)
    assert not hear(bytes(encoded(alike)), RATE, "mix").notes
    assert not hear(bytes(encoded(speech)), RATE).notes


@pytest.mark.parametrize("encoder", ["fbank", "audio"])
def test_stage_1_says_what_is_odd_and_names_all_that_cannot_be_decoded(
    tmp_path, speech, capsys, encoder
):
    paths = {name: tmp_path / f"{name}.wav" for name in ("anti", "good", "quiet")}
    soundfile.write(paths["anti"], np.stack([speech, -speech], 1), RATE)
    soundfile.write(paths["good"], speech, RATE)
    soundfile.write(paths["quiet"], 0 * speech, RATE)
    conf = tmp_path / "encoder.yaml"
    fbank, audio = "encoder: none\n", "encoder: huggingface\nencoder_conf: {model: x}\n"
    conf.write_text({"fbank": fbank, "audio": audio}[encoder])

    def stage_1():
        write_kaldi_dir(
            tmp_path / "data" / "set",
            [Utterance(name, str(path), name, "x") for name, path in paths.items()],
        )
        options = ["--data_dir", tmp_path / "data" / "set", "--dump", tmp_path / "dump"]
        options += ["--encoder", conf, "--channel", "mix", "--nj", 1]
        make_features.main([*map(str, options)])

    stage_1()
    said = capsys.readouterr().err
    assert "WARNING: digital silence: all samples are alike: quiet" in said
    assert "WARNING: its 2 channels cancel each other out" in said and ": anti" in said
    notes = read_table(tmp_path / "dump" / encoder / "set" / "utt2note")
    assert sorted(notes) == ["anti", "quiet"]
    for name in ("cut1", "cut2"):
        paths[name] = tmp_path / f"{name}.mp3"
        soundfile.write(paths[name], speech, 8000)
        os.truncate(paths[name], 3000)
    with pytest.raises(DataError, match="2 of 5 utterances unusable") as error:
        stage_1()
    assert str(error.value).count("is cut short") == 2


def test_every_suffix_is_lower_case_and_begins_with_a_dot():
    assert {
        ".m4a",
        ".webm",
        ".mp4",
        ".3gp",
        ".aac",
        ".amr",
        ".wma",
    } < RECORDING_SUFFIXES
    assert all(s == s.lower() and s[0] == "." for s in RECORDING_SUFFIXES)


def test_a_codec_that_nobody_knows_is_named(speech):
    wav = encoded(speech)
    wav[20:22] = b"\x99\x99"
    with pytest.raises(DataError, match="cannot be read as audio .*: restore it"):
        audio_info(bytes(wav))


def test_amr_is_read():
    # Silence descriptors and speech of 12.2 kbit/s (RFC 4867, section 5.3).
    frame = b"\x3c" + bytes(range(31))
    assert audio_info(b"#!AMR\n" + 50 * frame).frames == 50 * 160
    assert audio_info(b"#!AMR\n" + 50 * frame).sample_rate == 8000
