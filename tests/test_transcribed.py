"""Transcripts and audio that belong together."""

import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table, write_table
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir
from espnet_sentiment.data.transcribed import check_transcripts


@pytest.fixture
def data_dir(tmp_path, an4_wavs):
    write_kaldi_dir(
        tmp_path / "set",
        [
            Utterance(f"s{i:02d}-u", str(an4_wavs[i % 6]), f"s{i:02d}", text="A B")
            for i in range(25)
        ],
    )
    return tmp_path / "set"


def change(table, remove=(), **rows):
    kept = {k: v for k, v in read_table(table).items() if k not in remove}
    write_table(table, kept | {k.replace("_", "-"): v for k, v in rows.items()})


def test_whole_data_pass_and_empty_transcripts_are_returned(data_dir):
    assert check_transcripts(read_kaldi_dir(data_dir)) == []
    change(data_dir / "text", s03_u="", s11_u="")
    assert check_transcripts(read_kaldi_dir(data_dir)) == ["s03-u", "s11-u"]


def test_a_transcript_without_audio_is_named_with_its_file(data_dir):
    change(data_dir / "text", zzz="C")
    with pytest.raises(
        DataError, match=f"{data_dir}/text:26: utterance zzz has no audio in wav.scp"
    ):
        check_transcripts(read_kaldi_dir(data_dir))


def test_audio_without_a_transcript_is_named_with_its_file(data_dir):
    change(data_dir / "text", remove=["s04-u"])
    with pytest.raises(
        DataError, match=f"{data_dir}/text lacks .* audio in wav.scp: s04-u: add"
    ):
        check_transcripts(read_kaldi_dir(data_dir))


def test_an_utterance_without_a_speaker_is_named(data_dir):
    change(data_dir / "utt2spk", remove=["s04-u"])
    with pytest.raises(DataError, match="wav.scp:5: utterance s04-u has no speaker in"):
        check_transcripts(read_kaldi_dir(data_dir))


def test_segments_are_what_needs_a_transcript(tmp_path, an4_wavs):
    write_kaldi_dir(
        tmp_path / "cut",
        [
            Utterance(f"s-{i}", str(an4_wavs[0]), "s", text="A", start=i / 10, end=1.0)
            for i in range(3)
        ],
    )
    assert check_transcripts(read_kaldi_dir(tmp_path / "cut")) == []
    change(tmp_path / "cut" / "text", remove=["s-1"])
    with pytest.raises(DataError, match="lacks transcripts of audio in segments: s-1:"):
        check_transcripts(read_kaldi_dir(tmp_path / "cut"))


def test_only_twenty_of_many_utterances_are_named(data_dir):
    change(data_dir / "text", remove=[f"s{i:02d}-u" for i in range(1, 25)])
    with pytest.raises(DataError, match="s01-u, .*, s20-u and 4 more: add"):
        check_transcripts(read_kaldi_dir(data_dir))


def test_a_corpus_without_transcripts_is_refused(data_dir):
    (data_dir / "text").unlink()
    with pytest.raises(DataError, match="text is missing or empty"):
        check_transcripts(read_kaldi_dir(data_dir))
